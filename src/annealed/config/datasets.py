"""Which data sets and energies there are, and what a configuration has to know of them."""

BINARY = ("mnist", "mnist_static", "digits")  # data sets that are binarised
NAMES = (*BINARY, "celeba")  # data sets of images
FACE_SIZES = (32, 64)  # pixels a side, of CelebA
TOY = "toy"  # what data.name is where the target is an energy: no images, no x
ENERGIES = (  # in this order in `annealed.models.catalogue`
    "two_crescents",
    "broken_ring",
    "ellipse",
    "four_modes",
    "torchkit_modes",
    "wave",
    "split_wave",
    "wide_modes",
    "lattice",
    "ring",
    "correlated_gaussian",
    "funnel",
)
