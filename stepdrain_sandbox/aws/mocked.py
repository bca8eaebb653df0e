"""moto's account without what moto works out for each request, or makes only to throw it away.

For each request moto tries 180 patterns, makes the service's backend in another region to ask it for its
paths, and draws an id of 52 letters one by one. It makes each backend anew before it forgets it, at the
beginning and at the end, each with its default networks. It also forgets boto3's default session, though a
session keeps nothing of an account. It lists a service's regions anew for each account, and keeps each
account for ever as the key to its list.
"""

from __future__ import annotations

import contextlib
import re
import string
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest
from moto import backend_index, backends, mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import AccountSpecificBackend, BaseBackend
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import HTTPException
from moto.core.request import normalize_request
from moto.moto_api._internal.moto_random import MotoRandom

from stepdrain_sandbox.aws import service_models

CONFIG = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
_original = BotocoreStubber.process_request
_generate_regions = AccountSpecificBackend._generate_regions.__wrapped__


@contextlib.contextmanager
def account() -> Iterator[None]:
    """Inside this context moto answers boto3's requests, beginning with an empty account.

    Enter it inside service_models.made_once.
    """
    with (
        # BackendDict.reset empties the dictionaries in which the backends are, right after.
        mock.patch.object(BaseBackend, "reset", return_value=None),
        mock.patch.object(BotocoreStubber, "process_request", _answered),
        mock.patch.object(MotoRandom, "get_random_string", _drawn),
        mock.patch.object(AccountSpecificBackend, "_generate_regions", lambda _backend, name: _regions(name)),
        mock_aws(config=CONFIG),
        mock.patch.object(boto3, "DEFAULT_SESSION", service_models.session("", boto3.Session)),
    ):
        yield


@lru_cache(maxsize=10_000)
def _handler(address: str) -> Callable[..., Any] | None:
    """What answers requests to an address without its query; None if moto's own way has to find it."""
    for service, pattern in backend_index.backend_url_patterns:
        if pattern.match(address):
            regions = backends.get_backend(service)[DEFAULT_ACCOUNT_ID]
            backend = regions["us-east-1" if "us-east-1" in regions else "aws"]
            found = (handler for path, handler in backend.urls.items() if re.match(path, address))
            return next(found, None)
    return None


def _answered(stubber: BotocoreStubber, request: AWSPreparedRequest) -> Any:
    """As BotocoreStubber.process_request."""
    parts = urlsplit(request.url)
    handler = _handler(f"{parts.scheme}://{parts.netloc}{parts.path}")
    if handler is None:
        return _original(stubber, request)
    normalized = normalize_request(request)
    try:
        return handler(normalized, normalized.raw_url, normalized.headers)
    except HTTPException as error:
        return error.code, error.get_headers(), error.get_body()


@cache
def _regions(service: str) -> list[str]:
    """As AccountSpecificBackend._generate_regions, which asks its object for nothing."""
    return _generate_regions(None, service)  # type: ignore[no-any-return]


def _drawn(
    random: MotoRandom, length: int = 20, include_digits: bool = True, lower_case: bool = False
) -> str:
    """As MotoRandom.get_random_string."""
    letters = string.ascii_letters + (string.digits if include_digits else "")
    drawn = "".join(random.choices(letters, k=length))
    return drawn.lower() if lower_case else drawn
