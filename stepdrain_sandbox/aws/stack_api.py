"""CloudFormation for other processes: what the account says about its stack, as the service's API writes it.

moto's CloudFormation cannot be loaded without packages for API Gateway, and knows nothing of our stack.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError
from moto.core.serialize import QuerySerializer
from moto.core.utils import get_service_model

Json = dict[str, Any]
Answer = tuple[int, Mapping[str, str], bytes]
SERVICE = "cloudformation"


def answer(answers: Mapping[str, Callable[[Json], Json]], body: bytes) -> Answer:
    """Status, headers and content for a request of the query protocol; ``answers`` by operation.

    An operation that is not among them, or that CloudFormation does not have, is refused as InvalidAction.
    """
    asked = dict(parse_qsl(body.decode()))
    model, name = get_service_model(SERVICE), asked.get("Action", "")
    if name not in answers or name not in model.operation_names:
        return _refused("InvalidAction", f"The embedded account does not answer {name or 'that'}.")
    try:
        made = QuerySerializer(model.operation_model(name)).serialize(answers[name](asked))
    except ClientError as error:
        return _refused(error.response["Error"]["Code"], error.response["Error"]["Message"])
    return made["status_code"], made["headers"], str(made["body"]).encode()


def _refused(code: str, message: str) -> Answer:
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>sandbox</RequestId></ErrorResponse>"
    )
    return 400, {"Content-Type": "text/xml"}, text.encode()
