"""A message in the form that Amazon Q Developer in chat applications shows in Slack and Teams.

Custom notifications: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence

TITLE_CHARACTERS, DESCRIPTION_CHARACTERS = 250, 8000
"""The page's limits."""


def custom_notification(
    title: str, facts: Sequence[tuple[str, str]], steps: Sequence[str], *, thread: str, kind: str
) -> str:
    """The notification as JSON text. ``thread``: what belongs to one drain is shown as one thread.

    ``kind`` is its eventType, by which a channel can be filtered.
    """
    description = "\n".join(f"*{name}:* {value}" for name, value in facts)
    content = {
        "textType": "client-markdown",
        "title": title[:TITLE_CHARACTERS],
        "description": description[:DESCRIPTION_CHARACTERS],
        "nextSteps": list(steps),
    }
    metadata = {"threadId": thread, "summary": title[:TITLE_CHARACTERS], "eventType": kind}
    return json.dumps({"version": "1.0", "source": "custom", "content": content, "metadata": metadata})
