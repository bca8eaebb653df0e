"""JSON schemas of what comes in from outside, a file for each kind of event."""
