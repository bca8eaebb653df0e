"""Requests at the same time, and their answers in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def ask_each(ask: Callable[[Asked], Answer], asked: Sequence[Asked], workers: int) -> list[Answer]:
    """What ``ask`` answers for each of ``asked``, in order; at most ``workers`` (a count) are asked at once.

    Raises what the first ``ask`` that failed has raised, once all requests under way have ended.
    """
    wanted = min(workers, len(asked))
    if wanted <= 1:
        return [ask(question) for question in asked]
    with ThreadPoolExecutor(max_workers=wanted) as threads:
        return list(threads.map(ask, asked))
