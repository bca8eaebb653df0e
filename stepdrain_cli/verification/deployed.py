"""What the stack has made: names by logical id, and a way to call its functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain_cli.accounts.account import Account, described
from stepdrain_cli.terminal.exits import FAILED, CommandError

Json = dict[str, Any]
SETTLED = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
)
WAITS = {
    "CREATE": "stack-create-complete",
    "UPDATE_ROLLBACK": "stack-rollback-complete",
    "UPDATE": "stack-update-complete",
    "DELETE": "stack-delete-complete",
    "IMPORT": "stack-import-complete",
}
"""The AWS CLI's waiter for a status that begins so."""


@dataclass(frozen=True)
class Deployed:
    """One installation. ``ids``: physical ids by logical id; ``parameters`` as the stack has them."""

    account: Account
    stack: str
    ids: Mapping[str, str]
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    stack_arn: str

    @property
    def region(self) -> str:
        """The region of the installation."""
        return str(self.account.session.region_name)

    def function(self, name: str) -> str:
        """The function's name: ``Label`` is LabelFunction's."""
        return self.ids[f"{name}Function"]

    def live(self, machine: str) -> str:
        """The ARN by which events start the state machine: its alias."""
        return self.ids.get(f"{machine}Aliaslive") or self.ids[machine]

    def role(self, name: str) -> str:
        """The name of the function's role, as far as it is known."""
        return self.ids.get(f"{name}Role", f"the role of {name}")

    def call(self, name: str, payload: Json) -> Json:
        """What the function answers; CommandError with its error if it fails."""
        answer = self.account.client("lambda").invoke(
            FunctionName=self.function(name), Payload=json.dumps(payload).encode()
        )
        result: Json = json.loads(answer["Payload"].read() or b"{}")
        if answer.get("FunctionError"):
            said = f"{result.get('errorType')}: {result.get('errorMessage')}"
            raise CommandError(f"{self.function(name)} failed: {said}", FAILED)
        return result


def deployed(account: Account, stack: str) -> Deployed:
    """The installation ``stack`` of the account; CommandError if it is none, or is being changed."""
    client = account.client("cloudformation")
    shown = described(account.session, stack)
    _refuse_unsettled(stack, shown["StackStatus"])
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    ids = {resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "") for resource in resources}
    if "DrainNode" not in ids:
        raise CommandError(f"Stack {stack} has no state machine DrainNode: it is not Stepdrain's.")
    parameters = {
        parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in shown.get("Parameters", ())
    }
    outputs = {output["OutputKey"]: output["OutputValue"] for output in shown.get("Outputs", ())}
    return Deployed(account, stack, ids, parameters, outputs, shown["StackId"])


def _refuse_unsettled(stack: str, status: str) -> None:
    """CommandError unless the stack stands as a deployment has left it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
    """
    if status in SETTLED:
        return
    if status.endswith("_IN_PROGRESS"):
        waits = next((wait for begins, wait in WAITS.items() if status.startswith(begins)), "")
        until = f": aws cloudformation wait {waits} --stack-name {stack}" if waits else ""
        raise CommandError(f"Stack {stack} is {status}; verify it when that is done{until}")
    raise CommandError(
        f"Stack {stack} is {status}, so what is deployed is not what its template says: "
        f"`aws cloudformation describe-stack-events --stack-name {stack}` shows why. Deploy again first."
    )
