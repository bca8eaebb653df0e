"""The operator's command line; never shipped to Lambda."""
