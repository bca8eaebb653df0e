"""How a state waits: what an attempt that has found nothing to do ends with.

The state machine repeats it by the name of its error. An attempt that has watched is repeated at once, since
it has waited already; one that could not watch is repeated after seconds (WatchUnavailable).
"""

from __future__ import annotations

from stepdrain import errors
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.errors import NotYet
from stepdrain.rules.first_definition import Polling

POLLED = (errors.TargetsDraining, errors.NotYourTurn)
"""What nobody can watch, and is polled under its own name."""
DENIED = "the cluster does not allow the watch"
"""Why an attempt cannot watch where a right is missing, as the beginning of the end of "polled, since …"."""
CROWDED = "Lambda throttled the attempts before, or they could not watch"
"""Why a drain polls until its next heartbeat, as the end of "polled, since …"."""
POLL_S = 31
"""The longest from one attempt that polls to the next, in seconds: Retry's pause, and the attempt."""
FIRST_WATCH_S = 35
"""Seconds for which the first attempt of a visit watches.

More than the 30 s of grace that a pod has by default: most drains need no second attempt."""
REPEATED, WATCHED_S = 2, 90
"""From so many repetitions on, attempts that each took less than so many seconds did not watch."""
FIRST_DEFINITION: dict[type[NotYet], type[NotYet]] = {
    errors.EvictionBlocked: errors.EvictionStillBlocked,
    errors.NotYourTurn: errors.StillNotYourTurn,
    errors.PodsRemaining: errors.PodsStillRemaining,
    errors.VolumesAttached: errors.VolumesStillAttached,
    errors.TargetsDraining: errors.TargetsStillDraining,
}
"""The second name of each on the first definition, which retries it slowly."""


def watches_until(step: Step, now: float, until: float) -> float:
    """Until when an attempt that begins now and ends at ``until`` may watch; epoch seconds.

    The first of a visit is short, so that the console soon names what is waited for, which only the end of an
    attempt shows. Not where evictions are refused lap after lap, whose visits would fill the history.
    """
    since = step.progress.refused_since
    first = step.attempt == 0 and (since is None or now - since < WATCHED_S)
    return min(until, now + FIRST_WATCH_S) if first else until


def crowded_out(step: Step, now: float) -> str:
    """CROWDED if this attempt must not watch, "" if it may.

    An attempt that watches takes two minutes, but for the first. Where those before it were over much sooner,
    Lambda has throttled them (its executions are used up, or MaxWatchers), or they could not watch:
    then the drain polls until its next heartbeat, in executions of a second, and others find room.
    The time is all that an attempt can know: Retry passes on a count, and no reason
    (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html).
    """
    if step.attempt < REPEATED or now - step.entered_at >= (step.attempt - 1) * WATCHED_S:
        return ""
    return CROWDED


def not_yet(awaited: type[NotYet], sentence: str, timing: Timing, unwatched: str = "") -> NotYet:
    """The error to raise: what is ``awaited``, and how soon to ask again.

    ``unwatched`` says why the attempt could not watch; "" if it did.
    """
    if timing.polling is not None:
        return (FIRST_DEFINITION[awaited] if timing.polling is Polling.SLOW else awaited)(sentence)
    if unwatched and awaited not in POLLED:
        denied = unwatched if unwatched.startswith(DENIED) else ""
        return errors.WatchUnavailable(f"{sentence} Polled, since {unwatched}.", denied)
    return awaited(sentence)


def blocked(sentence: str, pods: int, timing: Timing) -> NotYet:
    """EvictionBlocked, or its second name, with the count of pods that are held."""
    kind = errors.EvictionStillBlocked if timing.polling is Polling.SLOW else errors.EvictionBlocked
    return kind(sentence, pods)


def seconds_left(moments: list[float], now: float, until: float) -> float:
    """Seconds that an attempt may still wait: to its end at ``until``, and no longer than to the next
    moment."""
    return max(0.0, min([until, *moments]) - now)
