"""DynamoDB: the stack's cache, of what a storm of new containers would ask AWS for at the same moment.

A new on-demand table serves 12,000 reads a second
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html).
"""

from __future__ import annotations

import json
from typing import Any

from stepdrain.adapters.aws.calls import call
from stepdrain.adapters.aws.conditional_put import put_unless_held


class Cache:
    """A DynamoDB table with the key ``cacheKey``, JSON text in ``content`` and the TTL ``expiresAt``."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def get(self, key: str, now: float, latest: bool = False) -> Any | None:
        """The value under ``key``; None if there is none, or if it has expired at ``now`` (epoch seconds).

        DynamoDB deletes expired items within days, not at once. ``latest``: as of now, which costs twice.
        """
        asked = {"TableName": self._table, "Key": _key(key), "ConsistentRead": latest}
        row = call(self._client, "get_item", **asked).get("Item")
        if row is None or float(row["expiresAt"]["N"]) <= now:
            return None
        return json.loads(row["content"]["S"])

    def put(self, key: str, value: Any, expires_at: float) -> None:
        """Keep a value that JSON can hold until ``expires_at`` (epoch seconds)."""
        call(self._client, "put_item", TableName=self._table, Item=_item(key, value, expires_at))

    def claim(self, key: str, owner: str, now: float, expires_at: float) -> str:
        """Put ``owner`` under ``key`` until ``expires_at``, unless another is there that has not expired at
        ``now`` (both in epoch seconds); returns whose it is.
        """
        if put_unless_held(self._client, self._table, _item(key, owner, expires_at), "content", now):
            return owner
        other: str | None = self.get(key, now, latest=True)
        return other or self.claim(key, owner, now, expires_at)


def _item(key: str, value: Any, expires_at: float) -> dict[str, Any]:
    content = {"content": {"S": json.dumps(value)}, "expiresAt": {"N": str(int(expires_at))}}
    return {**_key(key), **content}


def _key(key: str) -> dict[str, Any]:
    return {"cacheKey": {"S": key}}
