"""Numbers as a person reads them."""

from __future__ import annotations


def figure(value: float) -> str:
    """A number as a person reads it: whole ones whole, others with two or three figures that matter."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.2g}" if abs(value) >= 0.01 else f"{value:.5f}"
