"""The error of this package."""

from __future__ import annotations


class Unreadable(ValueError):
    """What was given is no record of a drain; the message names the source and what to do."""
