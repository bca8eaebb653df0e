"""The account a command works in: AWS by boto3, or the embedded one; and what AWS refuses, as a sentence."""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ProfileNotFound
from stepdrain.adapters.aws.calls import DENIALS

from stepdrain_cli.terminal.exits import FAILED, NO_ACCESS, USAGE, CommandError

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")
MACHINE_ARN = re.compile(r"arn:[\w-]+:states:[\w-]+:\d{12}:stateMachine:[^:\s]+(:[^:\s]+)?")
PREFIXES = {"stepfunctions": "states"}
"""IAM's name of a service where boto3 has another."""


@dataclass(frozen=True)
class Account:
    """Where drains are found: a session, the state machine's ARN, and their clock (epoch seconds)."""

    session: boto3.Session
    machine: str
    now: Callable[[], float]
    sleep: Callable[[float], None]
    world: Any = None
    """The embedded world behind ``--sandbox``, None on AWS."""
    flags: str = ""
    """The account's options as the user typed them, each with a blank before it: for commands to suggest."""

    @property
    def aws_options(self) -> str:
        """The options that lead the AWS CLI to the same account, each with a blank before it."""
        profile = self.session.profile_name
        own = f" --profile {shlex.quote(profile)}" if profile != "default" else ""
        return f" --region {self.session.region_name}{own}"

    def client(self, service: str) -> Any:
        """A boto3 client, with boto3's own retries."""
        session: Any = self.session
        return session.client(service)


@contextlib.contextmanager
def on_aws(
    region: str | None, profile: str | None, stack: str, machine: str | None, flags: str = ""
) -> Iterator[Account]:
    """The user's account; the state machine is ``machine`` or the output of ``stack``."""
    if machine:
        _refuse_other(machine, region)
    with translated_errors():
        session = boto3.Session(profile_name=profile, region_name=region or _region_of(machine))
        yield Account(session, machine or _machine_of(session, stack), time.time, time.sleep, None, flags)


def _refuse_other(machine: str, region: str | None) -> None:
    """CommandError if the machine is no state machine's ARN, or is in another region than was asked for."""
    if not MACHINE_ARN.fullmatch(machine):
        raise CommandError(
            f"{machine} is not the ARN of a state machine (arn:aws:states:REGION:ACCOUNT:stateMachine:NAME); "
            "name its stack with --stack instead."
        )
    if region not in (None, _region_of(machine)):
        raise CommandError(
            f"State machine {machine} is not in region {region}: leave out --region, or name the one there."
        )


def _region_of(arn: str | None) -> str | None:
    return arn.split(":")[3] if arn and arn.count(":") >= 6 else None


@contextlib.contextmanager
def on_sandbox(flags: str = "") -> Iterator[Account]:
    """An embedded account with a handful of drains, made for this command and gone with it."""
    drains, region = _example("drains")
    logging.disable(logging.CRITICAL)
    try:
        with drains() as world, translated_errors():
            session = boto3.Session(region_name=region)
            yield Account(session, world.machine, world.clock.now, world.clock.sleep, world, flags)
    finally:
        logging.disable(logging.NOTSET)


def described(session: boto3.Session, stack: str) -> Mapping[str, Any]:
    """The stack as DescribeStacks shows it; CommandError if it is not there."""
    try:
        found: Mapping[str, Any] = session.client("cloudformation").describe_stacks(StackName=stack)[
            "Stacks"
        ][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise CommandError(
            f"There is no stack {stack} in region {session.region_name}; "
            "name yours with --stack, or the state machine with --state-machine ARN."
        ) from error
    return found


def _machine_of(session: boto3.Session, stack: str) -> str:
    outputs = {
        output["OutputKey"]: output["OutputValue"] for output in described(session, stack).get("Outputs", ())
    }
    if "StateMachineArn" not in outputs:
        raise CommandError(
            f"Stack {stack} has no output StateMachineArn: it is not Stepdrain's, or not ready."
        )
    return str(outputs["StateMachineArn"])


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """While this lasts, what botocore raises becomes a sentence and an exit status."""
    try:
        yield
    except (NoCredentialsError, ProfileNotFound, NoRegionError) as error:
        raise CommandError(f"{_how(error)}", NO_ACCESS) from error
    except ClientError as error:
        raise _refused(error) from error
    except BotoCoreError as error:
        raise CommandError(f"AWS gave no usable answer: {str(error).rstrip('.')}.", NO_ACCESS) from error


def _how(error: Exception) -> str:
    if isinstance(error, NoRegionError):
        return "No region is set: give --region, or set AWS_REGION."
    if isinstance(error, ProfileNotFound):
        return f"{error}; `aws configure list-profiles` lists them."
    return "There are no AWS credentials: give --profile, run `aws sso login`, or try it with --sandbox."


def _refused(error: ClientError) -> CommandError:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in EXPIRED:
        return CommandError(f"The AWS credentials are no longer valid ({code}): log in again.", NO_ACCESS)
    if code in DENIALS:
        named = re.search(r"perform: ([\w-]+:\w+)", message)
        # Step Functions reads what is encrypted in the name of whoever asks.
        asked = "kms:Decrypt" if code.startswith("Kms") else error.operation_name
        action = named[1] if named else asked
        return CommandError(f"You lack the permission {action}: {message}", NO_ACCESS)
    if code == "StateMachineDoesNotExist":
        return CommandError(f"{message}. Name the stack with --stack, or another with --state-machine ARN.")
    status = USAGE if "DoesNotExist" in code or code == "InvalidArn" else FAILED
    return CommandError(f"{error.operation_name} answered {code}: {message}", status)


def _example(name: str) -> tuple[Callable[[], AbstractContextManager[Any]], str]:
    """The world ``name`` of stepdrain_sandbox.examples, and the region of its account.

    Imported here, since the world takes seconds to load and the base installation cannot load it.
    """
    try:
        module = importlib.import_module(f"stepdrain_sandbox.examples.{name}")
        region: str = importlib.import_module("stepdrain_sandbox.aws.account").REGION
    except ModuleNotFoundError as error:
        if error.name != "stepdrain_sandbox":
            raise
        raise CommandError(f"{error.msg}") from None
    return getattr(module, name), region


@contextlib.contextmanager
def sandbox_of_groups() -> Iterator[tuple[Account, str]]:
    """An embedded account with four node groups, and the path of its cluster's kubeconfig."""
    groups, region = _example("groups")
    with (
        groups() as world,
        tempfile.NamedTemporaryFile("w", suffix=".yaml") as kubeconfig,
        translated_errors(),
    ):
        kubeconfig.write(world.kube.kubeconfig())
        kubeconfig.flush()
        session, clock = boto3.Session(region_name=region), world.clock
        yield Account(session, world.machine, clock.now, clock.sleep, world), kubeconfig.name
