"""Ten thousand events that are not quite what Auto Scaling sends: none gets through, none gets by in silence.

G6 No lifecycle event is lost: what is malformed raises an error with a name, so that it reaches
the dead-letter queue; what is not ours is ignored with a reason.
"""

import copy
import json
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from stepdrain.errors import InvalidEvent
from stepdrain.steps import start_drain

from stepdrain_sandbox.rehearsal.stage import Stage
from tests.shards import SHARDS, sharded

EVENT = json.loads((Path(__file__).parent.parent / "events" / "terminate-lifecycle-action.json").read_text())
INPUTS, AT_ONCE = 10_000 // SHARDS, 20
"""Inputs in each shard, and in each of its examples."""
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
NAME = re.compile(r"[0-9A-Za-z_-]{1,80}")
INSTANCE = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
TOKEN = re.compile(r"[0-9a-fA-F-]{36}")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def paths(value, before=()):
    """The path of each value within a JSON value, the whole included."""
    yield before
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*before, key))


PATHS = list(paths(EVENT))
TEXTS = [
    lambda text: text + "\n",
    lambda text: text + " ",
    lambda text: text[:-1],
    lambda text: text + text,
    str.upper,
    lambda text: f"{text}/../{text}",
    lambda text: text[:0],
    lambda text: text + "\u0000",
]


@st.composite
def mutated(draw):
    """The documented event with one to three places changed, dropped, or added to."""
    event = copy.deepcopy(EVENT)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PATHS))
        if not path:
            return draw(JSON)
        holder = event
        for key in path[:-1]:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or path[-1] not in holder:
            continue
        old = holder[path[-1]]
        match draw(st.sampled_from(["drop", "replace", "text", "add"])):
            case "drop":
                del holder[path[-1]]
            case "text" if isinstance(old, str):
                holder[path[-1]] = draw(st.sampled_from(TEXTS))(old)
            case "add":
                holder[draw(st.text(max_size=12))] = draw(JSON)
            case _:
                holder[path[-1]] = draw(JSON)
    return event


class Intake:
    """StartDrain on a stage that remembers what it was asked to start."""

    def __init__(self):
        self.started = []
        own = {
            "STEPDRAIN_ACCOUNT_ID": EVENT["account"],
            "STEPDRAIN_HOOK_NAME": EVENT["detail"]["LifecycleHookName"],
        }
        self.stage = Stage(0, own)
        self.stage.group.start = lambda name, document: self.started.append((name, document)) or True

    def take(self, event):
        """The handler's answer, or its InvalidEvent; any other error is the test's failure."""
        try:
            return start_drain.handler(event, None)
        except InvalidEvent as error:
            return error


@sharded
@settings(max_examples=INPUTS // AT_ONCE)
@given(st.lists(mutated(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_no_mutated_event_is_started_lost_or_answered_with_a_traceback(shard, events):
    """G6: each ends as a drain that is well formed, as an ignored event with a reason, or as InvalidEvent."""
    intake = Intake()
    with intake.stage.set([]):
        for event in events:
            before = len(intake.started)
            answer = intake.take(event)
            judge(event, answer, intake.started[before:])


def judge(event, answer, started):
    if isinstance(answer, InvalidEvent):
        assert started == []
        return
    if "ignored" in answer:
        assert started == []
        assert answer["ignored"].endswith(".")
        return
    ((name, document),) = started
    assert NAME.fullmatch(name), name
    assert INSTANCE.fullmatch(document["instanceId"])
    assert TOKEN.fullmatch(document["lifecycle"]["token"])
    assert document["instanceId"] == event["detail"]["EC2InstanceId"]


def test_the_event_itself_is_started():
    """Else the fuzzing would prove nothing."""
    intake = Intake()
    with intake.stage.set([]):
        assert intake.take(EVENT)["started"]
    assert len(intake.started) == 1
