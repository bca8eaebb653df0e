"""Where a person goes on reading: the runbook's section of an error, the console, a function's log.

Each link of every message, Event and command is made here.
"""

from __future__ import annotations

from stepdrain import errors

REPOSITORY = ""
"""Where this project is published, as https://github.com/somebody/stepdrain; "" until it is.

The only place that says so (docs/decisions/0083-the-runbook-is-a-command.md).
"""
RUNBOOK = "blob/main/docs/operations.md"
"""The runbook's page in the repository; the parameter RunbookUrl puts another in its place."""
COMMAND = "stepdrain runbook"
"""Prints the runbook's sections from the installed package: it needs no network and no published page."""
PLATFORM, STATES, UNFORESEEN = "A function failed", "A state failed", "UnexpectedError"
"""Sections for errors that are not ours."""
STATUSES = ("TIMED_OUT", "ABORTED")
OUTCOMES = {
    "released": "DrainReleased",
    "never joined": "NodeNotRegistered",
    "instance gone": "Instance gone",
    "already completed": "Already completed",
    "node gone": "Node gone",
    "nothing to do": "NothingToDo",
}
"""Sections about drains that did not fail, by how they ended."""
STOPPED = "Stopped"
"""What `stepdrain stop` gives as the error of what it stops."""
CONSOLES = {
    "aws": "aws.amazon.com",
    "aws-cn": "amazonaws.cn",
    "aws-us-gov": "amazonaws-us-gov.com",
    "aws-eusc": "amazonaws-eusc.eu",
}
"""Where the console is, by partition; botocore lists the APIs' names alone. Others get no link."""


def runbook(error: str = "", url: str = "") -> str:
    """Where to read about ``error`` (none: the whole runbook): a page, or the command that prints it.

    ``url`` is the installation's own page, "" if it has none. Without a published page it is the command.
    """
    page = url or (f"{REPOSITORY}/{RUNBOOK}" if REPOSITORY else "")
    if page:
        return f"{page}#{anchor(error)}" if error else page
    named = error if heading(error) != UNFORESEEN else UNFORESEEN
    return f"{COMMAND} {named}" if error else COMMAND


def anchor(error: str) -> str:
    """The anchor of an error name: its heading's, as GitHub, GitLab and MkDocs make it."""
    return heading(error).lower().replace(" ", "-")


def heading(error: str) -> str:
    """The runbook's section about an error name.

    Errors of the functions' platform (Lambda.…, Runtime.…, Sandbox.…) share one section, those of Step
    Functions itself (States.…) another, and outcomes of drains have theirs; what has no section of its own
    goes to UnexpectedError's.
    """
    if error in OUTCOMES:
        return OUTCOMES[error]
    service = error.split(".", maxsplit=1)[0] if "." in error else ""
    if service:
        return STATES if service == "States" else PLATFORM
    if error == STOPPED:
        return "ABORTED"
    own = isinstance(getattr(errors, error, None), type) or error in STATUSES
    return error if own else UNFORESEEN


def execution(region: str, arn: str) -> str:
    """Where the Step Functions console shows the execution; "" for a partition without a known console."""
    console = _console(region, arn)
    return f"{console}/states/home?region={region}#/v2/executions/details/{arn}" if console else ""


def log(region: str, arn: str, state: str) -> str:
    """Where the CloudWatch console shows the log of the function behind a state of the execution, or ""."""
    console, stack = _console(region, arn), arn.split(":")[6].rsplit("-", 1)[0]
    group = f"/aws/lambda/{stack}-{state}".replace("/", "$252F")
    return f"{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}" if console else ""


def _console(region: str, arn: str) -> str:
    domain = CONSOLES.get(arn.split(":")[1])
    return f"https://{region}.console.{domain}" if domain else ""
