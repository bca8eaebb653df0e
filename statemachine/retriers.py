"""How soon each state asks again, and how long an attempt may take: the numbers of the state machines.

They live apart from the authoring because tests, documentation and benchmarks need them without the
authoring SDK. What they come to at worst is computed from the rendered file (statemachine/arithmetic.py) and
held to its limits in tests/statemachine/test_arithmetic.py; docs/decisions/0002 explains them.

Which state asks again by which retriers, in the order of its Retry; the errors are in drain_node.py and
admit_node.py:

    FindNode         NODE_NOT_REGISTERED, FAILED_BRIEFLY, THROTTLED_BRIEFLY, DENIED
    Label, Cordon    FAILED_BRIEFLY, THROTTLED_BRIEFLY, DENIED
    HoldInstance     TEN_MINUTES, HUNG_TEN_MINUTES, THROTTLED, DENIED
    EvictBatch       TURN, CORDONS, ASKED_AGAIN, FAILED, DENIED
    WaitForPods      WATCHED, POLLED, ASKED_AGAIN, FAILED, DENIED
    Heartbeat        HEARTBEAT_FAILED, DENIED
    WaitForVolumes   WATCHED, POLLED, ASKED_AGAIN, FAILED, DENIED
    WaitForTargets   TARGETS, ASKED_AGAIN, FAILED, DENIED
    CompleteAction   TEN_MINUTES, THROTTLED, DENIED
    WaitForNode      NODE_WATCHED, NODE_POLLED, TEN_MINUTES, THROTTLED, DENIED
    Uncordon         TEN_MINUTES, THROTTLED, DENIED

Sums below are the delays alone, in seconds; attempts come on top.
"""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE_HEARTBEAT_S = 1800
"""Heartbeat timeout of the lifecycle hook that the numbers are made for (the installation's default)."""

MACHINE_TIMEOUT_S = 172_500
"""48 h less 5 minutes. Auto Scaling holds an instance 48 h at most, counted from the termination,
not from the execution: the event, its delivery and StartDrain come before. The margin lets a drain
that is stuck end with its own error and history while the instance is still there.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html"""

WATCH_S = 120
"""How long an attempt that waits may watch. Longer ones would make a shorter history, and a function that
hangs would be noticed later; a connection that is quiet for 350 s is dropped on its way."""
ASK_S = 40
"""How long an attempt that cannot watch may ask again after an error that may pass."""

WATCHING_TIMEOUT_S = 150
"""A watch, lists before and after it, and a cold start."""
EVICT_BATCH_TIMEOUT_S = 90
"""ASK_S, and evictions whose answer takes long."""
WAIT_FOR_TARGETS_TIMEOUT_S = 90
HEARTBEAT_TIMEOUT_S = 30
"""Three requests to AWS, and a cold start."""
STEP_TIMEOUT_S = 20
ASKING_TIMEOUT_S = 60
"""ASK_S, a request that takes long, and a cold start."""


@dataclass(frozen=True)
class Retrier:
    """A Retry without its error names. Delay k (from 0) is min(interval * rate**k, longest).

    ``interval_s`` and ``longest_s`` in seconds (``longest_s`` None: no cap); ``attempts`` counts
    repetitions, so a state runs once more than that. ``jitter``: each delay is random between 0
    and its value. https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """

    interval_s: int
    rate: float
    attempts: int
    longest_s: int | None = None
    jitter: bool = False


# What has watched has waited already. A function leads to Heartbeat long before this is used up.
WATCHED = Retrier(interval_s=1, rate=1.0, attempts=200)
# What could not watch. 10 + 20 + 28 * 30 = 870.
POLLED = Retrier(interval_s=10, rate=2.0, longest_s=30, attempts=30)
# Turns: as above, but this is used up when a heartbeat is due. 10 + 20 + 26 * 30 = 810.
TURN = Retrier(interval_s=10, rate=2.0, longest_s=30, attempts=28)
# The first eviction waits for other nodes' cordons; the function ends this itself, 40 s after the start.
# Each repetition is a transition, of which a storm's cordons need all: 2 + 3 + 4.5 + 6.75 + 5 * 10 = 66.
CORDONS = Retrier(interval_s=2, rate=1.5, longest_s=10, attempts=9)
# WaitForTargets. Random delays, since many drains may poll together and the API throttles; a wait of an hour.
TARGETS = Retrier(interval_s=5, rate=1.5, longest_s=30, attempts=120, jitter=True)

# Errors that may pass: the attempt has asked again by itself for all of its time.
ASKED_AGAIN = Retrier(interval_s=1, rate=1.0, attempts=20)
# What Lambda and Step Functions answer themselves, at once. 2 + 6 + 18 + 16 * 30 = 506.
FAILED = Retrier(interval_s=2, rate=3.0, longest_s=30, attempts=19)

# FindNode, Label and Cordon, before HoldInstance sends a heartbeat and they begin again. 2 + 6 + 18 = 26.
FAILED_BRIEFLY = Retrier(interval_s=2, rate=3.0, attempts=3)
# Random delays, up to 2 + 3 + 4.5 + 6.75 + 4 * 8 = 48. Short ones: in a storm others evict after 40 s, and
# what is not cordoned by then gets their pods.
THROTTLED_BRIEFLY = Retrier(interval_s=2, rate=1.5, longest_s=8, attempts=8, jitter=True)
# HoldInstance, whose function hangs: with each attempt's time, 17 * 2 + 18 * 30 = 574.
HUNG_TEN_MINUTES = Retrier(interval_s=2, rate=1.0, attempts=17)
# Outside the waiting states there is nowhere to go on to: used up, it ends the execution. So it outlasts an
# endpoint that is gone for ten minutes. 2 + 4 + 8 + 16 + 19 * 30 = 600.
TEN_MINUTES = Retrier(interval_s=2, rate=2.0, longest_s=30, attempts=23)
# Many drains are throttled together and must not come back together: random delays, up to
# 4 + 8 + 16 + 127 * 30 = 3,838, on average half of it: longer than the default hook holds an instance. So no
# drain fails because an API of AWS, or Lambda, throttles it.
THROTTLED = Retrier(interval_s=4, rate=2.0, longest_s=30, attempts=130, jitter=True)
# Refused access (401, 403, AccessDenied). 10 * 30 = 300.
DENIED = Retrier(interval_s=30, rate=1.0, attempts=10)
# Heartbeat's function itself fails. 1 + 2 + 4 = 7, then evictions go on.
HEARTBEAT_FAILED = Retrier(interval_s=1, rate=2.0, attempts=3)

# The function itself ends the wait for a node at its deadline, two hours at most.
NODE_WATCHED = Retrier(interval_s=1, rate=1.0, attempts=400)
# 5 + 10 + 400 * 20 = 8,015.
NODE_POLLED = Retrier(interval_s=5, rate=2.0, longest_s=20, attempts=402)
ADMISSION_TIMEOUT_S = 9000
"""Two hours, the longest heartbeat timeout, and time to complete the action."""

# An instance that joins does so within minutes of its launch; this one is being terminated.
# 10 + 15 + 22.5 + 9 * 30 = 318.
NODE_NOT_REGISTERED = Retrier(interval_s=10, rate=1.5, longest_s=30, attempts=12)
