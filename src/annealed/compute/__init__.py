"""How a step is computed: device, precision, matrix products, compiling, seeds side by side."""
