"""What a drain reports to people and to machines."""
