"""Checks of what is committed: pages made again, cells trained again."""
