"""Text and documents without what must not leave an account: tokens, credentials, account numbers.

What is removed is named in its place, so that a reader knows that something stood there. Account
numbers get a stable name each, since which of two accounts a sentence is about may be the point.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

SECRET_KEY = re.compile(
    r"(?:^|[_-])(?:token|password|passwd|secret|credentials?|authorization|api_?key|private_?key|access_key|signature|cookie)$",
    re.I,
)
"""Fields whose whole value is removed: ``LifecycleActionToken``, ``aws_secret``, ``Authorization``."""
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "private key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    ),
    ("cluster token", re.compile(r"k8s-aws-v1\.[\w=-]+")),
    ("web token", re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?")),
    ("access key", re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b")),
    ("credentials", re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{8,}")),
    ("credentials", re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")),
    ("signature", re.compile(r"(?i)(?<=x-amz-)(?:signature|credential|security-token)=[^&\s\"']+")),
    (
        "secret",
        re.compile(
            r"(?i)(?:(?<=password)|(?<=passwd)|(?<=secret)|(?<=token)|(?<=api_key)|(?<=apikey)|(?<=api-key))"
            r"[\"']?\s*[=:]\s*[\"']?(?!\[removed)[^\s\"',;&}]{4,}"
        ),
    ),
    (
        "secret key",
        re.compile(r"(?<![\w/+=])(?=[^\s]*[A-Z])(?=[^\s]*[0-9])(?=[^\s]*[/+])[A-Za-z0-9/+]{40}(?![\w/+=])"),
    ),
)
ACCOUNT = re.compile(r"(?<![\w.-])\d{12}(?![\w.-])")
NUMBER = "account number"


@dataclass
class Redaction:
    """One bundle's redaction; ``removed`` counts by kind what was taken out."""

    removed: dict[str, int] = field(default_factory=dict)
    _accounts: dict[str, str] = field(default_factory=dict)
    _clean: set[str] = field(default_factory=set)
    """Texts in which nothing was found: the 25,000 events of a history repeat most of theirs."""

    def text(self, text: str) -> str:
        """The text with ``[removed: <kind>]`` for each secret and ``account-1`` for an account number."""
        if text in self._clean:
            return text
        redacted = text
        for kind, pattern in PATTERNS:
            redacted = pattern.sub(self._named(kind), redacted)
        redacted = ACCOUNT.sub(lambda found: self._account(found[0]), redacted)
        if redacted == text:
            self._clean.add(text)
        return redacted

    def document(self, value: Any) -> Any:
        """The same for JSON, also inside JSON texts, which an execution's events hold.

        Fields whose names say that they hold a secret lose their whole value.
        """
        if isinstance(value, dict):
            return {key: self._field(str(key), member) for key, member in value.items()}
        if isinstance(value, list):
            return [self.document(member) for member in value]
        return self._text_or_json(value) if isinstance(value, str) else value

    def _text_or_json(self, value: str) -> str:
        if value[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                return json.dumps(self.document(json.loads(value)))
        return self.text(value)

    def _field(self, key: str, value: Any) -> Any:
        if value and isinstance(value, str) and SECRET_KEY.search(CAMEL.sub("_", key)):
            return self._remove(f"field {key}")
        return self.document(value)

    def _named(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda _found: self._remove(kind)

    def _remove(self, kind: str) -> str:
        self.removed[kind] = self.removed.get(kind, 0) + 1
        return f"[removed: {kind}]"

    def _account(self, number: str) -> str:
        self.removed[NUMBER] = self.removed.get(NUMBER, 0) + 1
        return self._accounts.setdefault(number, f"account-{len(self._accounts) + 1}")


def summary(removed: dict[str, int]) -> Iterable[str]:
    """A line for each kind of what was removed."""
    return [f"{count} × {kind}" for kind, count in sorted(removed.items())] or ["nothing was found to remove"]
