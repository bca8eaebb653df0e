"""The lifecycle action: keep it alive while the drain lasts, complete it when the drain is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from stepdrain.clock import Clock, to_rfc3339
from stepdrain.document import progress
from stepdrain.document.progress import Progress
from stepdrain.document.step import Step
from stepdrain.document.timing import Timing
from stepdrain.errors import (
    AwsDenied,
    AwsRejected,
    AwsThrottled,
    AwsUnavailable,
    DrainError,
    DrainReleased,
    DrainTimedOut,
    LifecycleActionExpired,
)
from stepdrain.rules.reasons import counted
from stepdrain.states import concurrency_limit, hold_instance, routes, waiting

# Auto Scaling answers with ValidationError, which it uses for much else; only the message says which.
NO_ACTION = "No active Lifecycle Action found"
ALREADY_COMPLETED = "already completed"
NODE_GONE = "node gone"
NEVER_JOINED = "never joined"


INSTANCE_GONE = "instance gone"


class AutoScaling(Protocol):
    """What is asked of the AWS adapter."""

    def terminated(self, instance_id: str) -> bool: ...
    def record_heartbeat(self, lifecycle: Mapping[str, Any], instance_id: str) -> None: ...
    def complete_action(self, lifecycle: Mapping[str, Any], instance_id: str, result: str) -> None: ...


TRIES_S = (0, 1, 2)
"""Pauses before each request of one heartbeat, in seconds; then evictions go on, and it is sent again
later."""
DENIED_FOR_S = 300
"""What AWS denies, or a function that fails, for so long needs a person."""


def heartbeat(step: Step, auto_scaling: AutoScaling, clock: Clock) -> Progress:
    """Tell Auto Scaling that the drain goes on, or end it at its end; the record with what comes next.

    The heartbeat is sent even when the drain is over, so that whoever is called has a whole heartbeat
    timeout to look and redrive. One that cannot be sent is noted, and the drain goes on: it is due again
    after 30 s. Raises LifecycleActionExpired if Auto Scaling waits no longer (DrainReleased after a redrive),
    AwsDenied if it has denied the call for five minutes, DrainTimedOut or DrainReleased as the policy says.
    """
    failure = _sent(step, auto_scaling, clock)
    now = clock.now()
    timing = step.timing(now)
    if timing.over:
        _end(step, timing)
    hold_instance.give_up(step, now, failure)
    # Others may have left room for a watch.
    unwatched = "" if step.progress.unwatched == waiting.CROWDED else step.progress.unwatched
    since = hold_instance.since(step, now)
    record = replace(step.progress, next=_next(step, now), unwatched=unwatched, unanswered_since=since)
    if failure is None:
        sent = replace(record, number=record.number + 1, heartbeat_at=now)
        return replace(sent, heartbeat_tried_at=None, heartbeat_failing_since=None)
    since = record.heartbeat_failing_since or now
    if step.wait_s is None or (isinstance(failure, AwsDenied) and now - since >= DENIED_FOR_S):
        raise failure
    return replace(record, heartbeat_tried_at=now, heartbeat_failing_since=since)


def _next(step: Step, now: float) -> str:
    if step.wait_s is None:
        return progress.EVICT_BATCH
    if step.unanswered:
        # HoldInstance leads to FindNode, whatever the record says of the way that the drain was on.
        return step.progress.next
    return routes.after_heartbeat(step, now, limited=concurrency_limit.limited(step, now))


def _sent(step: Step, auto_scaling: AutoScaling, clock: Clock) -> DrainError | None:
    """None once it is sent, else why it could not be."""
    failure: DrainError | None = None
    for pause in TRIES_S:
        clock.sleep(pause)
        try:
            _record(step, auto_scaling)
        except (AwsThrottled, AwsUnavailable, AwsDenied) as error:
            failure = error
        else:
            return None
    return failure


def _record(step: Step, auto_scaling: AutoScaling) -> None:
    if step.lifecycle is None or step.instance_id is None:
        return
    try:
        auto_scaling.record_heartbeat(step.lifecycle, step.instance_id)
    except AwsRejected as error:
        if NO_ACTION not in str(error):
            raise
        expired = (
            f"Auto Scaling no longer waits for {step.instance_id} (hook {step.lifecycle['hook']}): "
            "the action was completed by somebody else or timed out, and the instance is going."
        )
        if step.redriven:
            # Whoever redrives has seen the error, and nothing is left to do.
            raise DrainReleased(expired) from error
        raise LifecycleActionExpired(f"{expired} A redrive cannot hold it.") from error


def _end(step: Step, timing: Timing) -> None:
    """Let the policy take effect, with everything named that the drain still waited for."""
    sentence = _over(step, timing)
    if timing.interrupted:
        raise DrainReleased(f"{sentence} EC2 takes the instance, and nobody can hold it.")
    if _holds(step, timing):
        raise DrainTimedOut(sentence)
    raise DrainReleased(f"{sentence} onTimeout is {step.policy.on_timeout}: the instance is let go.")


def _over(step: Step, timing: Timing) -> str:
    gave_way = step.progress.next == progress.HEARTBEAT and "; ".join(step.progress.blockers)
    waited = (
        gave_way or hold_instance.sentence(step) or step.waited_for or "the pods were not looked at"
    ).rstrip(".")
    return f"The drain's deadline, {to_rfc3339(timing.deadline)}, is over. Last: {waited}."


def end_unheard(step: Step, now: float) -> None:
    """Raise DrainTimedOut if Heartbeat, where a drain ends, has failed for five minutes after the end.

    Its failures lead back to EvictBatch. Without this, a function that is broken for good would let the drain
    go round until its history is full.
    """
    timing = step.timing(now)
    if step.progress.next == progress.HEARTBEAT and now >= timing.ends_at + DENIED_FOR_S:
        raise DrainTimedOut(
            f"{_over(step, timing)} The policy (onTimeout is {step.policy.on_timeout}) takes effect in "
            "Heartbeat, whose function has failed since: its log says why. Fix it, then redrive."
        )


def _holds(step: Step, timing: Timing) -> bool:
    return step.policy.on_timeout in ("fail", "force-or-fail") and not timing.interrupted


def lets_go(step: Step, now: float) -> bool:
    """Whether the drain's end has come, and what is left goes with the instance."""
    timing = step.timing(now)
    return timing.over and not _holds(step, timing)


def left_behind(step: Step, record: Progress) -> str:
    """What the Node's Event says then; ``record`` names the pods that are left."""
    left = f"Drain {step.name} has come to its end, and pods go with the instance"
    return " ".join([f"{left}: {'; '.join(record.blockers)}.", *record.given_up])


def complete(step: Step, auto_scaling: AutoScaling) -> dict[str, Any]:
    """Complete the lifecycle action; the answer says with what result and why.

    ABANDON for a launching instance that became no node, and where the policy says so; both results
    terminate an instance, but with ABANDON a group's retain policy keeps it as evidence. An action
    that is no longer active is no error, and an outcome of its own: what became of the instance is not known.
    """
    abandons = step.abandoned or (step.released and step.policy.on_timeout == "abandon")
    result = "ABANDON" if abandons else "CONTINUE"
    answer = {
        "result": result,
        "outcome": _outcome(step),
        "reason": " ".join(filter(None, [step.abandoned or step.released or step.no_node, *_losses(step)])),
    }
    if step.lifecycle is None or step.instance_id is None:
        return {**answer, "result": "NONE"}
    try:
        auto_scaling.complete_action(step.lifecycle, step.instance_id, result)
    except AwsRejected as error:
        if NO_ACTION not in str(error):
            raise
        return _already_completed(step, step.instance_id, answer, auto_scaling)
    return answer


def _already_completed(
    step: Step, instance_id: str, answer: Mapping[str, Any], auto_scaling: AutoScaling
) -> dict[str, Any]:
    """The answer where no action was active: only after an answer that was lost was it ourselves.

    EC2 is asked whether the instance is there still, for a person who has redriven a drain that was over.
    """
    late = {**answer, "result": "ALREADY_COMPLETED"}
    own = ("drained", NODE_GONE, NEVER_JOINED, *(["released"] if step.redriven else []))
    if step.attempt or answer["outcome"] not in own:
        return late
    gone, unknown = _gone(instance_id, auto_scaling)
    if gone:
        outcome, sentence = INSTANCE_GONE, f"{instance_id} was terminated before its drain was over."
    else:
        outcome = ALREADY_COMPLETED if answer["outcome"] == "drained" else answer["outcome"]
        sentence = (
            f"Auto Scaling no longer waited for {instance_id} when its drain was done: somebody else "
            f"completed the action, or its time had run out.{unknown}"
        )
    return {**late, "outcome": outcome, "reason": f"{answer['reason']} {sentence}".strip()}


def _gone(instance_id: str, auto_scaling: AutoScaling) -> tuple[bool, str]:
    """Whether the instance is terminated; where that could not be asked, why. It ends no drain otherwise."""
    try:
        return auto_scaling.terminated(instance_id), ""
    except DrainError as error:
        return False, f" Whether the instance is there still is not known: {error}"


def _losses(step: Step) -> list[str]:
    """Sentences about pods that did not leave by an eviction, or unseen; empty if there are none."""
    record, sentences = step.progress, []
    if _node_gone(step):
        sentences.append(
            f"Node {step.node.name} was deleted while it was drained: nobody saw how its last pods ended."
        )
    if record.forced:
        named = "; ".join(record.forced_pods)
        sentences.append(f"{counted(record.forced, 'pod', 'were')} deleted for the deadline: {named}.")
    sentences += record.given_up
    if record.returned:
        named = "; ".join(record.returned)
        sentences.append(f"Pods came back and go with the instance: {named}.")
    return sentences


def _outcome(step: Step) -> str:
    if step.never_joined:
        return NEVER_JOINED
    if step.nothing_to_do:
        return "nothing to do"
    if step.admission:
        return "never ready" if step.abandoned else "admitted"
    if step.released:
        return "released"
    return NODE_GONE if _node_gone(step) else "drained"


def _node_gone(step: Step) -> bool:
    return step.found_node is not None and step.found_node.gone
