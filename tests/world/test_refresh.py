"""The demo's instance refresh, in virtual time: its judgement and its story."""

from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.demo import refresh


def test_an_instance_refresh_replaces_every_node_and_breaks_no_guarantee():
    """Three drains and three admissions, one after the other."""
    clock, said = VirtualClock(), []
    try:
        outcome = refresh.run(said.append, 3, clock, look_every_s=1)
    finally:
        clock.close()
    assert outcome.broken == []
    assert outcome.summary["status"] == ["SUCCEEDED"] * 6
    assert outcome.summary["lifecycleAction"] == ["CONTINUE"] * 6
    assert len(refresh.lines(outcome.summary)) == 3
    admitted = [line for line in said if "is replaced by" in line]
    assert len(admitted) == 3
