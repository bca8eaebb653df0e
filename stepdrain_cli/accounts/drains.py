"""Drains in an account: which there are, which one a name means, how one stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stepdrain.adapters.aws.executions import PAGE
from stepdrain.clock import to_rfc3339
from stepdrain.document.progress import HEARTBEATS, recorded
from stepdrain.reporting.failure_message import last_state
from stepdrain.rules import deadline
from stepdrain.rules.policy import Policy
from stepdrain.verification.findings import REHEARSALS

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.terminal.exits import DONE, FAILED, REFUSED, TIMED_OUT
from stepdrain_recorded import history
from stepdrain_recorded.timeline import Timeline, timeline

Json = dict[str, Any]
SEARCHED = 200
"""Executions that are looked through for a node's name, newest first: each costs a request."""
INSTANCE = re.compile(r"i-(?:[0-9a-f]{17}|[0-9a-f]{8})(?![0-9a-f])")
RUNNING = ("RUNNING", "PENDING_REDRIVE")
REPLACES = "-replaces-"
"""In the name of a drain that goes on in a failed one's place (``redrive --policy``)."""
FAILED_STATUSES = ("FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True)
class Drain:
    """One execution as a list shows it; times in epoch seconds, ``ended`` None while it runs."""

    arn: str
    name: str
    status: str
    started: float
    ended: float | None
    node: str
    instance: str
    state: str
    held: bool = False
    """Whether a lifecycle action holds, or held, its instance."""

    @property
    def who(self) -> str:
        """What a person calls it by."""
        return self.node or self.instance or self.name

    def to_document(self) -> Json:
        """As JSON shows it, times in RFC 3339."""
        shown = {key: value for key, value in vars(self).items() if key != "held"}
        return {
            **shown,
            "started": to_rfc3339(self.started),
            "ended": None if self.ended is None else to_rfc3339(self.ended),
        }


def listed(account: Account, status: str | None = None) -> Iterator[Drain]:
    """Drains, newest first; ``status`` as ListExecutions filters it. Each one reached costs a request."""
    client = account.client("stepfunctions")
    for execution in executions(client, account.machine, status):
        yield drain_of(client, execution)


def executions(client: Any, machine: str, status: str | None = None) -> Iterator[Json]:
    """Executions as ListExecutions gives them, newest first, without rehearsals; each once."""
    found: dict[str, Json] = {}
    for page in _pages(client, machine, status):
        found |= {one["name"]: one for one in page if not one["name"].startswith(REHEARSALS)}
        if len(found) >= 10 * SEARCHED:
            break
    yield from sorted(found.values(), key=lambda one: (one["startDate"], one["name"]), reverse=True)


def running(account: Account) -> frozenset[str]:
    """Names of all executions that run."""
    client = account.client("stepfunctions")
    return frozenset(one["name"] for page in _pages(client, account.machine, "RUNNING") for one in page)


def _pages(client: Any, machine: str, status: str | None) -> Iterator[list[Json]]:
    # The list moves while it is read: what starts or ends between two pages is in both, or in none. So the
    # pages are as large as can be.
    filtered = {"statusFilter": status} if status else {}
    paginator = client.get_paginator("list_executions")
    pages = paginator.paginate(stateMachineArn=machine, PaginationConfig={"PageSize": PAGE}, **filtered)
    return (page["executions"] for page in pages)


def drain_of(client: Any, one: Json) -> Drain:
    """The drain behind an execution, as ListExecutions or DescribeExecution gives it; costs a request."""
    answer = client.get_execution_history(executionArn=one["executionArn"], reverseOrder=True, maxResults=200)
    started, stopped = one["startDate"].timestamp(), one.get("stopDate")
    last = last_state(answer["events"], started)
    document = last.document if last else {}
    found = INSTANCE.match(one["name"])
    return Drain(
        arn=one["executionArn"],
        name=one["name"],
        status=one["status"],
        started=started,
        ended=stopped.timestamp() if stopped and one["status"] != "RUNNING" else None,
        node=document.get("node", {}).get("name") or document.get("nodeName", ""),
        instance=document.get("instanceId") or (found[0] if found else ""),
        state=last.name if last else "",
        held=bool(document.get("lifecycle")),
    )


def events(account: Account, arn: str) -> list[Json]:
    """The whole history of an execution, as stepdrain_recorded.history checks it.

    Empty for one that has only just begun: the history follows a moment later.
    """
    # A page has 100 events where nothing else is asked for, and 1,000 at most
    # (https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html).
    paginator = account.client("stepfunctions").get_paginator("get_execution_history")
    pages = paginator.paginate(executionArn=arn, maxResults=1000)
    happened = [event for page in pages for event in page["events"]]
    return history.checked(happened, arn) if happened else []


@dataclass(frozen=True)
class Standing:
    """How one drain stands at a moment; times in epoch seconds, ``heartbeat_until`` None without a hook."""

    drain: Drain
    events: list[Json]
    line: Timeline
    deadline: float
    heartbeat_until: float | None
    redrives: int
    redrivable: bool
    why_not: str

    def to_document(self) -> Json:
        """As JSON shows it."""
        visit = self.line.visits[-1] if self.line.visits else None
        return {
            **self.drain.to_document(),
            "attempts": len(visit.attempts) if visit else 0,
            "error": self.line.error or (visit.error if visit else ""),
            "cause": self.line.cause or self.waiting_for,
            "progress": recorded(self.line.document) or {},
            "progressAt": to_rfc3339(self.recorded_at),
            "deadline": to_rfc3339(self.deadline),
            "heartbeatUntil": None if self.heartbeat_until is None else to_rfc3339(self.heartbeat_until),
            "redrives": self.redrives,
            "redrivable": self.redrivable,
        }

    @property
    def recorded_at(self) -> float:
        """When the record in the document passed into the present state, or into the last."""
        return self.line.visits[-1].entered if self.line.visits else self.line.started

    @property
    def waiting_for(self) -> str:
        """The words of the last attempt that failed in the present state, "" if none did."""
        if not self.line.visits or not self.line.visits[-1].attempts:
            return ""
        failed = [attempt.cause for attempt in self.line.visits[-1].attempts if attempt.error]
        return failed[-1] if failed else ""


def standing(account: Account, drain: Drain) -> Standing:
    """How a drain stands now."""
    shown = account.client("stepfunctions").describe_execution(executionArn=drain.arn)
    happened = events(account, drain.arn)
    line = timeline(happened) if happened else Timeline(started=drain.started, ended=drain.started)
    document = line.document or json.loads(shown.get("input") or "{}")
    lifecycle, redriven = document.get("lifecycle"), shown.get("redriveDate")
    execution = {"StartTime": to_rfc3339(line.started)}
    if redriven:
        execution["RedriveTime"] = to_rfc3339(redriven.timestamp())
    policy = Policy.from_document(document.get("policy") or {})
    hook = deadline.hook_of(lifecycle)
    begun = redriven.timestamp() if redriven else line.started
    beaten = max([begun, *(v.left for v in line.visits if v.state in HEARTBEATS and v.left is not None)])
    return Standing(
        drain,
        happened,
        line,
        deadline.drain_deadline(execution, policy, hook),
        beaten + hook.heartbeat_timeout if hook else None,
        shown.get("redriveCount", 0),
        shown.get("redriveStatus") == "REDRIVABLE",
        shown.get("redriveStatusReason", ""),
    )


def exit_status(status: str, error: str) -> int:
    """The exit status that a drain's status comes to."""
    if status in ("SUCCEEDED", "RUNNING", "PENDING_REDRIVE"):
        return DONE
    return {"DrainRefused": REFUSED, "DrainTimedOut": TIMED_OUT}.get(error, FAILED)
