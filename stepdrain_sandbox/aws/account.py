"""The embedded world's account: the deployment, and the invocations of its functions."""

from __future__ import annotations

import contextlib
import datetime
import enum
import json
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import boto3
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.sns.models import sns_backends
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from stepdrain import clock as drain_clock
from stepdrain.adapters import concurrent, connections

from stepdrain_sandbox.aws import (
    encryption,
    engine,
    groups,
    instance_filters,
    left_out,
    limits,
    mocked,
    parsers,
    permissions,
    redrive,
    request_headers,
    service_models,
)
from stepdrain_sandbox.aws.access_entries import AccessEntries
from stepdrain_sandbox.aws.alarms import Alarms
from stepdrain_sandbox.aws.delivery import Delivery
from stepdrain_sandbox.aws.deploy import Deployment, Function, Stack
from stepdrain_sandbox.aws.described import Described
from stepdrain_sandbox.aws.event_invoke_config import EventInvokeConfig
from stepdrain_sandbox.aws.execution_list import ExecutionList
from stepdrain_sandbox.aws.lifecycle_hooks import LifecycleHooks
from stepdrain_sandbox.aws.load import TOO_MANY, Load
from stepdrain_sandbox.aws.quotas import row_of
from stepdrain_sandbox.aws.scheduled_events import ScheduledEvents
from stepdrain_sandbox.aws.schedules import Schedules
from stepdrain_sandbox.aws.subscriptions import Subscriptions
from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.kube.store import rfc3339

Json = dict[str, Any]
ACCOUNT, REGION = "123456789012", "eu-west-1"
SURROUNDINGS = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    # Sealed: botocore would go past moto to an endpoint that the user's environment or files name.
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    # moto's thousands of public images take a second to load and to list; the world registers its own.
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    # Metrics are lines on stdout, which belongs to the sandbox's user here.
    "POWERTOOLS_METRICS_DISABLED": "true",
}
PENDING_S = 60
"""Assumed: seconds that an Inactive function is Pending after an invocation."""


MOTO_ACCESS_KEY = "FOOBARKEY"
"""The key that moto's mock puts into the environment."""


def access_key(logical_id: str) -> str:
    """The access key of a function's role, by which the cluster identifies the function."""
    return f"AKIA{logical_id.upper()}"


@dataclass(frozen=True)
class Context:
    """Lambda's context object, as far as handlers use it."""

    function_name: str
    aws_request_id: str = "sandbox"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:sandbox"
    timeout_s: float = 900
    """The function's Timeout; by default Lambda's maximum."""

    def get_remaining_time_in_millis(self) -> int:
        """All of it is always left: handlers take no virtual time."""
        return int(self.timeout_s * 1000)


@dataclass
class LambdaFault:
    """The next ``times`` invocations of a function (logical id) fail.

    ``error_type`` is the error that the state machine gets: Sandbox.Timedout, Runtime.ExitError,
    Runtime.OutOfMemory, Lambda.TooManyRequestsException …; with ``after`` the handler works first;
    ``hangs_s`` seconds pass before the failure.
    """

    function: str
    error_type: str
    times: int = 1
    after: bool = False
    hangs_s: float = 0


class InvocationFailed(Exception):
    """An invocation that failed outside the handler."""

    def __init__(self, error_type: str) -> None:
        super().__init__(f"simulated: {error_type}")
        self.error_type = error_type


@dataclass
class AwsFault:
    """The next ``times`` calls of an operation by a function raise ``error`` instead of being sent.

    ``function``: the logical id of the only one that it hits; "" for all.
    """

    operation: str
    error: Exception
    times: int = 1
    function: str = ""

    def hits(self, function: str, operation: str) -> bool:
        """Whether the next call of ``operation`` by ``function`` raises the error."""
        return self.times != 0 and self.operation == operation and self.function in ("", function)


DATA = ("input", "output")


def client_error(operation: str, code: str, message: str, status: int = 400) -> ClientError:
    """The error that botocore raises for an answer with this code."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)


def status_event(shown: Mapping[str, Any], now: float, *, encrypted: bool = False) -> Json:
    """The event ``Step Functions Execution Status Change`` for an answer of DescribeExecution.

    ``encrypted``: by a key of the account's own; then input, output, error and cause are left out.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html (FAQs)
    """
    detail: Json = {
        "executionArn": shown["executionArn"],
        "stateMachineArn": shown["stateMachineArn"],
        "name": shown["name"],
        "status": shown["status"],
        "startDate": int(shown["startDate"].timestamp() * 1000),
        "stopDate": int(shown["stopDate"].timestamp() * 1000) if shown.get("stopDate") else None,
        **{f"{name}Details": {"included": not encrypted} if shown.get(name) else None for name in DATA},
        "redriveCount": shown.get("redriveCount", 0),
    }
    if not encrypted:
        detail |= {name: shown.get(name) for name in (*DATA, "error", "cause")}
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": ACCOUNT,
        "time": rfc3339(now),
        "region": REGION,
        "resources": [shown["executionArn"]],
        "detail": detail,
    }


def _plain(value: Any) -> Any:
    """What JSON would make of it: names for enumerations, and no members without a value."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items() if member is not None}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class Containers(connections.Kept):
    """What functions keep between invocations, separately for each container.

    ``current.function`` is the logical id of the function that runs in this thread.
    """

    def __init__(self, current: threading.local) -> None:
        super().__init__()
        self._current = current

    def get(self, key: tuple[str, ...], seconds: int, make: Callable[[], Any], fresh: bool = False) -> Any:
        """The value that the current function's container keeps under ``key``."""
        function = getattr(self._current, "function", None) or ""
        container = str(getattr(self._current, "container", None) or "")
        return super().get((function, container, *key), seconds, make, fresh)


class Account:
    """An account with the deployed stack, from ``__enter__`` to ``__exit__``."""

    def __init__(
        self,
        clock: Clock,
        template: Path,
        parameters: Mapping[str, str],
        terminated: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = clock
        self.calls: list[tuple[str, str, str]] = []
        """(function's logical id, service, operation) of each call that a handler made."""
        self.skew_s = 0.0
        """Seconds by which the functions' clock is ahead of the cluster's and of AWS's."""
        self.lambda_faults: list[LambdaFault] = []
        self.concurrent_executions = left_out.CONCURRENT_EXECUTIONS
        """What Lambda lets run at once in the account and region, a count."""
        self.described = Described(lambda: self.deployment, self.invoke, REGION, ACCOUNT)
        self.subscriptions = Subscriptions()
        self.alarms = Alarms(clock)
        self.own_answers = {
            **left_out.answers(lambda: self.concurrent_executions),
            **self.described.answers(),
            **AccessEntries(lambda: self.deployment, REGION, ACCOUNT).answers(),
            "DescribeAlarms": self.alarms.described,
        }
        """By operation: what is answered here instead of by moto."""
        self.aws_faults: list[AwsFault] = []
        self.deployment = Deployment()
        self.delivery = Delivery(clock, self.invoke, ACCOUNT, REGION, self._invoke_config)
        self.schedules = Schedules(clock, self.delivery.hand_over, ACCOUNT, REGION)
        self.execution_list = ExecutionList(clock)
        self.scheduled_events = ScheduledEvents(clock)
        self.hooks = LifecycleHooks(clock, self.delivery.send, terminated)
        self.load: Load | None = None
        """Quotas and durations, if the account is under load."""
        self.inactive: dict[str, float] = {}
        """Functions (logical id) that were idle for weeks, and when they are active again (``let_idle``)."""
        self.invoke_by: Callable[[Function, Json], Any] | None = None
        """Runs a function for an event outside this process (stepdrain_sandbox.built.functions)."""
        self.around: Callable[[str], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
        """Entered around each invocation with the function's logical id, to inject faults into a state."""
        self.invocation: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
        """Entered around each handler, to mark its requests to the cluster as one caller's."""
        self._template, self._parameters = template, parameters
        self._environment = dict(environment or {})
        self._names: dict[str, str] = {}
        self._current = threading.local()
        self._patches = contextlib.ExitStack()

    def __enter__(self) -> Account:
        with contextlib.ExitStack() as patches:
            self._patch(patches.enter_context)
            self.deployment = Stack(self._template, self._parameters, ACCOUNT, REGION).deploy()
            functions = self.deployment.functions
            self._names = {function.name: logical_id for logical_id, function in functions.items()}
            self.delivery.poll(self.deployment)
            os.environ.update(self._shared_environment())
            self.schedules.start()
            # All went well: keep the patches until __exit__.
            self._patches = patches.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.schedules.stop()
        self._patches.close()

    def _patch(self, enter: Callable[[contextlib.AbstractContextManager[Any]], Any]) -> None:
        enter(mock.patch.dict(os.environ, {**SURROUNDINGS, **self._environment}))
        enter(service_models.made_once())
        enter(request_headers.shortened())
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL"):
            os.environ.pop(name, None)
        enter(parsers.asked_once())
        enter(mocked.account())
        enter(engine.running(self.clock, self.invoke, self._ended, self._transition))
        enter(redrive.possible(self.clock))
        enter(self.execution_list.answering())
        enter(self.scheduled_events.answering())
        enter(self.hooks.holding())
        enter(groups.described_in_part())
        enter(instance_filters.with_wildcards())
        enter(mock.patch.object(BaseClient, "_make_api_call", self._recorded(BaseClient._make_api_call)))
        enter(mock.patch.object(drain_clock, "source", self._functions_now))
        enter(mock.patch.object(drain_clock, "sleeper", self.clock.sleep))
        threads = self._threads_of_the_function(concurrent.ThreadPoolExecutor)
        enter(mock.patch.object(concurrent, "ThreadPoolExecutor", threads))
        enter(mock.patch.object(connections, "KEPT", Containers(self._current)))
        enter(mock.patch.object(connections, "new_session", self._signing(connections.new_session)))

    def _functions_now(self) -> float:
        return self.clock.now() + self.skew_s

    def _signing(self, original: Callable[[], boto3.Session]) -> Callable[[], boto3.Session]:
        """Sessions with the credentials of the function's own role: each function has its own."""

        def signing() -> boto3.Session:
            function = getattr(self._current, "function", None)
            return service_models.session(access_key(function) if function else "", original)

        return signing

    def users(self) -> dict[str, User]:
        """The cluster's users for the functions, from the stack's access entries, by access key.

        A test that calls a handler directly, without a function, is in the groups of all functions.
        """
        entries = self.deployment.access
        groups = sorted({group for entry in entries.values() for group in entry.groups})
        return {
            MOTO_ACCESS_KEY: User("stepdrain", tuple(groups)),
            **{access_key(key): User(entry.username, entry.groups) for key, entry in entries.items()},
        }

    def _shared_environment(self) -> dict[str, str]:
        """The variables of all functions in this process; raises ValueError if two functions disagree."""
        merged: dict[str, str] = {}
        for function in self.deployment.functions.values():
            for key, value in function.environment.items():
                if merged.setdefault(key, value) != value:
                    raise ValueError(f"Functions disagree on {key}; the sandbox shares one environment.")
        return {key: value for key, value in merged.items() if key != "LOG_LEVEL"}

    def let_idle(self, *functions: str) -> None:
        """Make these functions (logical ids) Inactive, like functions in a VPC that were idle for weeks.

        The first invocation fails and makes Lambda reactivate the function; others fail until it is active.
        How long that takes is assumed (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html).
        """
        self.inactive.update(dict.fromkeys(functions, float("inf")))

    def _bring_back(self, logical_id: str) -> None:
        back_at, now = self.inactive[logical_id], self.clock.now()
        if back_at == float("inf"):
            self.inactive[logical_id] = now + PENDING_S
            raise InvocationFailed("Lambda.ResourceNotReadyException")
        if now < back_at:
            raise InvocationFailed("Lambda.ENINotReadyException")
        del self.inactive[logical_id]

    def invoke(self, name: str, event: Json) -> Any:
        """Run the function of that name (not its logical id); raises what its handler raises."""
        logical_id = self._names[name]
        if logical_id in self.inactive:
            self._bring_back(logical_id)
        fault = next((f for f in self.lambda_faults if f.function == logical_id and f.times > 0), None)
        if fault is not None:
            fault.times -= 1
            if not fault.after:
                self._fail(fault)
        with self.around(logical_id):
            answer = self._run_loaded(logical_id, event)
        self.alarms.succeeded(logical_id)
        if fault is not None:
            self._fail(fault)
        return answer

    def put_under(self, load: Load) -> None:
        """From now on requests count against quotas, and everything takes time."""
        functions = self.deployment.functions
        load.reserved = {name: f.reserved for name, f in functions.items() if f.reserved is not None}
        self.load, self.delivery.delay_s = load, load.durations.delivery

    def _run_loaded(self, logical_id: str, event: Json) -> Any:
        if self.load is None:
            return self._run(logical_id, event)
        with self.load.running(logical_id) as container:
            if container is None:
                raise InvocationFailed(TOO_MANY)
            self._current.container = container
            return self._run(logical_id, event)

    def _transition(self) -> None:
        if self.load is not None:
            self.load.transition()

    def _fail(self, fault: LambdaFault) -> NoReturn:
        if fault.hangs_s:
            self.clock.sleep(fault.hangs_s)
        raise InvocationFailed(fault.error_type)

    def _run(self, logical_id: str, event: Json) -> Any:
        function = self.deployment.functions[logical_id]
        if self.invoke_by is not None:
            return self.invoke_by(function, event)
        self._current.function = logical_id
        try:
            with self.invocation():
                return function.load()(event, Context(function.name, timeout_s=function.timeout_s))
        finally:
            self._current.function = None

    def _threads_of_the_function(
        self, pool: Callable[..., ThreadPoolExecutor]
    ) -> Callable[[int], ThreadPoolExecutor]:
        """Makes pools whose threads call AWS as the function that started them."""

        def threads(max_workers: int) -> ThreadPoolExecutor:
            function = getattr(self._current, "function", None)
            return pool(max_workers, initializer=lambda: setattr(self._current, "function", function))

        return threads

    def _recorded(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def make_api_call(client: BaseClient, operation: str, parameters: Json) -> Any:
            function = getattr(self._current, "function", None)
            if function is not None:
                service = client.meta.service_model
                self.calls.append((function, service.service_name, operation))
                wanted = permissions.action(service, operation)
                if wanted not in self.deployment.granted[function]:
                    raise permissions.denial(function, wanted)
                fault = next((f for f in self.aws_faults if f.hits(function, operation)), None)
                if fault is not None:
                    fault.times -= 1 if fault.times > 0 else 0
                    raise fault.error
                if self.load is not None and (code := self.load.request(operation, row_of(parameters))):
                    raise client_error(operation, code, "Rate exceeded")
            self._use_the_key(function, operation, parameters)
            if answer := self.own_answers.get(operation):
                return answer(parameters)
            if refusal := limits.broken(operation, parameters):
                raise client_error(operation, *refusal)
            return self.subscriptions.seen(operation, parameters, original(client, operation, parameters))

        return make_api_call

    def _use_the_key(self, function: str | None, operation: str, parameters: Json) -> None:
        made = self.deployment
        role = made.functions[function].role if function else None
        refused = encryption.refusal(operation, parameters, role, made.encrypted, made.policies)
        if refused:
            raise client_error(operation, *refused)

    def _ended(self, execution_arn: str) -> None:
        """Publish the event that Step Functions publishes when an execution has closed."""
        client = boto3.client("stepfunctions", region_name=REGION)
        shown = client.describe_execution(executionArn=execution_arn)
        encrypted = shown["stateMachineArn"] in self.deployment.encrypted
        self.delivery.send(status_event(shown, self.clock.now(), encrypted=encrypted))

    def messages(self) -> list[Json]:
        """The messages sent to the stack's topics, in order: Subject, and Message as in a mail."""
        topics = sns_backends[ACCOUNT][REGION].topics.values()
        return [
            {"Subject": subject, "Message": json.loads(text)["default"]}
            for topic in topics
            for _id, text, subject, *_ in topic.sent_notifications
        ]

    def running(self, machine_arn: str) -> list[bool]:
        """For each execution of a state machine whether it runs; asks moto itself, since requests cost."""
        machine = stepfunctions_parser_backends[ACCOUNT][REGION].describe_state_machine(machine_arn)
        return [execution.exec_status is ExecutionStatus.RUNNING for execution in machine.executions]

    def history(self, execution_arn: str) -> list[Json]:
        """The events of GetExecutionHistory as boto3 returns them; asks moto itself, as ``running`` does."""
        found = stepfunctions_parser_backends[ACCOUNT][REGION].get_execution_history(execution_arn)
        return [
            {**_plain(event), "timestamp": datetime.datetime.fromisoformat(str(event["timestamp"]))}
            for event in found["events"]
        ]

    def _invoke_config(self, function: str) -> EventInvokeConfig:
        return self.deployment.invoke_configs.get(function, EventInvokeConfig())
