"""What flows between the states, and what is derived from it."""
