"""One invocation of a function: how long it may take, and what becomes of an error that nobody foresaw."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from stepdrain import VERSION
from stepdrain.errors import DrainError, UnexpectedError
from stepdrain.reporting import links

Handler = Callable[[Any, Any], Any]
_CONTEXT: ContextVar[Any] = ContextVar("context", default=None)


def time_left() -> float:
    """Seconds until Lambda cuts the running invocation off; infinite where nobody does."""
    context = _CONTEXT.get()
    return float("inf") if context is None else float(context.get_remaining_time_in_millis()) / 1000


def handler(function: Handler) -> Handler:
    """A function's handler: it knows ``time_left``, and every error that leaves it has a name of ours.

    The state machine and the runbook know the errors of stepdrain.errors. Any other exception becomes
    UnexpectedError, whose sentence says what to send to the maintainers; it holds no values of the
    event or the cluster but the exception's own words.
    """

    @wraps(function)
    def named(event: Any, context: Any) -> Any:
        with _within(context):
            try:
                return function(event, context)
            except DrainError:
                raise
            except Exception as error:
                raise UnexpectedError(_sentence(error, function.__module__)) from error

    return named


@contextmanager
def _within(context: Any) -> Iterator[None]:
    token = _CONTEXT.set(context)
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def _sentence(error: Exception, module: str) -> str:
    # The first place is ``named`` itself.
    places = traceback.extract_tb(error.__traceback__)[1:]
    ours = [place for place in places if "stepdrain/" in place.filename] or places
    last = ours[-1]
    file = last.filename.replace("\\", "/").rsplit("stepdrain/", 1)[-1]
    words = f"{type(error).__name__}: {str(error)[:300]}"
    return (
        f"{module.rsplit('.', 1)[-1]} stopped at something that nobody foresaw: {words} (in {last.name}, "
        f"{file} line {last.lineno}, Stepdrain {VERSION}). Nothing was undone. Send this sentence and the "
        f"function's log of this minute to Stepdrain's maintainers. How to go on: "
        f"{links.runbook(links.UNFORESEEN)}"
    )
