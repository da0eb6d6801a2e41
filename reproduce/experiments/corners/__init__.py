"""The corner cases: where AVO fails or costs."""
