"""One drain as a file for a report to the project, without secrets."""
