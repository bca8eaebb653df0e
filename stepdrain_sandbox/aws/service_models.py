"""Caches botocore's service models, handlers, sessions and clients in this process.

The functions make a session in each new container, and a world has many containers. Each session would parse
megabytes of JSON and register 130 handlers, and a client takes more CPU time than most of its requests.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unittest import mock

import boto3
import botocore.session
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import JSONFileLoader
from botocore.session import Session

_load_file, _create_client = JSONFileLoader.load_file, Session.create_client
_made: dict[Any, tuple[Any, object]] = {}
"""Clients by everything that configures them, each with its Config, whose identity is part of the key."""
_sessions: dict[Any, boto3.Session] = {}
_making = threading.Lock()


@cache
def _handlers() -> HierarchicalEmitter:
    """An emitter with botocore's own handlers."""
    handlers = HierarchicalEmitter()
    Session(event_hooks=handlers)
    return handlers


def _session(variables: Any = None) -> Session:
    """As botocore.session.get_session, with a copy of the handlers: a session may add its own."""
    return Session(variables, event_hooks=copy.copy(_handlers()), include_builtin_handlers=False)


@cache
def _read(path: str) -> Any:
    return _load_file(JSONFileLoader(), path)


def _client(session: Session, service_name: str, config: object = None, **given: Any) -> Any:
    region = given.get("region_name") or session.get_config_variable("region")
    shaped = given | {"region_name": region, "data_path": session.get_config_variable("data_path")}
    key = (service_name, id(config), frozenset(shaped.items()), _environment())
    with _making:
        if key not in _made:
            _made[key] = _create_client(session, service_name, config=config, **given), config  # type: ignore[arg-type]
        return _made[key][0]


def _environment() -> frozenset[tuple[bytes, bytes]]:
    """The variables that configure a session; os.environ would decode all there are, for each request."""
    variables: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    return frozenset(item for item in variables.items() if item[0].startswith(b"AWS_"))


def session(access_key: str, make: Callable[[], boto3.Session]) -> boto3.Session:
    """What ``make`` returns, with the credentials of ``access_key`` if that is not "", made once.

    A session reads its configuration from the environment, and keeps nothing of an account.
    """
    key = (make, access_key, _environment())
    with _making:
        if key not in _sessions:
            made = make()
            if access_key:
                made._session.set_credentials(access_key, "sandbox")
            _sessions[key] = made
        return _sessions[key]


@contextlib.contextmanager
def made_once() -> Iterator[None]:
    """Inside this context, models are parsed, handlers registered and equal clients made at most once.

    This is safe: botocore's own loader shares parsed models among the clients of a session. A client may
    serve many threads and has no state of an account; moto answers it in each world.
    """
    with (
        mock.patch.object(JSONFileLoader, "load_file", lambda _loader, path: _read(path)),
        mock.patch.object(Session, "create_client", _client),
        mock.patch.object(botocore.session, "get_session", _session),
    ):
        yield
