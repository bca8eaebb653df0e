"""What a drain waited for, and why: failed attempts with the same Cause as one line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stepdrain_recorded import pod_timelines
from stepdrain_recorded.timeline import Timeline

SHOWN = 200
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass
class Wait:
    """Attempts of a state that ended with the same error and Cause; times in epoch seconds."""

    state: str
    error: str
    cause: str
    first: float
    last: float
    times: int = 1


def waits(line: Timeline) -> list[Wait]:
    """The waits in order; the same error and Cause in the same state again adds to the first wait.

    Causes are the same if they name the same pods and budgets, in any order: two days of blocked
    rounds are one wait, with the first Cause.
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
    pods = pod_timelines.named(cause)
    if not pods:
        return TIMES.sub("", cause)
    return frozenset((pod, pod_timelines.budget(why) or TIMES.sub("", why)) for pod, why in pods.items())


def _errors(line: Timeline) -> Iterator[tuple[str, float, str, str]]:
    for visit in line.visits:
        for attempt in visit.attempts:
            if attempt.error:
                yield visit.state, attempt.ended or attempt.at, attempt.error, attempt.cause


@dataclass
class Stage:
    """Consecutive visits shown as one row: a state, or a repeated round."""

    states: str
    entered: float
    left: float
    retries: int
    errors: tuple[str, ...]
    times: int = 1


def stages(line: Timeline) -> list[Stage]:
    """The visits as table rows; consecutive rounds with the same states and errors are one row."""
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
    """A row for each visit before the first Heartbeat, then a row for each round."""
    run: Stage | None = None
    for visit in line.visits:
        error = (visit.error,) if visit.error else ()
        stage = Stage(visit.state, visit.entered, line.until(visit), visit.retries, error)
        if visit.state in ("Heartbeat", "CompleteAction") or (visit.left is None and error):
            if run:
                yield run
            run = stage if visit.state == "Heartbeat" and visit.left is not None else None
            if run is None:
                yield stage
        elif run:
            run.states, run.left = f"{run.states}, {visit.state}", stage.left
            run.retries, run.errors = run.retries + stage.retries, run.errors + stage.errors
        else:
            yield stage
    if run:
        yield run
