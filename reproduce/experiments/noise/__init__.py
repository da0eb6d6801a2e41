"""The page on biased noise: what a unimodal posterior does to the model that is learned with it."""
