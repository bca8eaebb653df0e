"""How a state waits: whether an attempt may watch."""

from dataclasses import replace

import pytest
from stepdrain.document.step import parse
from stepdrain.states import waiting
from stepdrain.states.waiting import CROWDED

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
