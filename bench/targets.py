"""A measured figure beside the limit it must keep. All limits are upper ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """``figure`` and ``limit`` in ``unit``; ``part`` is the measurement that it comes from."""

    part: str
    name: str
    figure: float
    limit: float
    unit: str
    note: str = ""
    """Why the limit is not the one that was set out for, where it is another; shown beside it."""

    @property
    def met(self) -> bool:
        """Whether the figure keeps the limit."""
        return self.figure <= self.limit

    def to_document(self) -> dict[str, Any]:
        """As JSON holds it, with the verdict."""
        return {**asdict(self), "met": self.met}


def missed(targets: Iterable[Target]) -> list[Target]:
    """Those whose limit was not kept, in their order."""
    return [target for target in targets if not target.met]
