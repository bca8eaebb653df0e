"""When the first eviction of a drain waits for the cordons of others."""

import pytest
from stepdrain.document.step import parse
from stepdrain.errors import CordonsPending
from stepdrain.states import cordons_pending

BEGUN = 1767225600.0
OTHER = {"drain": "i-2-87654321", "at": BEGUN, "late": 0.5}


def a_step(ends_in_s=None, attempt=0, first_definition=False, **record):
    """A drain that began at BEGUN, in the state EvictBatch."""
    begun = "2026-01-01T00:00:00Z"
    counts = {"leaving": 0, "blocked": 0, "stuck": 0, "forced": 0, "blockers": [], "orphans": []}
    known = {"number": 0, "heartbeatAt": begun, "next": "", "evicted": 0, "foundAgainIn": -1}
    ends = {"endsAt": f"2026-01-01T00:{ends_in_s // 60:02d}:{ends_in_s % 60:02d}Z"} if ends_in_s else {}
    drain = {"nodeName": "n", "cluster": "demo", "node": {"name": "n", "uid": "u"}, **ends}
    payload = {
        "execution": {"StartTime": begun, "Name": "i-1-12345678"},
        "state": {"EnteredTime": begun, "RetryCount": attempt, "Name": "EvictBatch"},
        "waitSeconds": 40,
        "drain": {**drain, "progress": {**known, **counts, **record}},
    }
    if first_definition:
        del payload["waitSeconds"]
    return parse(payload)


@pytest.mark.parametrize(
    ("late_s", "waits_s"),
    [(0.0, 3), (0.9, 3), (3.0, 5), (7.5, 9.5), (15.5, 17.5), (31.0, 18), (86_400.0, 18)],
)
def test_the_later_the_event_of_the_other_the_longer_its_followers_are_waited_for(late_s, waits_s):
    """Lambda doubles its pauses: who comes late announces more."""
    latest = cordons_pending.note("i-2-87654321", BEGUN, BEGUN - late_s)
    with pytest.raises(CordonsPending, match=r"Drain i-2-87654321 began \d+ s ago"):
        cordons_pending.wait(a_step(), latest, BEGUN + waits_s - 0.1)
    cordons_pending.wait(a_step(), latest, BEGUN + waits_s)


def test_an_event_that_does_not_say_when_it_was_sent_is_not_late():
    """A clock that is behind makes none early, either."""
    assert cordons_pending.note("d", BEGUN, None)["late"] == 0
    assert cordons_pending.note("d", BEGUN, BEGUN + 60)["late"] == 0


@pytest.mark.parametrize("latest", [None, {**OTHER, "drain": "i-1-12345678"}, {**OTHER, "at": BEGUN - 30}])
def test_a_drain_alone_waits_for_nothing(latest):
    """The note is its own, or an old one; or there is no cache."""
    cordons_pending.wait(a_step(), latest, BEGUN)


@pytest.mark.parametrize(("ends_in_s", "waits_s"), [(None, 40), (120, 20), (60, 10), (1200, 40)])
def test_a_drain_waits_for_a_sixth_of_its_time_at_most(ends_in_s, waits_s):
    """However many follow: a Spot instance keeps 100 of its 120 seconds for its pods."""
    step = a_step(ends_in_s)
    assert cordons_pending.may_wait(step, BEGUN + waits_s - 0.1)
    assert not cordons_pending.may_wait(step, BEGUN + waits_s)


def test_the_message_says_until_when():
    """Whoever reads it in the console knows that it ends by itself."""
    with pytest.raises(CordonsPending, match="at 2026-01-01T00:00:20Z in any case"):
        cordons_pending.wait(a_step(120), OTHER, BEGUN)


@pytest.mark.parametrize(
    "record", [{"evicted": 1}, {"number": 1}, {"askedAt": "2026-01-01T00:00:01Z"}], ids=str
)
def test_a_drain_that_has_begun_to_evict_goes_on(record):
    """Its pods are on their way already."""
    assert not cordons_pending.may_wait(a_step(**record), BEGUN + 2)


def test_an_attempt_that_has_waited_may_wait_again():
    """It has evicted nothing."""
    assert cordons_pending.may_wait(a_step(attempt=3), BEGUN + 6)


def test_the_first_definition_knows_no_such_error():
    """It would end the execution."""
    assert not cordons_pending.may_wait(a_step(first_definition=True), BEGUN)
