"""The page on posterior collapse: a section for each kind of model."""
