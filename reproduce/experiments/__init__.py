"""The pages beside the table, a room each."""
