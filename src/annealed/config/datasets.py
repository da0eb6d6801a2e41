"""Which data sets there are, and what a configuration has to know of them."""

BINARY = ("mnist", "mnist_static", "digits")  # data sets that are binarised
NAMES = (*BINARY, "celeba")
FACE_SIZES = (32, 64)  # pixels a side, of CelebA
