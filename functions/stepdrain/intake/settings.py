"""What the template configures: environment variables, read once, checked, typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stepdrain.errors import InvalidSettings
from stepdrain.rules import policy
from stepdrain.rules.policy import Policy


@dataclass(frozen=True)
class IntakeSettings:
    """What StartDrain has to know to tell its own events from others'."""

    cluster: str
    """The first cluster, and the one of a group that does not say."""
    other_clusters: tuple[str, ...]
    state_machine_arn: str
    account_id: str
    hook_name: str
    launch_hook_name: str
    group_names: tuple[str, ...]
    """Empty together with ``group_prefix``: every group of the cluster."""
    group_prefix: str
    skip_managed_node_groups: bool
    policy: Policy
    admit_state_machine_arn: str = ""
    drain_on_maintenance: bool = False

    @property
    def region(self) -> str:
        """The region that this installation serves, as its state machine's ARN has it."""
        return (self.state_machine_arn.split(":") + [""] * 4)[3]

    @property
    def clusters(self) -> tuple[str, ...]:
        """All clusters that this installation serves."""
        return (self.cluster, *self.other_clusters)


def intake(environ: Mapping[str, str], parameter: Callable[[str], str]) -> IntakeSettings:
    """StartDrain's settings; raises InvalidSettings naming the variable that is absent or wrong.

    ``parameter`` gives the value of a parameter of Systems Manager: a long list of groups is in one, since an
    environment holds 4 KB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
    """
    long_list = environ.get("STEPDRAIN_GROUP_LIST", "")
    names = parameter(long_list) if long_list else environ.get("STEPDRAIN_GROUP_NAMES", "")
    return IntakeSettings(
        cluster=_required(environ, "STEPDRAIN_CLUSTER"),
        state_machine_arn=_required(environ, "STEPDRAIN_STATE_MACHINE_ARN"),
        account_id=_required(environ, "STEPDRAIN_ACCOUNT_ID"),
        hook_name=_required(environ, "STEPDRAIN_HOOK_NAME"),
        launch_hook_name=environ.get("STEPDRAIN_LAUNCH_HOOK_NAME", ""),
        other_clusters=_listed(environ, "STEPDRAIN_OTHER_CLUSTERS"),
        group_names=_items(names),
        group_prefix=environ.get("STEPDRAIN_GROUP_PREFIX", ""),
        skip_managed_node_groups=environ.get("STEPDRAIN_SKIP_MANAGED_NODE_GROUPS", "true") == "true",
        policy=policy.from_environment(environ),
        admit_state_machine_arn=environ.get("STEPDRAIN_ADMIT_STATE_MACHINE_ARN", ""),
        drain_on_maintenance=environ.get("STEPDRAIN_DRAIN_ON_MAINTENANCE", "false") == "true",
    )


def sweep_interval_s(environ: Mapping[str, str]) -> int:
    """Seconds from one sweep to the next, 300 if that is not set; InvalidSettings if it is no number."""
    minutes = environ.get("STEPDRAIN_SWEEP_MINUTES") or "5"
    if not minutes.isdecimal() or minutes == "0":
        raise InvalidSettings(
            f"STEPDRAIN_SWEEP_MINUTES is {minutes!r}, and not minutes; template.yaml sets it: deploy again."
        )
    return int(minutes) * 60


def node_conditions(environ: Mapping[str, str]) -> bool:
    """Whether a drain shows itself as conditions of its Node (stepdrain.reporting.node_conditions)."""
    return environ.get("STEPDRAIN_NODE_CONDITIONS", "false") == "true"


def eviction_events(environ: Mapping[str, str]) -> bool:
    """Whether a drain writes an Event on each pod that it evicts (stepdrain.reporting.pod_events.evicted)."""
    return environ.get("STEPDRAIN_EVICTION_EVENTS", "false") == "true"


def unwatched(environ: Mapping[str, str]) -> str:
    """Why waiting states must not hold a watch, as the end of "polled, since …"; "" if they may."""
    return "the parameter Waiting is poll" if environ.get("STEPDRAIN_WAITING", "watch") == "poll" else ""


def manual(environ: Mapping[str, str], parameter: Callable[[str], str]) -> IntakeSettings:
    """FindNode's settings for a drain started by hand: as StartDrain's, without the machine's ARN."""
    return intake({**environ, "STEPDRAIN_STATE_MACHINE_ARN": "none: FindNode starts nothing"}, parameter)


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return _items(environ.get(name, ""))


def _items(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise InvalidSettings(
            f"The function's environment lacks {name}; template.yaml sets it: deploy again."
        )
    return value
