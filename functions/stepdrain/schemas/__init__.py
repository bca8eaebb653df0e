"""JSON schemas of what comes in from outside, one file for each kind of event."""
