"""The report, its charts, and the state machine as a picture."""
