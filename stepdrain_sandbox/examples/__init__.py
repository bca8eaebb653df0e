"""Worlds that are the same every time: for ``--sandbox``, and the recordings of docs/examples."""
