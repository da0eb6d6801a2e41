"""What every page of a report shares."""
