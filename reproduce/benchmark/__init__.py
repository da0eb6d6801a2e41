"""`make benchmark`: this package against a bare loop and pythae, and how far from the limit."""
