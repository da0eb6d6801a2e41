"""What decides the table: one choice at a time, on the validation set."""
