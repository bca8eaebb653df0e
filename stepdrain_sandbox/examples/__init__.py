"""Reproducible worlds for ``--sandbox`` and for the recordings in docs/examples."""
