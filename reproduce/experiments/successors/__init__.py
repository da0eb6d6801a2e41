"""AVO beside its successors: the ring, two toys, MNIST, and what a training step costs."""
