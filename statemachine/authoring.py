"""What the `stepfunctions` SDK lacks for this machine: newer fields, key order, quietness.

The SDK's last release is of January 2022 (docs/decisions/0001). It knows neither
MaxDelaySeconds nor JitterStrategy nor ResultSelector, writes keys in its own order, and on
import sets the root logger to ERROR; with sagemaker it also writes to stdout.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stepdrain.errors import DrainError

from statemachine.retriers import Retrier

_root_level = logging.root.level
# Its log handler keeps the stream it finds at import, so the stream is taken away for good.
with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from stepfunctions.steps import Catch, Choice, ChoiceRule, Graph, Retry, Task, Wait
logging.root.setLevel(_root_level)

__all__ = [
    "Catch",
    "Choice",
    "ChoiceRule",
    "ErrorName",
    "Wait",
    "WideTask",
    "difference",
    "names",
    "render",
    "retry",
]

KEYS = (
    "Comment",
    "StartAt",
    "Type",
    "Resource",
    "Parameters",
    "ResultSelector",
    "ResultPath",
    "SecondsPath",
    "Choices",
    "Default",
    "TimeoutSeconds",
    "Retry",
    "Catch",
    "Next",
    "End",
    "States",
)
"""The order in which a reader of a state asks: what it does, with what, for how long, and then."""

ErrorName = str | type[DrainError]


def widen(block: Any, *fields: str) -> Any:
    """A subclass of an SDK class that also takes ``fields`` (snake_case; rendered in PascalCase)."""

    def is_field_allowed(self: Any, field: str) -> bool:
        return field in fields or block.is_field_allowed(self, field)

    return type(block.__name__, (block,), {"is_field_allowed": is_field_allowed})


WideRetry = widen(Retry, "max_delay_seconds", "jitter_strategy")
WideTask = widen(Task, "result_selector")


def names(errors: Iterable[ErrorName]) -> list[str]:
    """Error names for ErrorEquals: classes by their bare name, as Lambda reports them."""
    return [error if isinstance(error, str) else error.__name__ for error in errors]


def retry(errors: Iterable[ErrorName], numbers: Retrier) -> Any:
    """One retrier: these errors, at this retriers."""
    fields: dict[str, Any] = {
        "error_equals": names(errors),
        "interval_seconds": numbers.interval_s,
        "backoff_rate": float(numbers.rate),
    }
    if numbers.longest_s is not None:
        fields["max_delay_seconds"] = numbers.longest_s
    fields["max_attempts"] = numbers.attempts
    if numbers.jitter:
        fields["jitter_strategy"] = "FULL"
    return WideRetry(**fields)


def render(first: Any, order: Iterable[str], *, comment: str, timeout_s: int) -> str:
    """The definition as JSON text: states in ``order`` (in time), keys as in KEYS.

    KeyError if ``order`` misses a state or names one that cannot be reached from ``first``.
    """
    graph = Graph(first, comment=comment, timeout_seconds=timeout_s)
    machine = json.loads(graph.to_json())
    states = {name: machine["States"].pop(name) for name in order}
    if machine["States"]:
        raise KeyError(f"no place in time for {sorted(machine['States'])}")
    machine["States"] = {name: _ordered(state) for name, state in states.items()}
    return json.dumps(_ordered(machine), indent=2, ensure_ascii=False) + "\n"


def _ordered(block: dict[str, Any]) -> dict[str, Any]:
    return {key: block[key] for key in sorted(block, key=KEYS.index)}


def difference(path: Path, fresh: str) -> str:
    """A unified diff from the file at ``path`` to ``fresh``; empty if they are the same."""
    committed = path.read_text(encoding="utf-8") if path.exists() else ""
    return "".join(
        difflib.unified_diff(
            committed.splitlines(keepends=True),
            fresh.splitlines(keepends=True),
            fromfile=f"{path.name} (committed)",
            tofile=f"{path.name} (rendered)",
        )
    )
