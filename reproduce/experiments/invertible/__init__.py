"""The page on AVO with invertible steps: toy cells, the digits' rows, tables, figures."""
