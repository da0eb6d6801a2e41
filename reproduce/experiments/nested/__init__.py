"""The ring of Zimmermann et al. 2021: their table of AVO and nested variational inference."""
