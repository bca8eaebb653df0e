"""HoldInstance: for how long FindNode, Label and Cordon are asked again, and what then ends the drain.

Each of them leads here after about a minute without an answer, and from here the drain begins again at
FindNode. So Auto Scaling keeps the instance meanwhile, and if the drain fails after ten minutes, the instance
still stands.
"""

from __future__ import annotations

from stepdrain.document.step import Step
from stepdrain.errors import DrainError, FunctionFailed, HeartbeatDue, Transient
from stepdrain.rules import deadline

PATIENCE_S = 600
"""An endpoint that is gone for ten minutes ends no drain."""
THROTTLED_FOR_S = 2700
"""Throttling ends by itself, and many drains end it later. Below the default of drainTimeout, an hour."""
THROTTLED = ("AwsThrottled", "Lambda.TooManyRequestsException")
ROUND_S = 200
"""The longest from one heartbeat here to the next, where access is not refused and the node is there
(statemachine/arithmetic.py)."""


def give_way(step: Step, now: float) -> None:
    """Raise HeartbeatDue where Label or Cordon begins although the hook must hear of the drain first.

    Only at the first attempt of a visit: what the state repeats must end by itself, and not begin again.
    """
    hook = deadline.hook_of(step.lifecycle)
    if hook is None or step.wait_s is None or step.attempt:
        return
    settle_s = 0 if step.under_way else step.policy.settle_time
    last, tried = step.progress.heartbeat_at, step.progress.heartbeat_tried_at or 0.0
    if now - max(last, tried) >= deadline.gives_way_after_s(hook, settle_s):
        raise HeartbeatDue(
            f"{step.state} comes {now - last:.0f} s after the last heartbeat, which is sent first."
        )


def failures(step: Step) -> dict[str, tuple[str, str]]:
    """Name and sentence of the error of each state that has failed; none where one only gave way."""
    return {
        state: (error, said)
        for state, (error, said) in step.unanswered.items()
        if error != HeartbeatDue.__name__
    }


def since(step: Step, now: float) -> float | None:
    """Epoch seconds since which the node could not be found or marked; None if nothing has failed."""
    if not step.unanswered:
        return None
    return step.progress.unanswered_since or (now if failures(step) else None)


def sentence(step: Step) -> str:
    """What the states said that failed, "" if none has."""
    return "; ".join(
        f"{state}: {f'{error}: {said}' if said else error}" for state, (error, said) in failures(step).items()
    )


def give_up(step: Step, now: float, failure: DrainError | None) -> None:
    """Raise the error of a state that has failed for too long: its own, or FunctionFailed if Lambda answered.

    ``failure``: why no heartbeat could be sent now; None if it was.
    """
    failed, begun = failures(step), since(step, now)
    if not failed or begun is None:
        return
    names = [error for error, _ in failed.values()]
    patience_s = THROTTLED_FOR_S if set(names) <= set(THROTTLED) else PATIENCE_S
    unheld = f" No heartbeat could be sent: {failure}" if failure and _hook_ends(step, now) else ""
    if now - begun < patience_s and not unheld:
        return
    said = sentence(step).rstrip(".")
    minutes = f"For {(now - begun) / 60:.0f} minutes the node could not be found, labelled and cordoned"
    raise _kind(names[-1])(f"{minutes}, and without that nothing is evicted. Last: {said}.{unheld}")


def _hook_ends(step: Step, now: float) -> bool:
    """Whether the hook lets the instance go before the drain could come here again."""
    hook = deadline.hook_of(step.lifecycle)
    return hook is not None and now + ROUND_S > step.progress.heartbeat_at + hook.heartbeat_timeout


def _kind(error: str) -> type[DrainError]:
    kinds: dict[str, type[DrainError]] = {kind.__name__: kind for kind in Transient.__subclasses__()}
    return kinds.get(error, FunctionFailed)
