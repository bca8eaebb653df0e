"""The account that a command works in, and the drains, instances and names in it."""
