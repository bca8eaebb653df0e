"""What the stack has made: names by logical id, and a way to call its functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepdrain_cli.accounts.account import Account, described
from stepdrain_cli.terminal.exits import FAILED, CommandError

Json = dict[str, Any]
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


@dataclass(frozen=True)
class Deployed:
    """One installation. ``ids``: physical ids by logical id."""

    account: Account
    stack: str
    ids: Mapping[str, str]

    @property
    def region(self) -> str:
        """The region of the installation."""
        return str(self.account.session.region_name)

    def function(self, name: str) -> str:
        """The function's name: ``Label`` is LabelFunction's."""
        return self.ids[f"{name}Function"]

    def role(self, name: str) -> str:
        """The name of the function's role, as far as it is known."""
        return self.ids.get(f"{name}Role", f"the role of {name}")

    def call(self, name: str, payload: Json) -> Json:
        """What the function answers; CommandError with its error if it fails."""
        if self.account.world is not None:
            return _in_the_world(self.account.world, self.function(name), payload)
        answer = self.account.client("lambda").invoke(
            FunctionName=self.function(name), Payload=json.dumps(payload).encode()
        )
        result: Json = json.loads(answer["Payload"].read() or b"{}")
        if answer.get("FunctionError"):
            said = f"{result.get('errorType')}: {result.get('errorMessage')}"
            raise CommandError(f"{self.function(name)} failed: {said}", FAILED)
        return result


def _in_the_world(world: Any, function: str, payload: Json) -> Json:
    try:
        answer: Json = world.aws.invoke(function, payload)
    except Exception as error:
        raise CommandError(f"{function} failed: {type(error).__name__}: {error}", FAILED) from error
    return answer


def deployed(account: Account, stack: str) -> Deployed:
    """The installation ``stack`` of the account; CommandError if it is none, or is being changed."""
    if account.world is not None:
        return Deployed(account, stack, _of_the_world(account))
    client = account.client("cloudformation")
    status = described(account.session, stack)["StackStatus"]
    if status not in SETTLED:
        raise CommandError(
            f"Stack {stack} is {status}: verify it when that is done (aws cloudformation wait "
            f"stack-update-complete --stack-name {stack})."
        )
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [one for page in pages for one in page["StackResourceSummaries"]]
    ids = {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in resources}
    if "DrainNode" not in ids:
        raise CommandError(f"Stack {stack} has no state machine DrainNode: it is not Stepdrain's.")
    return Deployed(account, stack, ids)


def _of_the_world(account: Account) -> dict[str, str]:
    made = account.world.aws.deployment
    functions = {name: one.name for name, one in made.functions.items()}
    rules = [one["Name"] for one in account.client("events").list_rules()["Rules"]]
    topics = [one["TopicArn"] for one in account.client("sns").list_topics()["Topics"]]
    named = {name.rsplit("-", 1)[1]: name for name in [*rules, *topics]}
    return {**functions, **named, **made.state_machines, **made.queues}
