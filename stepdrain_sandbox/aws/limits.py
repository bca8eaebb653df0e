"""Limits of requests that moto lacks, or has off by one.

SNS Subject             less than 100 characters, no line break or control character
                        https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SNS Message             JSON with a default where MessageStructure says json (same page)
execution's input       262,144 bytes in UTF-8
                        https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
state machine's name    80 characters (same page)
StopExecution's cause   32,768 characters
                        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SUBJECT, INPUT, NAME, CAUSE = 100, 262_144, 80, 32_768


def broken(operation: str, parameters: Mapping[str, Any]) -> tuple[str, str] | None:
    """The code and message with which the API refuses a request; None if it is within the limits."""
    match operation:
        case "Publish":
            subject = str(parameters.get("Subject", "x"))
            if len(subject) >= SUBJECT or not subject.isprintable():
                return "InvalidParameter", "Invalid parameter: Subject"
            if parameters.get("MessageStructure") == "json" and not _is_json(parameters["Message"]):
                structure = "Message Structure - JSON message body failed to parse"
                return "InvalidParameter", f"Invalid parameter: {structure}"
        case "StartExecution":
            if len(str(parameters.get("input", "")).encode()) > INPUT:
                return "ValidationException", "input: Value exceeds the maximum length of 262144 bytes"
        case "StopExecution":
            if len(str(parameters.get("cause", ""))) > CAUSE:
                return "ValidationException", f"cause: Value exceeds the maximum length of {CAUSE}"
        case "CreateStateMachine":
            if len(str(parameters["name"])) > NAME:
                return "InvalidName", f"Invalid Name: '{parameters['name']}'"
    return None


def _is_json(text: str) -> bool:
    try:
        return "default" in json.loads(text)
    except (ValueError, TypeError):
        return False
