"""A role that somebody deleted by hand: the drain stops there, holds its instance, and loses nothing.

What a function of such a role sees depends on what it does first: no credentials for a new container
(Lambda's own error), a call that AWS denies, or a token that the cluster does not know.
"""

import pytest

from stepdrain_sandbox.aws.account import AwsFault, LambdaFault, access_key, client_error
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import World
from tests.world import trouble

INVALID = client_error(
    "Any", "InvalidClientTokenId", "The security token included in the request is invalid", 403
)


def without_credentials(world, state):
    """Lambda cannot take the role for a new container. Which of its errors that is, is not documented."""
    fault = LambdaFault(f"{state}Function", "Lambda.AccessDeniedException", times=10_000)
    world.aws.lambda_faults.append(fault)
    return lambda: setattr(fault, "times", 0)


def denied(operation):
    """A running container's credentials are no longer known."""

    def delete(world, _state):
        fault = AwsFault(operation, INVALID, times=-1)
        world.aws.aws_faults.append(fault)
        return lambda: setattr(fault, "times", 0)

    return delete


def unknown(world, state):
    """A token that is signed with them stands for nobody."""
    key = access_key(f"{state}Function")
    user = world._users.pop(key)
    return lambda: world._users.update({key: user})


CASES = [
    ("Cordon", without_credentials, "Lambda.AccessDeniedException"),
    ("CompleteAction", denied("CompleteLifecycleAction"), "AwsDenied"),
    ("EvictBatch", unknown, "KubeUnauthorized"),
]


@pytest.mark.parametrize(("state", "delete", "error"), CASES)
def test_a_drain_whose_role_was_deleted_stops_there_and_goes_on_under_a_new_one(state, delete, error):
    """G5."""
    with World(workload=cluster_workload) as world:
        restore = delete(world, state)
        instance = trouble.begin(world)
        world.settle()
        (failed,) = world.executions()
        assert (failed["status"], failed["error"]) == ("FAILED", error)
        assert trouble.last_state(world) == state
        assert world.lifecycle_state(instance) == "Terminating:Wait"
        restore()
        world.redrive(failed["executionArn"])
        world.settle()
        trouble.assert_over(world, instance)
