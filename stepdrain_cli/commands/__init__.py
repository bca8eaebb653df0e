"""One module for each command: its arguments, what it prints, its exit status."""
