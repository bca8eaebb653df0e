"""CompleteAction: Auto Scaling goes on, with the token of this very action."""

import json

import pytest
from stepdrain.errors import AwsDenied
from stepdrain.steps import complete_action

from stepdrain_sandbox.aws.account import AwsFault, client_error


def test_the_instance_is_let_go(world, step, held):
    """CONTINUE, with the token; the machine is then off and its Node gone."""
    instance, document = held
    answer = complete_action.handler(step(document), None)
    assert answer == {"result": "CONTINUE", "outcome": "drained", "reason": "", "findings": []}
    assert world.lifecycle_state(instance) == ""
    assert world.kube.cluster.get("Node", world.instances[instance]) is None


def test_completing_twice_is_success(world, step, held):
    """A retry after a lost answer: somebody was faster, and it was ourselves."""
    _, document = held
    complete_action.handler(step(document), None)
    again = complete_action.handler(step(document, attempt=1), None)
    assert (again["result"], again["outcome"], again["reason"]) == ("ALREADY_COMPLETED", "drained", "")


@pytest.mark.parametrize(
    "drain", [{}, {"node": {"name": "n1", "uid": "u", "gone": True}}, {"neverJoined": {}}]
)
def test_a_redrive_for_an_instance_that_is_gone_says_so_and_ends(world, step, held, drain, capsys):
    """It must not say that it drained something, nor that the instance never joined."""
    instance, document = held
    complete_action.handler(step(document), None)
    capsys.readouterr()
    late = complete_action.handler(step(document, **drain), None)
    assert (late["result"], late["outcome"]) == ("ALREADY_COMPLETED", "instance gone")
    assert f"{instance} was terminated before its drain was over" in late["reason"]
    assert "CloudWatchMetrics" not in capsys.readouterr().out


def test_an_action_that_nobody_waits_for_any_more_is_an_outcome_of_its_own(world, step, held):
    """Somebody else let the instance go, and it is there still: who did what is not known."""
    instance, document = held
    stale = {**document["lifecycle"], "token": "00000000-0000-0000-0000-000000000000"}
    late = complete_action.handler(step({**document, "lifecycle": stale}), None)
    assert (late["result"], late["outcome"]) == ("ALREADY_COMPLETED", "already completed")
    assert f"no longer waited for {instance}" in late["reason"]


def test_an_ec2_that_does_not_answer_stops_no_drain_that_is_over(world, step, held):
    """The result says what is not known, and why."""
    _, document = held
    complete_action.handler(step(document), None)
    error = client_error("DescribeInstances", "UnauthorizedOperation", "not authorized", 403)
    world.aws.aws_faults.append(AwsFault("DescribeInstances", error))
    late = world.aws.invoke("stepdrain-CompleteActionFunction", step(document))
    assert late["outcome"] == "already completed"
    assert "there still is not known" in late["reason"]


def test_an_instance_that_never_joined_says_why(world, step, held):
    """Nothing found is reported as such, and not as a drain that took no time."""
    _, document = held
    cause = json.dumps({"errorMessage": "No node of the cluster has the providerID of i-1."})
    caught = {"Error": "NodeNotRegistered", "Cause": cause}
    answer = complete_action.handler(step(document, neverJoined=caught), None)
    assert (answer["outcome"], answer["reason"]) == (
        "never joined",
        "No node of the cluster has the providerID of i-1.",
    )


def test_a_node_that_was_deleted_meanwhile_is_an_outcome_of_its_own(world, step, held):
    """The action is completed, and the result says what nobody knows."""
    _, document = held
    gone = {"name": "n1", "uid": "u", "gone": True}
    answer = complete_action.handler(step(document, node=gone), None)
    assert (answer["result"], answer["outcome"]) == ("CONTINUE", "node gone")
    assert answer["reason"].startswith("Node n1 was deleted while it was drained")


def test_another_action_of_the_instance_is_never_completed(world, step, held):
    """The token names this action; with a stale one nothing happens to the instance."""
    instance, document = held
    stale = {**document["lifecycle"], "token": "00000000-0000-0000-0000-000000000000"}
    answer = complete_action.handler(step({**document, "lifecycle": stale}), None)
    assert answer["result"] == "ALREADY_COMPLETED"
    assert world.lifecycle_state(instance) == "Terminating:Wait"


def test_a_released_instance_is_abandoned_where_the_policy_says_so(world, step, held):
    """And the answer carries the reason, which an operator reads in the execution's output."""
    instance, document = held
    cause = json.dumps({"errorMessage": "The drain's deadline is over."})
    event = step(
        document, policy={"onTimeout": "abandon"}, released={"Error": "DrainReleased", "Cause": cause}
    )
    answer = complete_action.handler(event, None)
    assert answer == {
        "result": "ABANDON",
        "outcome": "released",
        "reason": "The drain's deadline is over.",
        "findings": [],
    }
    assert world.aws.hooks.log[-1][1:] == ("ABANDON", instance)


def test_a_refusal_is_never_reported_as_done(world, step, held):
    """Else the instance would hang in Terminating:Wait behind a green execution."""
    instance, document = held
    error = client_error("CompleteLifecycleAction", "AccessDenied", "not authorized to perform", 403)
    world.aws.aws_faults.append(AwsFault("CompleteLifecycleAction", error))
    with pytest.raises(AwsDenied, match=r"CompleteLifecycleAction .* Check the function's role"):
        world.aws.invoke("stepdrain-CompleteActionFunction", step(document))
    assert world.lifecycle_state(instance) == "Terminating:Wait"
