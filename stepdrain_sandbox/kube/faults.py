"""Faults that tests inject into the API server or the network to it."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from stepdrain_sandbox.kube.rbac import forbidden
from stepdrain_sandbox.kube.requests import Request
from stepdrain_sandbox.kube.status import ApiError, overloaded, unauthorized

Json = dict[str, Any]
FOR_EVER = float("inf")


class Now(Protocol):
    """The part of a clock that faults need."""

    def now(self) -> float: ...


@dataclass
class Fault:
    """Requests that match get this instead of an answer, ``times`` times (-1: always).

    ``status``/``body``/``headers``: this answer. ``refuse``: an answer in the server's own words for the
    request, "token" (401), "rbac" (403) or "overload" (priority and fairness: 429 as text).
    ``delay_s``: real seconds of silence first, to trip a client's timeout; ``hangs_s``: the same on the
    world's clock, where the timeout of the kubernetes package's client counts, too. ``cut``: "reset"
    closes the connection without an answer, "truncate" in the middle of the real one.

    ``watch`` is what a watch does: "buffered" (a proxy holds everything back until the end), "silent" (no
    event comes, and it ends in time), "endless" (no event comes, and it never ends), "ends" (at once, empty),
    "expired" (410 as its first event), "cut" (the connection breaks ``hangs_s`` seconds after the beginning).

    ``user``: only requests of that user. ``starts_at``, ``ends_at``: only then, in epoch seconds.
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
    refuse: str = ""
    hangs_s: float = 0
    watch: str = ""
    user: str = ""
    starts_at: float = -FOR_EVER
    ends_at: float = FOR_EVER

    def fits(self, verb: str, path: str, user_agent: str, user: str = "", now: float = 0) -> bool:
        """Whether a request of this RBAC verb (or HTTP method), path and user is hit at ``now``."""
        hit = re.fullmatch(self.verb, verb) and re.search(self.path, path)
        sent = user_agent.startswith(self.user_agent) and self.user in ("", user)
        return bool(hit) and sent and self.times != 0 and self.starts_at <= now < self.ends_at

    def refusal(self, request: Request) -> ApiError | None:
        """What it answers, in its own words or in the server's for this request; None if it passes."""
        match self.refuse:
            case "token":
                return unauthorized()
            case "rbac":
                return forbidden(request.user, request.attempt())
            case "overload":
                return overloaded()
        return ApiError(self.status, self.body, self.headers) if self.status else None


class Faults:
    """The active faults; the first that matches a request is used."""

    def __init__(self, clock: Now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.hits = 0

    def add(self, fault: Fault, lasts_s: float | None = None) -> Fault:
        """Put a fault in force; the caller may change its ``times`` to 0 to end it.

        With ``lasts_s`` it hits every request that fits for that many seconds from now, or from its
        ``starts_at``: ten seconds of 401 are ``add(Fault(refuse="token"), lasts_s=10)``.
        """
        if lasts_s is not None:
            fault.times = -1
            fault.ends_at = max(self._clock.now(), fault.starts_at) + lasts_s
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def take(self, verb: str, path: str, user_agent: str, user: str = "") -> Fault | None:
        """The fault that hits this request; it counts as used."""
        with self._lock:
            now = self._clock.now()
            for fault in self._faults:
                if fault.fits(verb, path, user_agent, user, now):
                    fault.times -= 1 if fault.times > 0 else 0
                    self.hits += 1
                    return fault
        return None
