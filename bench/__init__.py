"""What a drain costs, measured: ``python -m bench``. Never shipped."""
