"""What EC2 and Health record_event: whom they mean, until when, and what is refused or ignored."""

import copy
import json
from pathlib import Path

import pytest
from stepdrain import clock
from stepdrain.errors import InvalidEvent
from stepdrain.intake import interruption_events
from stepdrain.intake.lifecycle_events import Ignored

EVENTS = Path(__file__).parent.parent / "events"
INSTANCE = "i-1234567890abcdef0"
T0 = clock.to_epoch_s("2026-01-01T00:00:00Z")
SAMPLES = {
    "spot-interruption": ("spot", 120),
    "rebalance-recommendation": ("rebalance", None),
    "capacity-interruption": ("capacity", 120),
    "state-change": ("state-change", 120),
    "health-event": ("health", 14 * 86_400 + 5 * 3600),
}


def sample(name, **detail):
    """The documented event, with other values in its detail."""
    event = copy.deepcopy(json.loads((EVENTS / f"{name}.json").read_text()))
    event["detail"] |= detail
    return event


@pytest.mark.parametrize("name", SAMPLES)
def test_each_documented_event_names_its_instance_and_its_end(name, settings):
    """The end is EC2's moment, counted from the event's own time and not from its delivery."""
    reason, seconds = SAMPLES[name]
    notice = interruption_events.read(sample(name), settings)
    assert (notice.reason, notice.instances) == (reason, (INSTANCE,))
    assert notice.ends_at == (None if seconds is None else T0 + seconds)


@pytest.mark.parametrize(
    "kind", ["Capacity Block Expiration Warning", "Capacity Block Reservation Expiration Warning"]
)
def test_a_capacity_block_names_its_reservation_and_ends_half_an_hour_early(kind, settings):
    """EC2 begins to terminate 30 minutes before the end date; both names of the event are documented."""
    event = {**sample("capacity-block-expiration"), "detail-type": kind}
    notice = interruption_events.read(event, settings)
    assert (notice.instances, notice.reservation) == ((), "cr-1234567890abcdef0")
    assert notice.ends_at == T0 + 600


def test_another_page_or_update_of_a_health_event_has_the_same_mark(settings):
    """Deduplicated on eventArn: an update is no second drain, and a page brings other instances."""
    first = interruption_events.read(sample("health-event"), settings)
    other = {"entityValue": "i-00000000000000001"}
    page = interruption_events.read(
        {**sample("health-event", page="2", totalPages="2", affectedEntities=[other]), "id": "x"}, settings
    )
    assert page.mark == first.mark
    assert page.instances == ("i-00000000000000001",)
    assert (
        interruption_events.read(sample("health-event", eventArn="arn:aws:health:x"), settings).mark
        != first.mark
    )


def test_a_health_event_names_several_instances_and_other_things(settings):
    """A volume among them is none of ours and hides nothing."""
    entities = [{"entityValue": v} for v in (INSTANCE, "vol-1", "i-00000000000000001")]
    notice = interruption_events.read(sample("health-event", affectedEntities=entities), settings)
    assert notice.instances == (INSTANCE, "i-00000000000000001")


def test_a_change_that_has_begun_gives_no_end(settings):
    """Its startTime lies before the event: a deadline in the past would drain nothing."""
    event = sample("health-event", startTime="Wed, 31 Dec 2025 05:00:00 GMT")
    assert interruption_events.read(event, settings).ends_at is None


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("health-event", {"statusCode": "closed"}, "closed"),
        ("health-event", {"backupEvent": "true"}, "backup copy"),
        ("health-event", {"eventTypeCategory": "issue"}, "not EC2 scheduledChange"),
        ("health-event", {"service": "RDS"}, "not EC2 scheduledChange"),
        ("health-event", {"affectedEntities": [{"entityValue": "vol-1"}]}, "names no instance"),
        ("state-change", {"state": "running"}, "Its state is running"),
    ],
)
def test_what_announces_no_end_is_ignored_with_the_reason(name, change, reason, settings):
    """A rule may be wider than ours, and anybody may invoke the function."""
    ignored = interruption_events.read(sample(name, **change), settings)
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason


def test_a_notice_of_another_account_is_ignored(settings):
    """A shared event bus delivers those too."""
    assert (
        "account 999999999999"
        in interruption_events.read(
            {**sample("spot-interruption"), "account": "999999999999"}, settings
        ).reason
    )


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("spot-interruption", {"instance-id": "mi-0123"}, r"at detail\.instance-id"),
        ("spot-interruption", {"instance-action": "dance"}, r"at detail\.instance-action"),
        ("rebalance-recommendation", {"instance-id": None}, r"at detail\.instance-id"),
        (
            "capacity-interruption",
            {"instance-termination-time": "soon"},
            r"detail\.instance-termination-time is 'soon'",
        ),
        ("capacity-block-expiration", {"end-date": "soon"}, r"detail\.end-date is 'soon'"),
        ("capacity-block-expiration", {"capacity-reservation-id": 7}, r"at detail\.capacity-reservation-id"),
        ("state-change", {"state": "gone"}, r"at detail\.state"),
        ("health-event", {"affectedEntities": [{}]}, "'entityValue' is a required property"),
        ("health-event", {"startTime": "soon"}, r"detail\.startTime is 'soon'"),
        ("health-event", {"eventArn": ""}, r"at detail\.eventArn"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(name, change, named, settings):
    """The sentence stands in the dead-letter queue; it must say what to look at."""
    with pytest.raises(InvalidEvent, match=named):
        interruption_events.read(sample(name, **change), settings)


@pytest.mark.parametrize("kind", [None, [], {}, 3, "EC2 Instance-terminate Lifecycle Action"])
def test_what_is_of_another_kind_is_not_read(kind):
    """Not even where the kind is no text: the event is refused by its schema then, not by a traceback."""
    assert not interruption_events.known({"detail-type": kind})


def test_each_kind_has_a_schema_and_a_sample():
    """One schema and one real payload for each kind."""
    schemas = {kind.schema for kind in interruption_events.KINDS.values()}
    assert schemas <= {path.stem for path in EVENTS.glob("*.json")}
