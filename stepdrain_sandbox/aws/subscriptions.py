"""Subscriptions that wait for their confirmation, which moto takes as given.

Who subscribes an address or a URL gets a link there; until it is followed, nothing is delivered, and the
subscription's ARN is PendingConfirmation.
https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
TO_CONFIRM = ("email", "email-json", "http", "https", "sms")
PENDING = "PendingConfirmation"


class Subscriptions:
    """What a person has not confirmed yet, by topic and endpoint."""

    def __init__(self) -> None:
        self._waiting: set[tuple[str, str]] = set()

    def confirm(self, endpoint: str) -> None:
        """Somebody follows the link in each mail to ``endpoint``."""
        self._waiting = {waiting for waiting in self._waiting if waiting[1] != endpoint}

    def seen(self, operation: str, asked: Json, answer: Json) -> Json:
        """The answer of an operation of SNS as AWS would give it."""
        if operation == "Subscribe" and asked["Protocol"] in TO_CONFIRM:
            self._waiting.add((asked["TopicArn"], asked["Endpoint"]))
            return {**answer, "SubscriptionArn": "pending confirmation"}
        if operation == "ListSubscriptionsByTopic":
            listed = [self._shown(subscription) for subscription in answer["Subscriptions"]]
            return {**answer, "Subscriptions": listed}
        return answer

    def _shown(self, subscription: Json) -> Json:
        waits = (subscription["TopicArn"], subscription["Endpoint"]) in self._waiting
        return {**subscription, "SubscriptionArn": PENDING} if waits else subscription
