"""DynamoDB: a row that one holder has at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepdrain.adapters.aws.calls import call_unless

CONDITION_FAILED = "ConditionalCheckFailedException"


def put_unless_held(client: Any, table: str, row: Mapping[str, Any], holder: str, now: float) -> bool:
    """Write a row that is free, expired at ``now`` or the holder's own; False if another has it.

    ``now`` is in epoch seconds. ``holder`` names the attribute that says whose the row is; its end is in
    ``expiresAt``. Of two that ask at once, one gets it: the condition and the write are one operation
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html).
    """
    written = call_unless(
        client,
        "put_item",
        CONDITION_FAILED,
        TableName=table,
        Item=row,
        ConditionExpression=f"attribute_not_exists({holder}) OR {holder} = :h OR expiresAt <= :n",
        ExpressionAttributeValues={":h": row[holder], ":n": {"N": str(int(now))}},
    )
    return written is not None
