"""State machines that a key of the account's own encrypts: events say less, and messages as much as ever."""

import copy

import pytest
from botocore.exceptions import ClientError

from stepdrain_sandbox.aws import encryption
from stepdrain_sandbox.workload import cluster_workload, lone_pod
from stepdrain_sandbox.world import World

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
REFUSED = {"EvictUnmanaged": "false", "KmsKeyArn": KEY}


def without_the_key(policies, *roles):
    """The statements of all roles, less the rights of ``roles`` to keys."""
    poorer = copy.deepcopy(policies)
    for role in roles:
        poorer[role] = [statement for statement in poorer[role] if "kms:" not in str(statement["Action"])]
    return poorer


@pytest.fixture(scope="module")
def world():
    """A drain has failed at a pod that the policy keeps."""
    with World(workload=cluster_workload, parameters=REFUSED) as world:
        instance, node = next(iter(world.instances.items()))
        world.kube.cluster.create(lone_pod("lone", node))
        world.pass_time(5)
        events, send = [], world.aws.delivery.send
        world.aws.delivery.send = lambda event: (events.append(event), send(event))
        world.terminate(instance)
        world.settle()
        world.pass_time(5)
        world.status_change = next(event for event in events if event["source"] == "aws.states")
        yield world


def test_the_event_has_neither_input_nor_error(world):
    """As the page says; what a rule matches is there."""
    detail = world.status_change["detail"]
    assert not {"input", "output", "error", "cause"} & set(detail)
    assert (detail["status"], detail["inputDetails"]) == ("FAILED", {"included": False})


def test_the_message_says_as_much_as_without_a_key(world):
    """What the event leaves out stands in the execution."""
    message = world.aws.messages()[0]
    assert message["Subject"].endswith(" FAILED (DrainRefused)")
    for line in ("Group:      workers", "State:      EvictBatch", "Error:      DrainRefused"):
        assert line in message["Message"]
    assert "default/lone" in message["Message"].partition("Why:")[2].partition("\n")[0]


def test_a_message_that_may_not_read_the_execution_says_so(world, monkeypatch):
    """Whoever is woken learns what is missing, and that a drain has failed."""
    poorer = without_the_key(world.aws.deployment.policies, "stepdrain-NotifyRole")
    monkeypatch.setattr(world.aws.deployment, "policies", poorer)
    world.aws.delivery.send(world.status_change)
    world.pass_time(60)
    message = world.aws.messages()[-1]
    assert message["Subject"].endswith(" FAILED (FAILED)")
    assert "is not authorized to perform: kms:Decrypt" in message["Message"]


def test_a_machine_whose_role_may_not_use_the_key_starts_nothing(world, monkeypatch):
    """A condition on the calling service is never met by the role itself."""
    made = world.aws.deployment
    with monkeypatch.context() as patched:
        patched.setattr(made, "policies", without_the_key(made.policies, "stepdrain-DrainNodeRole"))
        with pytest.raises(ClientError, match=r"KmsAccessDeniedException.*kms:Decrypt"):
            world.start("by-hand", {"instanceId": next(iter(world.instances))})
    via = copy.deepcopy(made.policies)
    for statement in via["stepdrain-DrainNodeRole"]:
        if "kms:Decrypt" in statement["Action"]:
            statement["Condition"]["StringEquals"]["kms:ViaService"] = "states.eu-west-1.amazonaws.com"
    monkeypatch.setattr(made, "policies", via)
    with pytest.raises(ClientError, match="KmsAccessDeniedException"):
        world.start("by-hand", {"instanceId": next(iter(world.instances))})


@pytest.mark.parametrize(
    ("operation", "asked", "refused"),
    [
        ("DescribeExecution", {}, True),
        ("DescribeExecution", {"includedData": "METADATA_ONLY"}, False),
        ("GetExecutionHistory", {}, True),
        ("StopExecution", {}, False),
        ("RedriveExecution", {}, False),
    ],
)
def test_who_reads_needs_the_key_and_who_stops_does_not(world, operation, asked, refused):
    """The page's table of what callers need."""
    asked = {"executionArn": world.machine.replace(":stateMachine:", ":execution:") + ":i-1", **asked}
    made = world.aws.deployment
    found = encryption.refusal(operation, asked, "stepdrain-LabelRole", made.encrypted, made.policies)
    assert (found is not None) == refused
    assert (
        encryption.refusal(operation, asked, "stepdrain-UncordonRole", made.encrypted, made.policies) is None
    )
