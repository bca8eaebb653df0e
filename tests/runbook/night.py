"""A night on call in an embedded world: something breaks, a message comes, and a section is typed."""

import contextlib
import re
import subprocess
from collections.abc import Mapping

import boto3

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.commands import doctor
from tests.cli.accounts import Typist
from tests.runbook import aws_cli
from tests.runbook.sections import ROOT, commands

ANSWERED = ("start", "undo", "stop")
"""Commands that ask; the person says yes."""
ENDED_ITSELF = ("status", "doctor", "watch")
"""Commands whose exit status says how a drain, or the account, stands."""
GOES_ON = ("stepdrain redrive", "stepdrain start", "stepdrain watch")
NOT_EMBEDDED = (
    "aws health",
    "aws lambda",
    "aws iam simulate-principal-policy",
    "aws eks delete-access-entry",
    "aws eks list-access-entries",
    "kubectl get --raw",
)
"""What the embedded account has not: its form alone is checked (test_commands.py)."""


class Night:
    """One instance, and somebody who types a section's commands with its names in the blanks."""

    def __init__(self, world, monkeypatch, folder, instance):
        self.world, self.instance, self.node = world, instance, world.instances[instance]
        self.type, self.kubeconfig = Typist(world, monkeypatch, {}), folder / "kubeconfig"
        self.type.plain = True
        self.kubeconfig.write_text(world.kube.kubeconfig())
        self.blanks = {"NODE": self.node, "INSTANCE": instance, "GROUP": "workers", "CLUSTER": "demo"}
        monkeypatch.chdir(folder)
        monkeypatch.setattr(doctor, "sandbox_of_groups", self._account)

    @contextlib.contextmanager
    def _account(self):
        session, clock = boto3.Session(region_name="eu-west-1"), self.world.clock
        yield Account(session, self.world.machine, clock.now, clock.sleep, self.world), str(self.kubeconfig)

    def hold(self, most=0):
        """The budget of the node's pod lets so many go, a count."""
        spec = {"spec": {"maxUnavailable": most}}
        self.world.kube.cluster.change("PodDisruptionBudget", self.blanks["BUDGET"], "default", spec)

    def execution(self):
        """The newest drain of the instance, as DescribeExecution shows it; None if there is none."""
        client = boto3.client("stepfunctions", region_name="eu-west-1")
        pages = client.get_paginator("list_executions").paginate(stateMachineArn=self.world.machine)
        own = [
            execution
            for page in pages
            for execution in page["executions"]
            if self.instance in execution["name"]
        ]
        if not own:
            return None
        newest = max(own, key=lambda one: (one["startDate"], one["name"]))
        return client.describe_execution(executionArn=newest["executionArn"])

    def until_it_ends(self, within_s=7200):
        """Let time pass until the drain no longer runs; it, then."""
        ends_at = self.world.clock.now() + within_s
        while self.world.clock.now() < ends_at:
            self.world.pass_time(30)
            if (found := self.execution()) and found["status"] != "RUNNING":
                self.world.pass_time(1)
                return found
        raise AssertionError(f"The drain still runs after {within_s} s.")

    def fails_with(self, error, status="FAILED"):
        """Somebody is notified: by a message and by `status`, which name the error and where to read on."""
        ended = self.until_it_ends()
        assert (ended["status"], ended.get("error", status)) == (status, error), ended.get("cause")
        mails = [
            message["Message"]
            for message in self.world.aws.messages()
            if {self.node, self.instance} & set(re.findall(r"[\w.-]+", message["Message"]))
        ]
        texts = [mails[-1], self.type("status", ended["executionArn"])[1]]
        for text in texts:
            # What `stepdrain stop` gives as the error of an aborted execution is not kept by moto.
            named = rf"(?:{re.escape(error)}|{status})"
            assert re.search(rf"^Error: +{named}$", text, re.MULTILINE), text
            assert re.search(rf"^Runbook: +stepdrain runbook {named}$", text, re.MULTILINE), text

    def waits_for(self, words):
        """`status` says what the drain waits for."""
        shown = self.type("status", self.instance)[1]
        assert words in shown, shown

    def drained(self, outcome="drained"):
        """The end: the drain has succeeded with this outcome."""
        ended = self.until_it_ends()
        assert ended["status"] == "SUCCEEDED", ended.get("cause")
        assert f'"outcome":"{outcome}"' in ended["output"].replace('": "', '":"'), ended["output"]

    def play(
        self, section, *, until=None, repaired=None, without=(), blanks: Mapping[str, str] | None = None
    ):
        """Type the section's commands up to and including the first that begins with ``until``.

        ``repaired`` is done before the first redrive, start or watch: what no command of the section can do.
        Commands that begin with one of ``without`` are left out: the other way that a section offers.
        """
        for words in commands(section):
            text = " ".join(words)
            if text.startswith(tuple(without)):
                continue
            if repaired is not None and text.startswith(
                ("stepdrain redrive", "stepdrain start", "stepdrain watch")
            ):
                repaired()
                repaired = None
            # By its id a drain is found without reading all the others, which costs most of a test's time.
            named = {"NODE": self.instance} if words[0] == "stepdrain" else {}
            typed = [self._filled(word, {**(blanks or {}), **named}) for word in words]
            # Nobody looks on: each look reads the whole history.
            self._typed([word for word in typed if word != "--watch"])
            if until is not None and text.startswith(until):
                return
        assert until is None, f"no command begins with {until}"

    def _typed(self, words):
        program, *rest = words
        if " ".join(words).startswith(NOT_EMBEDDED):
            return
        if program == "stepdrain":
            status, out, err = self.type(*rest, answer="y\n" if rest[0] in ANSWERED else None)
            assert status == 0 or rest[0] in ENDED_ITSELF, out + err
        elif program == "kubectl":
            done = subprocess.run(
                [*words, f"--kubeconfig={self.kubeconfig}"],
                check=False, capture_output=True, text=True, timeout=30, cwd=ROOT,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        elif program == "aws":
            aws_cli.typed(rest)
        self.world.pass_time(5)

    def _filled(self, word, blanks):
        for blank, value in {**self.blanks, **blanks}.items():
            word = re.sub(rf"\b{blank}\b", value, word)
        return word
