"""What a drain waited for, and why: failed attempts with equal words as one line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stepdrain_recorded import pod_presence
from stepdrain_recorded.timeline import Timeline

SHOWN = 200
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass
class Wait:
    """Attempts in a row that ended with the same error in the same words; times in epoch seconds."""

    state: str
    error: str
    cause: str
    first: float
    last: float
    times: int = 1


def waits(line: Timeline) -> list[Wait]:
    """In order; an error that recurs later with the same words in the same state is counted to its line.

    Joined is what names the same pods and budgets, in whatever order: the blocked rounds of two
    days are one line, in the words of the first.
    """
    found: dict[tuple[str, str, object], Wait] = {}
    for state, at, error, cause in _errors(line):
        key = (state, error, _essence(cause))
        known = found.get(key)
        if known is None:
            found[key] = Wait(state, error, cause, at, at)
        else:
            known.last, known.times = at, known.times + 1
    return list(found.values())


def _essence(cause: str) -> object:
    pods = pod_presence.named(cause)
    if not pods:
        return TIMES.sub("", cause)
    return frozenset((pod, pod_presence.budget(why) or TIMES.sub("", why)) for pod, why in pods.items())


def _errors(line: Timeline) -> Iterator[tuple[str, float, str, str]]:
    for visit in line.visits:
        for attempt in visit.attempts:
            if attempt.error:
                yield visit.state, attempt.ended or attempt.at, attempt.error, attempt.cause


@dataclass
class Stage:
    """Visits in a row that are told as one: a state, or the round that was repeated."""

    states: str
    entered: float
    left: float
    retries: int
    errors: tuple[str, ...]
    times: int = 1


def stages(line: Timeline) -> list[Stage]:
    """The visits as a table tells them; rounds in a row with the same states and errors are one line."""
    done: list[Stage] = []
    for stage in _rounds(line):
        last = done[-1] if done else None
        if (
            last
            and (last.states, last.errors) == (stage.states, stage.errors)
            and not _redrive_between(line, last, stage)
        ):
            last.left, last.times, last.retries = stage.left, last.times + 1, last.retries + stage.retries
        else:
            done.append(stage)
    return done


def _redrive_between(line: Timeline, last: Stage, stage: Stage) -> bool:
    return any(last.left <= at <= stage.entered for at in line.redriven)


def _rounds(line: Timeline) -> Iterator[Stage]:
    """Before the first Heartbeat a line for each visit, from it on a line for each round."""
    run: Stage | None = None
    for visit in line.visits:
        error = (visit.error,) if visit.error else ()
        one = Stage(visit.state, visit.entered, line.until(visit), visit.retries, error)
        if visit.state in ("Heartbeat", "CompleteAction") or (visit.left is None and error):
            if run:
                yield run
            run = one if visit.state == "Heartbeat" and visit.left is not None else None
            if run is None:
                yield one
        elif run:
            run.states, run.left = f"{run.states}, {visit.state}", one.left
            run.retries, run.errors = run.retries + one.retries, run.errors + one.errors
        else:
            yield one
    if run:
        yield run
