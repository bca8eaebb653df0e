"""botocore's descriptions of the services, its handlers and its clients, made once a process.

The functions make a session in each fresh container, and a world has many containers. Here that would parse
megabytes of JSON and register 130 handlers each time, and a client costs more processor time than most of
what it is asked for.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest import mock

import botocore.session
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import JSONFileLoader
from botocore.session import Session

_load_file, _create_client = JSONFileLoader.load_file, Session.create_client
_made: dict[Any, tuple[Any, object]] = {}
"""Clients by all that shapes one, each with its Config, whose identity is part of the key."""
_making = threading.Lock()


@cache
def _handlers() -> HierarchicalEmitter:
    """botocore's own handlers, registered."""
    handlers = HierarchicalEmitter()
    Session(event_hooks=handlers)
    return handlers


def _session(variables: Any = None) -> Session:
    """As botocore.session.get_session, with a copy of the handlers, since a session may add its own."""
    return Session(variables, event_hooks=copy.copy(_handlers()), include_builtin_handlers=False)


@cache
def _read(path: str) -> Any:
    return _load_file(JSONFileLoader(), path)


def _client(session: Session, service_name: str, config: object = None, **given: Any) -> Any:
    region = given.get("region_name") or session.get_config_variable("region")
    shaped = given | {"region_name": region, "data_path": session.get_config_variable("data_path")}
    environment = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    key = (service_name, id(config), *sorted((shaped | environment).items(), key=str))
    with _making:
        if key not in _made:
            _made[key] = _create_client(session, service_name, config=config, **given), config  # type: ignore[arg-type]
        return _made[key][0]


@contextlib.contextmanager
def made_once() -> Iterator[None]:
    """While this lasts, data files are parsed, handlers registered and clients of one kind made at most once.

    Safe, because botocore's own loader hands the same parsed object to all clients of a session, and a
    client may serve many threads and holds nothing of an account; moto answers it in every world anew.
    """
    with (
        mock.patch.object(JSONFileLoader, "load_file", lambda _loader, path: _read(path)),
        mock.patch.object(Session, "create_client", _client),
        mock.patch.object(botocore.session, "get_session", _session),
    ):
        yield
