"""Which events are taken, which hooks are made, and where events go that nobody could handle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.template.stack import ROOT, Stack, source

EVENTS = ROOT / "tests" / "events"


def pattern(**parameters: str) -> dict[str, Any]:
    """The detail part of the terminate rule's pattern."""
    detail: dict[str, Any] = Stack(**parameters).of_type("AWS::Events::Rule")["TerminateRule"]["EventPattern"]
    return dict(detail["detail"])


def test_the_rule_takes_our_hook_alone() -> None:
    """Another tool's hook on the same group is never completed by us."""
    assert pattern(HookName="ours")["LifecycleHookName"] == ["ours"]


@pytest.mark.parametrize(
    ("parameters", "groups"),
    [
        ({"GroupNames": "blue,green"}, ["blue", "green"]),
        ({"GroupPrefix": "nodes-"}, [{"prefix": "nodes-"}]),
        ({}, None),
    ],
)
def test_the_rule_takes_the_groups_of_the_parameters(parameters: dict[str, str], groups: Any) -> None:
    """By names, by prefix, or all."""
    assert pattern(**parameters).get("AutoScalingGroupName") == groups


@pytest.mark.parametrize(
    ("behind", "matches"),
    [("", True), (":live", True), (":7", True), ("-other", False), ("-other:live", False)],
)
def test_a_failed_drain_is_reported_whatever_alias_or_version_started_it(behind: str, matches: bool) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html"""
    rule = Stack().of_type("AWS::Events::Rule")["StatusRule"]["EventPattern"]
    wanted = rule["detail"]["stateMachineArn"]
    matching = EventPattern.load(json.dumps({"detail": {"stateMachineArn": wanted}}))
    arn = next(one for one in wanted if isinstance(one, str))
    assert matching.matches_event({"detail": {"stateMachineArn": arn + behind}}) is matches


def test_each_other_reason_has_its_rule_and_its_switch() -> None:
    """Spot, Health and capacity say that an instance goes; the others that it may, or come too late."""
    rules = Stack().of_type("AWS::Events::Rule")
    others = {
        n.removesuffix("Rule"): r["State"]
        for n, r in rules.items()
        if n not in ("TerminateRule", "LaunchRule", "StatusRule", "SweepRule")
    }
    assert others == {
        "SpotInterruption": "ENABLED",
        "Rebalance": "DISABLED",
        "Health": "ENABLED",
        "Capacity": "ENABLED",
        "StateChange": "DISABLED",
    }
    switches = ("SpotInterruption", "Rebalance", "HealthEvent", "CapacityEnd", "StateChange")
    turned = Stack(**{f"DrainOn{switch}": "true" for switch in switches}).of_type("AWS::Events::Rule")
    assert {rule["State"] for rule in turned.values()} == {"ENABLED"}


@pytest.mark.parametrize("sample", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_rule_takes_each_documented_event(sample: Path) -> None:
    """A pattern that matches nothing looks like a quiet month."""
    event = json.loads(sample.read_text())
    rules = Stack().of_type("AWS::Events::Rule").values()
    patterns = [rule["EventPattern"] for rule in rules if "EventPattern" in rule]
    matching = [p for p in patterns if EventPattern.load(json.dumps(p)).matches_event(event)]
    assert len(matching) == 1


def test_a_hook_is_made_on_each_named_group_with_the_values_of_managed_node_groups() -> None:
    """30 minutes and CONTINUE: what EKS uses for its own groups."""
    hooks = Stack(GroupNames="a,b,c", CreateLifecycleHooks="true").of_type("AWS::AutoScaling::LifecycleHook")
    assert [h["AutoScalingGroupName"] for h in hooks.values()] == ["a", "b", "c"]
    for hook in hooks.values():
        assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
        assert (hook["HeartbeatTimeout"], hook["DefaultResult"]) == ("1800", "CONTINUE")


def hooks(names: str) -> dict[str, dict[str, Any]]:
    """Both kinds of hooks for these groups, by logical id."""
    stack = Stack(GroupNames=names, CreateLifecycleHooks="true", CreateLaunchHooks="true")
    return stack.of_type("AWS::AutoScaling::LifecycleHook")


@pytest.mark.parametrize(
    ("before", "after", "touched"),
    [
        ("web-1,db", "web-1,db,batch", {"batch"}),
        ("web-1,batch,db", "web-1,db", {"batch"}),
        ("web-1,db,batch", "batch,web-1,db", set()),
        ("web-1,db", "web-1, db", set()),
    ],
    ids=["one more", "one less", "another order", "a blank"],
)
def test_a_change_of_the_list_touches_only_the_hooks_of_that_group(
    before: str, after: str, touched: set[str]
) -> None:
    """A hook that moves to another group fails with AlreadyExists, or leaves its own group without one."""
    old, new = hooks(before), hooks(after)
    changed = {
        hook["AutoScalingGroupName"]
        for name in {*old, *new}
        for hook in (old.get(name), new.get(name))
        if hook is not None and old.get(name) != new.get(name)
    }
    assert changed == touched


def test_sixty_groups_have_sixty_hooks_of_each_kind() -> None:
    """Only Auto Scaling limits their number: 50 hooks a group, and 500 resources a stack."""
    names = ",".join(f"prod-eu-west-1-nodes-of-team-number-{n:04}" for n in range(60))
    assert len(names) < 4096  # The longest value of a parameter.
    assert len(hooks(names)) == 120
    assert len(Stack(GroupNames=names, CreateLifecycleHooks="true", CreateLaunchHooks="true").resources) < 500


MOST_PATTERN, MOST_ENVIRONMENT, MOST_PARAMETER = 2048, 4096, 4096
"""Characters of an event pattern, bytes of a function's environment, bytes of a parameter
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html,
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html)."""


@pytest.mark.parametrize(
    "names",
    [
        ",".join(f"prod-eu-west-1-nodes-of-team-number-{n:04}" for n in range(60)),
        ",".join(f"{n}{'x' * 239}" for n in range(5)),
        ",".join(f"{n}{'x' * 239}" for n in range(6)),
    ],
    ids=["sixty", "five of the longest", "six of the longest"],
)
def test_a_long_list_of_groups_fits_wherever_it_stands(names: str) -> None:
    """A pattern or an environment that is too long fails in the middle of a deployment."""
    stack = Stack(GroupNames=names)
    for rule in stack.of_type("AWS::Events::Rule").values():
        assert len(json.dumps(rule.get("EventPattern", {}))) < MOST_PATTERN
    for function in stack.of_type("AWS::Lambda::Function").values():
        # ARNs of state machines, tables and topics are longer than what stands for them here.
        assert len(json.dumps(function["Environment"]["Variables"])) + 500 < MOST_ENVIRONMENT
    for parameter in stack.of_type("AWS::SSM::Parameter").values():
        assert parameter["Value"] == names
        assert len(parameter["Value"]) <= MOST_PARAMETER


def test_more_than_five_groups_are_told_from_others_by_start_drain() -> None:
    """The rules take every event of our hook then."""
    rules = Stack(GroupNames="a,b,c,d,e,f").of_type("AWS::Events::Rule")
    assert "AutoScalingGroupName" not in json.dumps([rules["TerminateRule"], rules["LaunchRule"]])
    assert pattern(GroupNames="a,b,c,d,e,f")["LifecycleHookName"] == ["stepdrain"]


def test_no_hook_is_made_unless_asked_for(stack: Stack) -> None:
    """A hook changes how somebody's group behaves."""
    assert not stack.of_type("AWS::AutoScaling::LifecycleHook")
    assert not Stack(GroupNames="a,b").of_type("AWS::AutoScaling::LifecycleHook")


def test_a_launch_hook_is_made_only_where_it_is_asked_for_and_goes_on_by_itself() -> None:
    """A stack that is ill must not keep a group from growing."""
    hooks = Stack(GroupNames="a,b", CreateLaunchHooks="true").of_type("AWS::AutoScaling::LifecycleHook")
    assert {h["AutoScalingGroupName"] for h in hooks.values()} == {"a", "b"}
    for hook in hooks.values():
        assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
        assert (hook["LifecycleHookName"], hook["DefaultResult"]) == ("stepdrain-launch", "CONTINUE")


def test_a_hook_is_made_after_all_that_listens_to_it() -> None:
    """Otherwise instances are held while nobody listens, at the first deployment and at the removal."""
    stack = Stack(GroupNames="a", CreateLifecycleHooks="true", CreateLaunchHooks="true")
    needed = {
        "LifecycleHooka": {
            "TerminateRulePermission", "SweepRulePermission", "StatusRulePermission", "DeadLettersPolicy",
        },
        "LaunchHooka": {"LaunchRulePermission", "DeadLettersPolicy"},
    }  # fmt: skip
    for name, before in needed.items():
        assert set(stack.resources[name]["DependsOn"]) == {*before, "AccessGranted"}
    entries = {f"<{name}.AccessEntryArn>" for name in stack.of_type("AWS::EKS::AccessEntry")}
    assert set(stack.resources["AccessGranted"]["Metadata"]["After"]) == entries
    without = Stack(GroupNames="a", CreateLifecycleHooks="true", CreateAccessEntries="false")
    assert without.resources["AccessGranted"]["Metadata"]["After"] == "none"


def test_every_rule_retries_and_then_keeps_the_event(stack: Stack) -> None:
    """An event that is lost is an instance that waits for nobody."""
    for rule in stack.of_type("AWS::Events::Rule").values():
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"]["Arn"] == "<DeadLetters.Arn>"
        assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] < 1800


def test_functions_that_rules_invoke_keep_what_they_could_not_handle(stack: Stack) -> None:
    """Lambda drops an asynchronous event after its retries unless it has somewhere to put it."""
    kept = stack.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert {c["FunctionName"] for c in kept} == {
        "<StartDrainFunction>",
        "<SweepFunction>",
        "<NotifyFunction>",
    }
    assert {c["DestinationConfig"]["OnFailure"]["Destination"] for c in kept} == {"<DeadLetters.Arn>"}


def test_the_sweep_looks_before_the_shortest_hook_is_over() -> None:
    """A lost event must be found while its instance still waits, whatever the parameters say."""
    parameters = source()["Parameters"]
    assert 60 * parameters["SweepMinutes"]["MaxValue"] < parameters["HeartbeatTimeout"]["MinValue"]
    rule = Stack(SweepMinutes="7").of_type("AWS::Events::Rule")["SweepRule"]
    assert rule["ScheduleExpression"] == "rate(7 minutes)"
    # EventBridge refuses "1 minutes".
    assert parameters["SweepMinutes"]["MinValue"] > 1


def test_a_failed_drain_is_told_and_a_completed_one_is_not(stack: Stack) -> None:
    """Mail about what went well trains people not to read it."""
    rule = stack.of_type("AWS::Events::Rule")["StatusRule"]
    assert rule["EventPattern"]["detail"]["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    assert rule["EventPattern"]["detail"]["stateMachineArn"] == ["<DrainNode>", {"prefix": "<DrainNode>:"}]
