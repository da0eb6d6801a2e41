"""The page on AVO with invertible steps: toy settings, the digits' rows, tables, figures."""
