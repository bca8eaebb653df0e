"""How a state waits: whether and how long an attempt may watch, and the error that it ends with."""

from dataclasses import replace

import pytest
from stepdrain import errors
from stepdrain.document.progress import Progress
from stepdrain.document.step import parse
from stepdrain.states import waiting
from stepdrain.states.waiting import CROWDED, DENIED

from statemachine import retriers
from tests.document.test_progress import T0, an_event


@pytest.mark.parametrize(
    ("attempt", "after_s", "why"),
    [
        (0, 0, ""),
        # One quick failure is nothing.
        (1, 2, ""),
        (2, 8, CROWDED),
        (9, 236, CROWDED),
        # Two watches, the first of 35 s, or nine.
        (2, 157, ""),
        (9, 984, ""),
        # Five watches, and then Lambda throttled three times.
        (8, 500 + 26, CROWDED),
    ],
)
def test_an_attempt_that_comes_too_soon_for_a_watch_polls(attempt, after_s, why):
    """Retry passes on how often, and not why; a watch takes two minutes."""
    step = replace(parse(an_event()), attempt=attempt, entered_at=T0)
    assert waiting.crowded_out(step, T0 + after_s) == why


@pytest.mark.parametrize(
    ("attempt", "refused_for_s", "watches_s"),
    [(0, None, 35), (1, None, 120), (2, None, 120), (0, 0, 35), (0, 89, 35), (0, 90, 120), (1, 89, 120)],
)
def test_the_first_attempt_of_a_visit_watches_for_a_short_time(attempt, refused_for_s, watches_s):
    """So that the console soon says what is waited for; longer than most graces, which are 30 s. Where laps
    are refused for long, each visit would be two attempts."""
    since = None if refused_for_s is None else T0 - refused_for_s
    step = replace(parse(an_event()), attempt=attempt)
    step = replace(step, progress=replace(step.progress, refused_since=since))
    assert waiting.watches_until(step, T0, T0 + 120) == T0 + watches_s
    assert waiting.watches_until(step, T0, T0 + 20) == T0 + 20


@pytest.mark.parametrize(
    ("attempt", "after_s", "crowded"), [(2, 89, True), (2, 90, False), (3, 179, True), (3, 180, False)]
)
def test_how_long_attempts_that_watch_take_at_least(attempt, after_s, crowded):
    """Ninety seconds each, but for the first."""
    step = replace(parse(an_event()), attempt=attempt, entered_at=T0)
    assert bool(waiting.crowded_out(step, T0 + after_s)) is crowded


@pytest.mark.parametrize(
    ("awaited", "unwatched", "raised", "denied"),
    [
        (errors.PodsRemaining, "", errors.PodsRemaining, ""),
        (errors.PodsRemaining, "a proxy", errors.WatchUnavailable, ""),
        (errors.VolumesAttached, f"{DENIED}: no right", errors.WatchUnavailable, f"{DENIED}: no right"),
        # What nobody can watch has a pace of its own.
        (errors.TargetsDraining, "a proxy", errors.TargetsDraining, ""),
        (errors.NotYourTurn, "a proxy", errors.NotYourTurn, ""),
    ],
)
def test_the_error_says_how_soon_to_ask_again(awaited, unwatched, raised, denied):
    """And, for the Event, which right is missing."""
    error = waiting.not_yet(awaited, "Still there.", parse(an_event()).timing(T0), unwatched)
    assert type(error) is raised
    assert str(error) == (
        "Still there. Polled, since " + unwatched + "." if raised is not awaited else "Still there."
    )
    assert getattr(error, "denied", "") == denied


@pytest.mark.parametrize(("number", "slow"), [(0, False), (1, True)])
def test_the_first_definition_has_two_names_for_each_error(number, slow):
    """And none for an attempt that could not watch."""
    record = Progress(number, T0).to_document()
    timing = parse(an_event(wait_s=None, progress=record, policy={"drainTimeout": 172_800})).timing(T0)
    for quick, second in waiting.FIRST_DEFINITION.items():
        assert type(waiting.not_yet(quick, "x", timing, "a proxy")) is (second if slow else quick)
    blocked = waiting.blocked("x", 3, timing)
    assert (type(blocked), blocked.pods) == (
        errors.EvictionStillBlocked if slow else errors.EvictionBlocked,
        3,
    )


@pytest.mark.parametrize(
    ("moments", "left_s"), [([], 120), ([T0 + 7, T0 + 9], 7), ([T0 + 500], 120), ([T0 - 1], 0)]
)
def test_an_attempt_waits_no_longer_than_to_the_next_moment(moments, left_s):
    """And never for a negative time."""
    assert waiting.seconds_left(moments, T0, T0 + 120) == left_s
    assert waiting.seconds_left([], T0, T0 - 5) == 0


def test_a_poll_may_be_as_late_as_its_retrier_pauses():
    """And the second that an attempt takes."""
    assert retriers.POLLED.longest_s + 1 == waiting.POLL_S
