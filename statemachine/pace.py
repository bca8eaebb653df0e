"""How often each state asks again, and how long it may: the numbers of the state machine.

They live apart from the authoring because tests, documentation and benchmarks need them
without the authoring SDK. The rules that they must satisfy together are functions over the
rendered file (statemachine/arithmetic.py), proven in tests/statemachine/test_arithmetic.py:

    longest round      < half a heartbeat timeout, every attempt as long as it may be and every
                         retrier of the state used up
    48 hours of waiting              < 10,000 history events
    48 hours without any answer      < 24,999, the most that a redrive accepts

Sums below are the delays alone, in seconds; attempts come on top (arithmetic.worst_visit_s).
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

EVICT_BATCH_TIMEOUT_S = 20
WAIT_FOR_PODS_TIMEOUT_S = 25
"""A watch of 15 s, the list before it, and a cold start."""
WAIT_FOR_VOLUMES_TIMEOUT_S = WAIT_FOR_TARGETS_TIMEOUT_S = 15
"""A list or two and a cold start; shorter, so that a round has room for the long pause."""
HEARTBEAT_TIMEOUT_S = 15
"""One AWS request and a cold start; 5 s less than other states so that ten minutes without an
answer, and throttling besides, still end within half a heartbeat timeout (891 < 900)."""
STEP_TIMEOUT_S = 20


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


# EvictBatch, before the first heartbeat. Most budgets give way within a minute or two, when a
# replacement is ready: 5 + 7.5 + 11.25 + 16.9 + 25.3 + 7 * 30 = 276.
EVICTION_BLOCKED = Retrier(interval_s=5, rate=1.5, longest_s=30, attempts=12)
# Later rounds, which must fit into the history for 48 h. 3 * 140 = 420.
EVICTION_STILL_BLOCKED = Retrier(interval_s=140, rate=1.0, attempts=3)

# WaitForPods, before the first heartbeat: short, because early attempts hold a watch themselves.
# 1 + 1.5 + 2.25 + 3.4 + 5.1 + 7.6 + 11.4 + 17.1 + 25.6 + 3 * 30 = 165.
PODS_REMAINING = Retrier(interval_s=1, rate=1.5, longest_s=30, attempts=12)
# Later rounds; few and long, since each round costs EvictBatch and Heartbeat besides. 2 * 228 = 456.
PODS_STILL_REMAINING = Retrier(interval_s=228, rate=1.0, attempts=2)

# WaitForVolumes, in the minutes after the last pod's end. A CSI driver detaches within one or two:
# 5 + 7.5 + 11.25 + 16.9 + 25.3 + 7 * 30 = 276.
VOLUMES_ATTACHED = Retrier(interval_s=5, rate=1.5, longest_s=30, attempts=12)
# Later. A round with it has EvictBatch, WaitForPods and a Choice besides; one long pause makes up for them.
VOLUMES_STILL_ATTACHED = Retrier(interval_s=543, rate=1.0, attempts=1)
# WaitForTargets. Random delays, since many drains may poll together and the API throttles: up to 276 s.
TARGETS_DRAINING = Retrier(interval_s=5, rate=1.5, longest_s=30, attempts=12, jitter=True)
# Later; no deregistration lasts longer than an hour, so the history need not bear it for 48. 2 * 225 = 450.
TARGETS_STILL_DRAINING = Retrier(interval_s=225, rate=1.0, attempts=2)
# Errors of the moment in both. Two delays instead of three leave room in the round for the pause of 543 s;
# their sum is again what 48 h of silence need. 10 + 190 = 200.
WITHIN_THE_AFTERMATH = Retrier(interval_s=10, rate=19.0, longest_s=190, attempts=2)

# Within a round. Used up, it leads to Heartbeat and so to the next round: the steep rate is for an
# API that stays silent for 48 h, where a shorter sum would overflow the history (5, 10, 20, 40 =
# 75 s would be 50,000 events). 5 + 30 + 160 = 195.
WITHIN_A_ROUND = Retrier(interval_s=5, rate=6.0, longest_s=160, attempts=3)

# Outside the rounds there is nowhere to go on to: used up, it ends the execution. So it outlasts an
# endpoint that is gone for ten minutes. 2 + 4 + 8 + 16 + 32 + 64 + 4 * 120 = 606.
TEN_MINUTES = Retrier(interval_s=2, rate=2.0, longest_s=120, attempts=10)

# A node is Ready one to three minutes after the launch. The function itself ends the wait at its
# deadline, two hours at most: 5 + 7.5 + 11.25 + 16.9 + 396 * 20 = 7,960.
NODE_NOT_READY = Retrier(interval_s=5, rate=1.5, longest_s=20, attempts=400)
ADMISSION_TIMEOUT_S = 9000
"""Two hours, the longest heartbeat timeout, and time to complete the action."""

# Many drains are throttled together and must not come back together: random delays, up to
# 4 + 8 + 16 + 32 + 26 * 60 = 1,620, on average half of it: as an endpoint that is gone for ten minutes,
# an API that throttles for ten minutes ends no drain.
THROTTLED = Retrier(interval_s=4, rate=2.0, longest_s=60, attempts=30, jitter=True)
# As above for Heartbeat, which has less time: up to 4 + 8 + 16 + 32 = 60.
HEARTBEAT_THROTTLED = Retrier(interval_s=4, rate=2.0, longest_s=60, attempts=4, jitter=True)

# An instance that joins does so within minutes of its launch; this one is being terminated.
# 10 + 15 + 22.5 + 33.75 + 5 * 45 = 306.
NODE_NOT_REGISTERED = Retrier(interval_s=10, rate=1.5, longest_s=45, attempts=9)

# Refused access (401, 403, AccessDenied). 10 * 30 = 300.
DENIED = Retrier(interval_s=30, rate=1.0, attempts=10)
