"""A named thing and the reason for what became of it, as messages and the document show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NAMED = 20
"""Things named in a message and in the document; the rest is counted."""


@dataclass(frozen=True)
class Reason:
    """A pod, volume or target, and why it stays, is held or was forced."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


SINGULAR = {"were": "was", "are": "is", "have": "has", "do": "does", "go": "goes", "wait": "waits"}


def counted(count: int, noun: str, verb: str = "") -> str:
    """``3 pods``, ``1 pod``; with the plural ``verb``, one of SINGULAR: ``3 pods were``, ``1 pod was``."""
    verbs = verb if count != 1 or not verb else SINGULAR[verb]
    return f"{count:d} {noun}{'' if count == 1 else 's'} {verbs}".rstrip()


def cannot_be_evicted(pods: int, named: Sequence[str]) -> str:
    """The sentence about a count of pods that are held now, and the phrases that name them."""
    return f"{counted(pods, 'pod')} cannot be evicted now: {'; '.join(named)}."


def phrases(reasons: Sequence[Reason]) -> list[str]:
    """At most 20 reasons as phrases, then how many more there are."""
    named = [str(reason) for reason in reasons[:NAMED]]
    more = len(reasons) - NAMED
    return [*named, f"and {more} more"] if more > 0 else named
