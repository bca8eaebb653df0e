"""For other processes: what the account answers itself instead of moto, as the services' APIs write it.

In this process a client's call is answered before it becomes a request. Here the request is read by the
service's model, by moto's own parsers, and the same answer is written as the service would.

https://smithy.io/2.0/aws/protocols/index.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

Json = dict[str, Any]
Answer = tuple[int, Mapping[str, str], bytes]
ALONE = ("cloudformation",)
"""Services that moto cannot load without packages that nobody else needs, and that know no stack of ours."""
MODELS = {"monitoring": "cloudwatch"}
"""Names of models, where the service signs with another."""


@dataclass(frozen=True)
class Request:
    """An HTTP request to ``service``, as its signature names it; ``path`` with the query."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def answer(answers: Mapping[str, Callable[[Json], Json]], request: Request) -> Answer | None:
    """Status, headers and content; None where the request is moto's. ``answers`` by operation.

    Of a service of ``ALONE``, an operation that is not among them is refused as InvalidAction.
    """
    protocol, name, of_the_path = _operation(request, frozenset(answers))
    if name not in answers:
        alone = request.service in ALONE
        said = f"The embedded account does not answer {name or 'that'}."
        return _refused(request, "InvalidAction", said) if alone else None
    model = get_service_model(MODELS.get(request.service, request.service))
    operation = model.operation_model(name)
    asked = _parameters(operation, protocol, request, of_the_path)
    try:
        said = answers[name](asked)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if protocol == "rest-json":
            return _refused_as_rest(operation, code, message)
        return _refused(request, code, message)
    if protocol == "rest-json":
        return _plainly(said)
    made = get_serializer_class(model.service_name, protocol)(operation).serialize(said)
    return made["status_code"], made["headers"], _bytes(made["body"])


def _operation(request: Request, wanted: frozenset[str]) -> tuple[str, str, Json]:
    """The request's protocol, the operation's name, "" if none is known, and parameters in the path.

    By the request, since some services take several protocols, and clients choose.
    """
    target = next((text for key, text in request.headers.items() if key.lower() == "x-amz-target"), "")
    if target:
        return "json", target.rpartition(".")[2], {}
    for method, path, name in _routes(request.service, wanted):
        found = path.fullmatch(urlsplit(request.path).path)
        if found and method == request.method:
            return "rest-json", name, {key: unquote(text) for key, text in found.groupdict().items()}
    return "query", dict(parse_qsl(request.body.decode(errors="replace"))).get("Action", ""), {}


@cache
def _routes(service: str, wanted: frozenset[str]) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and name of the wanted operations of a service that tells them by their paths."""
    model = get_service_model(MODELS.get(service, service))
    if not str(model.metadata["protocol"]).startswith("rest"):
        return []
    found = []
    for name in wanted & set(model.operation_names):
        http = model.operation_model(name).http
        path = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", str(http["requestUri"]).partition("?")[0])
        found.append((str(http["method"]), re.compile(path.rstrip("/") + "/?"), name))
    return found


def _parameters(operation: Any, protocol: str, request: Request, of_the_path: Json) -> Json:
    if protocol == "rest-json":
        return _of_rest(operation.input_shape, request, of_the_path)
    if protocol == "json":
        found: Json = json.loads(request.body or b"{}")
        return found
    values = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    parsed: Json = PROTOCOL_PARSERS[protocol](operation).parse({"values": values})
    return parsed


def _of_rest(shape: Any, request: Request, of_the_path: Json) -> Json:
    """The parameters of a REST request: from its path, its query, and its body where that is one of them."""
    places = {"uri": of_the_path, "querystring": dict(parse_qsl(urlsplit(request.path).query))}
    found = {}
    for name, member in (shape.members if shape else {}).items():
        given = places.get(member.serialization.get("location"), {})
        if (text := given.get(member.serialization.get("name", name))) is not None:
            found[name] = int(text) if member.type_name == "integer" else text
    payload = shape.serialization.get("payload") if shape else None
    return {**found, payload: request.body or b"{}"} if payload else found


def _refused_as_rest(operation: Any, code: str, message: str) -> Answer:
    """With the status that the service's model gives the error (else 400), and its name in a header."""
    shape = next((shape for shape in operation.error_shapes if shape.name == code), None)
    status = shape.metadata.get("error", {}).get("httpStatusCode", 400) if shape else 400
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"message": message}).encode()


def _plainly(said: Json) -> Answer:
    """A REST answer: the payload alone, if there is one, else the document."""
    if "Payload" not in said:
        return (
            200,
            {"Content-Type": "application/json"},
            json.dumps(said, default=datetime.timestamp).encode(),
        )
    failed = {"X-Amz-Function-Error": said["FunctionError"]} if "FunctionError" in said else {}
    return said["StatusCode"], {"Content-Type": "application/json", **failed}, said["Payload"].read()


def _refused(request: Request, code: str, message: str) -> Answer:
    if any(key.lower() == "x-amz-target" for key in request.headers):
        text = json.dumps({"__type": code, "message": message})
        return 400, {"Content-Type": "application/x-amz-json-1.1"}, text.encode()
    xml = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>sandbox</RequestId></ErrorResponse>"
    )
    return 400, {"Content-Type": "text/xml"}, xml.encode()


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
