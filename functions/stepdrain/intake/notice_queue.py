"""Messages of the queue in front of StartDrain, which gathers notices into batches.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html: a batch is ``{"Records": [...]}``, and the answer
names the messages that failed, if the mapping has ReportBatchItemFailures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def sent_by_queue(event: Any) -> bool:
    """Whether this is a batch of a queue's messages, and no event."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs" for record in records)
    )


def event_of(record: Mapping[str, Any]) -> Any:
    """The event in a message, as the rule has sent it; the message's text if it is no JSON."""
    try:
        return json.loads(record["body"])
    except ValueError:
        return record["body"]
