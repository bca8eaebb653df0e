"""The error of this package."""

from __future__ import annotations


class Unreadable(ValueError):
    """The input is not a record of a drain; the message names the source and what to do."""
