"""A person whose keys may do little: each command names the right that is missing, in one sentence."""

import contextlib
import threading

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from stepdrain_cli.accounts.account import Account, translated_errors
from stepdrain_cli.commands import doctor
from stepdrain_cli.terminal.exits import NO_ACCESS
from stepdrain_sandbox.examples.drains import drains
from tests.cli.accounts import Typist

OPTIONAL = {
    "start": {"DescribeCluster"},
    "status": {"DescribeCluster"},
    "stop": {"DescribeAutoScalingInstances"},
    "undo": {"DescribeCluster", "DescribeInstances", "DescribeAutoScalingInstances"},
    "doctor": {"DescribeCluster", "DescribeStacks", "GetAccountSettings", "ListAccessEntries"},
    "bundle": {
        "DescribeAutoScalingGroups",
        "DescribeCluster",
        "DescribeLifecycleHooks",
        "DescribeStacks",
        "GetAccountSettings",
        "ListAccessEntries",
        "ListRules",
        "ListTargetsByRule",
        "TestEventPattern",
    },
}
"""What a command does without: it shows or prints the rest, and says what it could not ask."""


@pytest.fixture(scope="module")
def world():
    """One node drained, one whose drain failed, one whose drain runs, two untouched."""
    with drains() as world:
        yield world


class Keys:
    """A person's keys: operations that are not ``allowed`` are denied, ``denied`` the last."""

    def __init__(self, monkeypatch):
        self.allowed, self.denied = set(), ""
        person, asked = threading.current_thread(), BaseClient._make_api_call

        def call(client, operation, parameters):
            # The world's functions work in threads of their own, with their own roles.
            if threading.current_thread() is person and operation not in self.allowed:
                self.denied = operation
                raise refusal(client, operation)
            return asked(client, operation, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", call)


def refusal(client, operation):
    action = f"{client.meta.service_model.signing_name}:{operation}"
    text = f"User: arn:aws:iam::123456789012:user/night is not authorized to perform: {action}"
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": text}}, operation)


@pytest.fixture
def stepdrain(world, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = ("done", "refused", "blocked", "fresh", "other")
    typed = Typist(world, monkeypatch, dict(zip(names, world.instances.values(), strict=True)))

    @contextlib.contextmanager
    def account():
        (tmp_path / "kubeconfig").write_text(world.kube.kubeconfig())
        session, clock = boto3.Session(region_name="eu-west-1"), world.clock
        with translated_errors():
            yield Account(session, world.machine, clock.now, clock.sleep), str(tmp_path / "kubeconfig")

    monkeypatch.setattr(doctor, "sandbox_of_groups", account)
    return typed


@pytest.mark.parametrize(
    "typed",
    [
        ["list"],
        ["status", "refused"],
        ["history", "done"],
        ["report", "done"],
        ["bundle", "refused"],
        ["watch", "done"],
        ["doctor", "--cluster", "demo"],
        ["start", "fresh", "--yes"],
        ["undo", "fresh", "--yes"],
        ["redrive", "refused"],
        ["redrive", "refused", "--policy", "evictUnmanaged=true"],
        ["stop", "blocked", "--yes"],
    ],
    ids=" ".join,
)
def test_each_right_that_is_missing_is_named_in_one_sentence(stepdrain, world, monkeypatch, typed):
    """Right by right, until the command does what it says: exit status 5, no traceback, nothing half done."""
    with monkeypatch.context() as patched:
        keys = Keys(patched)
        while True:
            keys.denied = ""
            status, out, err = stepdrain(*typed)
            assert "Traceback" not in out + err
            if not keys.denied:
                break
            if keys.denied in OPTIONAL.get(typed[0], ()):
                # undo ends with 5: it prints what somebody else has to type.
                assert status in (0, 1, 3) or typed[0] == "undo", (keys.denied, out, err)
            else:
                said = err.splitlines()[-1]
                assert (status, said[:7]) == (NO_ACCESS, "Error: "), (keys.denied, out, err)
                assert keys.denied in said
            keys.allowed.add(keys.denied)
    assert keys.allowed
    assert status in (0, 1, 3), err
    world.pass_time(30)
