"""Geometry of the report's pictures: from times to places, with few enough marks to stay small. Pure.

A history may have 25,000 events; what would lie within a pixel of its neighbour is one bar.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stepdrain_recorded.pod_timelines import PodTimeline, budget
from stepdrain_recorded.timeline import Timeline, Visit

WIDTH, GUTTER, ROW, TOP = 1000, 250, 26, 30
"""Units of the drawing (about pixels): all, the names' column, a row's height, the axis."""
LEAST = 3.0
CUT = 70
"""Units for a stop between a failure and its redrive, however long it was."""
NAME_CHARACTERS = 33
MERGED_WITHIN = 1.0
SHOWN_PODS = 200
STEPS_S = (
    0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
)  # fmt: skip


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis."""

    x: float
    text: str


@dataclass
class Bar:
    """A rectangle of a row: place and length in units, what it is, and its text for a reader."""

    x: float
    length: float
    kind: str
    title: str
    label: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a picture."""

    name: str
    y: float
    full_name: str
    bars: list[Bar]
    dots: list[Bar]


@dataclass(frozen=True)
class Picture:
    """Rows under one axis; ``more`` counts the rows that were left out."""

    height: float
    ticks: list[Tick]
    rows: list[Row]
    marks: list[Bar]
    more: int = 0


class Axis:
    """Places times (epoch seconds) between the gutter and the right edge.

    A stop between a failure and its redrive is cut to a fixed width where it would take more:
    what happened before and after it must stay visible.
    """

    def __init__(self, line: Timeline) -> None:
        self.start, self.end = line.started, max(line.ended, line.started + 0.001)
        self.cuts: list[tuple[float, float]] = []
        wide = WIDTH - GUTTER - 10
        for redriven in line.redriven:
            failed = max((at for at, _, _ in line.failures if at <= redriven), default=redriven)
            if (redriven - failed) / (self.end - self.start) * wide > CUT:
                self.cuts.append((failed, redriven))
        lived = self.end - self.start - sum(until - since for since, until in self.cuts)
        self._scale = (wide - CUT * len(self.cuts)) / max(lived, 0.001)

    def x(self, at: float) -> float:
        """Where a time lies, in units."""
        x, done = float(GUTTER), self.start
        for since, until in self.cuts:
            x += max(0.0, min(at, since) - done) * self._scale
            x += CUT * min(1.0, max(0.0, at - since) / (until - since))
            done = until
        return round(x + max(0.0, at - done) * self._scale, 1)

    def ticks(self) -> list[Tick]:
        """At most nine round times for each uncut axis; none in a cut, nor close to the one before."""
        lived = (WIDTH - GUTTER) / self._scale
        step = next((seconds for seconds in STEPS_S if lived / seconds <= 8), 86_400)
        ticks = [Tick(GUTTER, duration(0))]
        first = [since for since, _ in self.cuts]
        for begin, end in zip([self.start, *(u for _, u in self.cuts)], [*first, self.end], strict=True):
            k = int((begin - self.start) / step) + 1
            for number in range(k, k + 9):
                at = self.start + number * step
                if at <= end and self.x(at) - ticks[-1].x > 50:
                    ticks.append(Tick(self.x(at), duration(number * step)))
        return ticks


def shortened(name: str) -> str:
    """A long name without its middle: a pod's begins with its owner and ends with what tells it apart."""
    if len(name) <= NAME_CHARACTERS:
        return name
    return f"{name[: NAME_CHARACTERS - 10]}…{name[-9:]}"


def duration(seconds: float) -> str:
    """``0 s``, ``2.5 s``, ``3 min``, ``1 h 30 min``, ``2 d``: two units at most."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    rest, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
            rest %= size
    return " ".join(parts[:2])


def states(line: Timeline) -> Picture:
    """One row for each state, in the order of their first visits; failed attempts are dots."""
    axis, names = Axis(line), list(dict.fromkeys(visit.state for visit in line.visits))
    rows = [_state_row(line, axis, name, TOP + ROW * number) for number, name in enumerate(names)]
    return Picture(TOP + ROW * len(rows) + 6, axis.ticks(), rows, _marks(line, axis))


def _state_row(line: Timeline, axis: Axis, name: str, y: float) -> Row:
    visits = [visit for visit in line.visits if visit.state == name]
    bars = _merged(_visit_bar(line, axis, visit) for visit in visits)
    failed = [attempt for visit in visits for attempt in visit.attempts if attempt.error]
    dots = _merged(
        Bar(
            axis.x(attempt.ended or attempt.at),
            0,
            "failed",
            f"{duration((attempt.ended or attempt.at) - axis.start)}: {attempt.error}",
        )
        for attempt in failed
    )
    return Row(name, y, name, bars, dots)


def _visit_bar(line: Timeline, axis: Axis, visit: Visit) -> Bar:
    until = line.until(visit)
    kind = "state"
    if visit.left is None and visit.error:
        kind = "stopped"
    elif visit.left is None and line.status == "RUNNING" and visit is line.visits[-1]:
        kind = "running"
    noun = "retry" if visit.retries == 1 else "retries"
    retries = f", {visit.retries} {noun}" if visit.retries else ""
    since = duration(visit.entered - axis.start)
    title = f"{visit.state}: from {since}, for {duration(until - visit.entered)}{retries}"
    return Bar(axis.x(visit.entered), _length(axis, visit.entered, until), kind, title)


def _marks(line: Timeline, axis: Axis) -> list[Bar]:
    failed = [Bar(axis.x(at), 0, "failure", f"failed: {error}", error) for at, error, _ in line.failures]
    redriven = [Bar(axis.x(at), 0, "redrive", "redriven", "redriven") for at in line.redriven]
    stops = [
        Bar(axis.x(since), CUT, "cut", f"stopped for {duration(until - since)}", duration(until - since))
        for since, until in axis.cuts
    ]
    return failed + redriven + stops


def _length(axis: Axis, start: float, end: float) -> float:
    return round(max(LEAST, axis.x(end) - axis.x(start)), 1)


def _merged(bars: Iterable[Bar]) -> list[Bar]:
    """Neighbours of a kind that touch become one; its text counts them."""
    done: list[tuple[Bar, int]] = []
    for bar in bars:
        last, count = done[-1] if done else (None, 0)
        if last and last.kind == bar.kind and bar.x - (last.x + last.length) < MERGED_WITHIN:
            last.length = round(max(last.length, bar.x + bar.length - last.x), 1)
            done[-1] = (last, count + 1)
        else:
            done.append((bar, 1))
    for bar, count in done:
        if count > 1:
            bar.title += f" (and {count - 1} more until here)"
    return [bar for bar, _ in done]


def pods(line: Timeline, met: list[PodTimeline]) -> Picture:
    """One row for each pod: blocked, its grace, what it took beyond; at most 200 rows."""
    axis, shown = Axis(line), met[:SHOWN_PODS]
    rows = [_pod_row(line, axis, timeline, TOP + ROW * number) for number, timeline in enumerate(shown)]
    return Picture(TOP + ROW * len(rows) + 6, axis.ticks(), rows, _marks(line, axis), len(met) - len(shown))


def _pod_row(line: Timeline, axis: Axis, timeline: PodTimeline, y: float) -> Row:
    bars = [
        Bar(
            axis.x(span.start),
            _length(axis, span.start, span.end),
            "blocked",
            f"blocked: {span.why}",
            budget(span.why),
        )
        for span in timeline.blocked
    ]
    if timeline.evicted is not None:
        until = timeline.gone if timeline.gone is not None else line.ended
        how = "deleted past its budget" if timeline.forced else "evicted"
        title = f"{how} at {duration(timeline.evicted - axis.start)}, {_how_it_left(timeline, axis)}"
        kind = "forced" if timeline.forced else "grace"
        bars.append(Bar(axis.x(timeline.evicted), _length(axis, timeline.evicted, until), kind, title))
    dots = [Bar(axis.x(timeline.gone), 0, "gone", "gone")] if timeline.gone is not None else []
    return Row(shortened(timeline.pod), y, timeline.pod, bars, dots)


def _how_it_left(timeline: PodTimeline, axis: Axis) -> str:
    until = (
        ""
        if timeline.grace_ends is None
        else f"; its grace ran until {duration(timeline.grace_ends - axis.start)}"
    )
    if timeline.gone is None:
        return f"not gone when the history ends{until}"
    return f"gone after {duration(timeline.gone - (timeline.evicted or timeline.gone))}{until}"
