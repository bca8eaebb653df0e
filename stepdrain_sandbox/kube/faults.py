"""Faults that a test injects: what an API server, or the way to it, does on a bad night."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Fault:
    """Requests that match get this instead of an answer, ``times`` times (-1: always).

    ``status``/``body``/``headers``: this answer. ``delay_s``: real seconds of silence first, to
    trip a client's timeout. ``cut``: "reset" closes the connection without an answer,
    "truncate" in the middle of the real one.
    """

    verb: str = ".*"
    path: str = ".*"
    times: int = 1
    status: int = 0
    body: Json | str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0
    cut: str = ""
    user_agent: str = "stepdrain/"

    def fits(self, verb: str, path: str, user_agent: str) -> bool:
        """Whether a request of this RBAC verb (or HTTP method) and path is hit."""
        hit = re.fullmatch(self.verb, verb) and re.search(self.path, path)
        return bool(hit) and user_agent.startswith(self.user_agent) and self.times != 0


class Faults:
    """The faults in force; the first that fits is taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.hits = 0

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; the caller may change its ``times`` to 0 to end it."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Mend everything."""
        with self._lock:
            self._faults.clear()

    def take(self, verb: str, path: str, user_agent: str) -> Fault | None:
        """The fault that hits this request, counted."""
        with self._lock:
            for fault in self._faults:
                if fault.fits(verb, path, user_agent):
                    fault.times -= 1 if fault.times > 0 else 0
                    self.hits += 1
                    return fault
        return None
