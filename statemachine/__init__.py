"""The state machine: its authoring, its numbers, and the definition rendered from both."""
