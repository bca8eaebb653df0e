"""One module for each state's decision, named as the state."""
