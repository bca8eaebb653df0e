"""What a drain would do with a node, and why it would hang."""
