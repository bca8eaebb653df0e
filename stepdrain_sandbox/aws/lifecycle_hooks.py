"""Lifecycle hooks that hold instances; moto stores hooks and ignores them (getmoto/moto #4259).

https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import (
    AutoScalingBackend,
    FakeAutoScalingGroup,
    InstanceState,
    LifecycleHook,
    autoscaling_backends,
)
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from stepdrain_sandbox.aws.heartbeat_timeout import HeartbeatTimeout, no_active_action
from stepdrain_sandbox.aws.scaling_activities import ScalingActivities
from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube.store import rfc3339

Json = dict[str, Any]
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
RETAINED = "Terminating:Retained"
ROOT_VOLUME_S = 60
"""Assumed: seconds from the wait's end to the replaced root volume, and again to a passed health check."""


@dataclass
class Action:
    """A hook that holds an instance."""

    hook: LifecycleHook
    instance_id: str
    token: str
    origin: str
    destination: str
    timeout: HeartbeatTimeout
    heartbeats: int = 0


@dataclass
class LifecycleHooks:
    """The lifecycle actions of an account. ``send`` publishes events; ``terminated`` gets terminated ids.

    Once a group has a launch hook, launched instances wait for it.
    """

    clock: Clock
    send: Callable[[Json], None]
    terminated: Callable[[str], None]
    launched: Callable[[str, str], None] = field(default=lambda *_: None)
    """Is called with the id and the private DNS name of each launched instance."""
    active: list[Action] = field(default_factory=list)
    account: str = "123456789012"
    log: list[tuple[float, str, str]] = field(default_factory=list)
    """(epoch seconds, what, instance id); what: heartbeat, CONTINUE, ABANDON or timed out."""
    activities: ScalingActivities = field(default_factory=ScalingActivities)
    retaining: set[str] = field(default_factory=set)
    """Groups whose InstanceLifecyclePolicy retains instances when their terminating hook is abandoned."""

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Inside this context, terminating an instance waits for its group's hooks."""
        hooks, original = self, AutoScalingBackend.terminate_instance
        launch = FakeAutoScalingGroup.replace_autoscaling_group_instances

        def launch_instances(group: FakeAutoScalingGroup, count: int, tags: dict[str, str]) -> None:
            before = len(group.instance_states)
            launch(group, count, tags)
            for state in group.instance_states[before:]:
                hooks._launch(group.autoscaling_backend, state)

        def terminate_instance(backend: AutoScalingBackend, instance_id: str, should_decrement: bool) -> Any:
            return hooks._terminate(backend, instance_id, should_decrement, original)

        def complete(response: AutoScalingResponse) -> ActionResult:
            action = hooks._find(response)
            hooks._complete(
                response.autoscaling_backend, action, response._get_param("LifecycleActionResult")
            )
            return EmptyResult()

        def heartbeat(response: AutoScalingResponse) -> ActionResult:
            hooks._heartbeat(hooks._find(response))
            return EmptyResult()

        create = AutoScalingResponse.create_auto_scaling_group

        def create_group(response: AutoScalingResponse) -> ActionResult:
            triggers = (response._get_param("InstanceLifecyclePolicy") or {}).get("RetentionTriggers", {})
            if triggers.get("TerminateHookAbandon") == "retain":
                hooks.retaining.add(response._get_param("AutoScalingGroupName"))
            return create(response)

        with (
            self.activities.answering(),
            mock.patch.object(AutoScalingBackend, "terminate_instance", terminate_instance),
            mock.patch.object(AutoScalingResponse, "create_auto_scaling_group", create_group),
            mock.patch.object(FakeAutoScalingGroup, "replace_autoscaling_group_instances", launch_instances),
            mock.patch.object(AutoScalingResponse, "complete_lifecycle_action", complete, create=True),
            mock.patch.object(
                AutoScalingResponse, "record_lifecycle_action_heartbeat", heartbeat, create=True
            ),
        ):
            yield

    def _terminate(
        self, backend: AutoScalingBackend, instance_id: str, decrement: bool, original: Any
    ) -> Any:
        state = _state(backend, instance_id)
        hooks = _hooks_of(backend, state, TERMINATING)
        if not hooks or state.lifecycle_state not in ("InService", RETAINED):
            self.terminated(instance_id)
            return original(backend, instance_id, decrement)
        state.lifecycle_state = "Terminating:Wait"
        if decrement:
            state.auto_scaling_group.desired_capacity -= 1
        for hook in hooks:
            self._wait(backend, hook, state)
        return {"ActivityId": str(uuid.uuid4()), "StatusCode": "InProgress", "Progress": 0}

    def _launch(self, backend: AutoScalingBackend, state: InstanceState) -> None:
        for hook in _hooks_of(backend, state, LAUNCHING):
            state.lifecycle_state = "Pending:Wait"
            self._wait(backend, hook, state, "EC2", "AutoScalingGroup")
        self.launched(state.instance.id, state.instance.private_dns_name)

    def hold(self, instance_id: str, transition: str, origin: str, destination: str) -> None:
        """Move an instance between its group, EC2 and the warm pool, as its group's hooks see it.

        If no hook holds it, or after CONTINUE, it arrives at its destination (``_arrive``). Raises ValueError
        for a move that the user guide does not have.
        """
        wait = wait_state(transition, origin, destination)
        for backend in autoscaling_backends[self.account].values():
            for state in backend.describe_auto_scaling_instances([instance_id]):
                hooks = _hooks_of(backend, state, transition)
                if not hooks:
                    self._arrive(state, origin, destination)
                state.lifecycle_state = wait if hooks else state.lifecycle_state
                for hook in hooks:
                    self._wait(backend, hook, state, origin, destination)

    def _arrive(self, state: InstanceState, origin: str, destination: str) -> None:
        """The states after the wait of an instance that is not terminated.

        A replaced root volume: https://docs.aws.amazon.com/autoscaling/ec2/userguide/replace-root-volume.html
        The durations are assumed.
        """
        if destination == "WarmPool":
            state.lifecycle_state = "Warmed:Stopped"
        elif origin != destination:
            state.lifecycle_state = "InService"
        else:
            state.lifecycle_state = "ReplacingRootVolume:Proceed"
            for after_s, next_state in (
                (ROOT_VOLUME_S, "RootVolumeReplaced"),
                (2 * ROOT_VOLUME_S, "InService"),
            ):
                self.clock.call_at(
                    self.clock.now() + after_s, partial(setattr, state, "lifecycle_state", next_state)
                )

    def _wait(
        self,
        backend: AutoScalingBackend,
        hook: LifecycleHook,
        state: InstanceState,
        origin: str = "AutoScalingGroup",
        destination: str = "EC2",
    ) -> None:
        timeout = HeartbeatTimeout(
            self.clock, hook.heartbeat_timeout, lambda: self._time_out(backend, action)
        )
        action = Action(hook, state.instance.id, str(uuid.uuid4()), origin, destination, timeout)
        if not self._actions_of(action.instance_id):
            group, now = hook.auto_scaling_group_name, self.clock.now()
            self.activities.begin(group, action.instance_id, state.lifecycle_state, now)
        self.active.append(action)
        self.send(action_event(action, self.clock.now(), backend.account_id, backend.region_name))

    def _actions_of(self, instance_id: str) -> list[Action]:
        return [action for action in self.active if action.instance_id == instance_id]

    def _time_out(self, backend: AutoScalingBackend, action: Action) -> None:
        if action in self.active:
            self.log.append((self.clock.now(), "timed out", action.instance_id))
            self._end(backend, action, action.hook.default_result)

    def _heartbeat(self, action: Action) -> None:
        action.heartbeats += 1
        self.log.append((self.clock.now(), "heartbeat", action.instance_id))
        action.timeout.restart()

    def _complete(self, backend: AutoScalingBackend, action: Action, result: str) -> None:
        self.log.append((self.clock.now(), result, action.instance_id))
        self._end(backend, action, result)

    def _end(self, backend: AutoScalingBackend, action: Action, result: str) -> None:
        self.active.remove(action)
        action.timeout.cancel()
        others = self._actions_of(action.instance_id)
        if result == "ABANDON":
            for other in others:
                self.active.remove(other)
        elif others:
            return
        self.activities.end(action.instance_id, self.clock.now())
        state, launches = _state(backend, action.instance_id), action.hook.lifecycle_transition == LAUNCHING
        if action.destination != "EC2" and not (launches and result == "ABANDON"):
            self._arrive(state, action.origin, action.destination)
            return
        if result == "ABANDON" and not launches and action.hook.auto_scaling_group_name in self.retaining:
            # It runs and is billed until somebody terminates it again
            # (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html).
            state.lifecycle_state = RETAINED
            return
        state.lifecycle_state = "Terminating:Proceed"
        backend.terminate_instance(action.instance_id, False)

    def _find(self, response: AutoScalingResponse) -> Action:
        """The action that a request names by token or instance id; raises the API's ValidationError."""
        token, instance_id = response._get_param("LifecycleActionToken"), response._get_param("InstanceId")
        name, group = response._get_param("LifecycleHookName"), response._get_param("AutoScalingGroupName")
        for action in self.active:
            ours = action.hook.name == name and action.hook.auto_scaling_group_name == group
            named = action.token == token if token else action.instance_id == instance_id
            if ours and named:
                return action
        raise ValidationError(no_active_action(token, instance_id))


def _state(backend: AutoScalingBackend, instance_id: str) -> InstanceState:
    for state in backend.describe_auto_scaling_instances([instance_id]):
        return state
    raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def _hooks_of(backend: AutoScalingBackend, state: InstanceState, transition: str) -> list[LifecycleHook]:
    return [
        hook
        for hook in backend.lifecycle_hooks.values()
        if hook.auto_scaling_group_name == state.auto_scaling_group_name
        and hook.lifecycle_transition == transition
    ]


def action_event(action: Action, now: float, account: str, region: str) -> Json:
    """The event of a lifecycle action.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html
    """
    group, launches = action.hook.auto_scaling_group_name, action.hook.lifecycle_transition == LAUNCHING
    arn = (
        f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:{uuid.uuid4()}:autoScalingGroupName/{group}"
    )
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": f"EC2 Instance-{'launch' if launches else 'terminate'} Lifecycle Action",
        "source": "aws.autoscaling",
        "account": account,
        "time": rfc3339(now),
        "region": region,
        "resources": [arn],
        "detail": {
            "LifecycleActionToken": action.token,
            "AutoScalingGroupName": group,
            "LifecycleHookName": action.hook.name,
            "EC2InstanceId": action.instance_id,
            "LifecycleTransition": action.hook.lifecycle_transition,
            "Origin": action.origin,
            "Destination": action.destination,
            **({"Action": "ReplaceRootVolume"} if action.origin == action.destination else {}),
        },
    }


def wait_state(transition: str, origin: str, destination: str) -> str:
    """The lifecycle state in which hooks of ``transition`` hold an instance on its way to ``destination``.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pool-instance-lifecycle.html and
    replace-root-volume.html. Raises ValueError if no page has such a state: no hook holds an instance after
    its root volume was replaced.
    """
    launches, warm = transition == LAUNCHING, "WarmPool"
    if origin == destination and launches:
        raise ValueError("No hook waits after a replaced root volume (replace-root-volume.html).")
    if origin == destination:
        return "ReplacingRootVolume:Wait"
    if launches:
        return "Warmed:Pending:Wait" if destination == warm else "Pending:Wait"
    return "Warmed:Terminating:Wait" if origin == warm else "Terminating:Wait"
