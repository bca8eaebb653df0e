"""What a rehearsal found out, check by check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from stepdrain.errors import (
    AwsDenied,
    AwsUnavailable,
    DrainError,
    KubeForbidden,
    KubeUnauthorized,
    KubeUnavailable,
    Transient,
)

REHEARSALS = "verify-"
"""How the names of rehearsals' executions begin: they are no drains, for nobody."""

THE_VERSION = "the function's version"
"""A check that the command line makes of what the function says, which is its version."""


class Result(StrEnum):
    """What came of a check."""

    OK = "ok"
    MISSING = "missing"
    """A drain would fail, or be stopped, for the lack of it."""
    DEGRADED = "degraded"
    """A drain goes on without it: slower, or with less to read afterwards."""
    UNKNOWN = "unknown"
    """The check got no usable answer; verify again."""
    SKIPPED = "skipped"
    """The check needs something that was not given, and no drain depends on it."""


class Remedy(StrEnum):
    """What helps; the command line makes a command of it, with this installation's names filled in."""

    NOTHING = ""
    ACCESS_ENTRY = "access entry"
    RBAC = "rbac"
    IAM = "iam"
    NETWORK = "network"
    ENDPOINT = "endpoint"
    CLUSTER = "cluster"
    NODE = "node"


@dataclass(frozen=True)
class Finding:
    """One check: ``what`` was checked, ``by`` which function, and what it said."""

    what: str
    by: str
    result: Result
    said: str = ""
    remedy: Remedy = Remedy.NOTHING

    def to_document(self) -> dict[str, str]:
        """As it travels between the states, and in the execution's output."""
        return asdict(self)


def from_document(document: dict[str, Any]) -> Finding:
    """The finding that ``to_document`` wrote."""
    return Finding(
        document["what"],
        document["by"],
        Result(document["result"]),
        document.get("said", ""),
        Remedy(document.get("remedy", "")),
    )


REMEDIES: tuple[tuple[type[DrainError], Remedy], ...] = (
    (KubeUnauthorized, Remedy.ACCESS_ENTRY),
    (KubeForbidden, Remedy.RBAC),
    (AwsDenied, Remedy.IAM),
)
UNANSWERED: tuple[tuple[type[DrainError], Remedy, str], ...] = (
    (
        KubeUnavailable,
        Remedy.NETWORK,
        "The cluster's API does not answer the function: a security group or a route keeps it out, or the "
        "endpoint is private and the function is in no subnet.",
    ),
    (
        AwsUnavailable,
        Remedy.ENDPOINT,
        "AWS does not answer the function: its subnets have neither a NAT gateway nor an endpoint of this "
        "service.",
    ),
)
"""Where no server said anything: a question of the network, and the exception's own words help nobody."""


def checked(what: str, by: str, look: Callable[[], object]) -> Finding:
    """OK if ``look`` returns, else ``refused``."""
    try:
        look()
    except DrainError as error:
        return refused(what, by, error)
    return Finding(what, by, Result.OK)


def refused(what: str, by: str, error: DrainError) -> Finding:
    """What the error says, and what helps; UNKNOWN where only another try can help."""
    for kind, remedy, said in UNANSWERED:
        if isinstance(error, kind) and not _answered(error):
            return Finding(what, by, Result.MISSING, said, remedy)
    remedy = next((remedy for kind, remedy in REMEDIES if isinstance(error, kind)), Remedy.NOTHING)
    passing = isinstance(error, Transient) and remedy is Remedy.NOTHING
    return Finding(what, by, Result.UNKNOWN if passing else Result.MISSING, str(error), remedy)


def _answered(error: DrainError) -> bool:
    """Whether the error is an answer of the server: the exceptions of both clients then hold it."""
    return any(getattr(error.__cause__, name, None) for name in ("status", "response"))
