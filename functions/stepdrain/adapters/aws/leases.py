"""DynamoDB: the table of leases that limits how many drains of a group run at once."""

from __future__ import annotations

from typing import Any

from stepdrain.adapters.aws.calls import call_unless, pages
from stepdrain.adapters.aws.conditional_put import CONDITION_FAILED, put_unless_held
from stepdrain.states.concurrency_limit import Entry


class Leases:
    """A DynamoDB table with the keys groupName and entry and the TTL expiresAt (concurrency_limit.Ledger)."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def entries(self, group: str) -> list[Entry]:
        """All current rows of a group, expired rows included, in order of ``entry``."""
        answers = pages(
            self._client,
            "query",
            "LastEvaluatedKey",
            "ExclusiveStartKey",
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="groupName = :g",
            ExpressionAttributeValues={":g": {"S": group}},
        )
        rows = [row for page in answers for row in page["Items"]]
        return [
            Entry(row["groupName"]["S"], row["entry"]["S"], row["holder"]["S"], float(row["expiresAt"]["N"]))
            for row in rows
        ]

    def put(self, entry: Entry, now: float) -> bool:
        """Write a row that is free, expired at ``now`` or the holder's own; False if another holds it."""
        row = {**_key(entry), "holder": {"S": entry.holder}, "expiresAt": {"N": str(int(entry.expires_at))}}
        return put_unless_held(self._client, self._table, row, "holder", now)

    def drop(self, entry: Entry) -> None:
        """Delete a row, unless another drain holds it by now."""
        call_unless(
            self._client,
            "delete_item",
            CONDITION_FAILED,
            TableName=self._table,
            Key=_key(entry),
            ConditionExpression="holder = :h",
            ExpressionAttributeValues={":h": {"S": entry.holder}},
        )


def _key(entry: Entry) -> dict[str, Any]:
    return {"groupName": {"S": entry.group}, "entry": {"S": entry.entry}}
