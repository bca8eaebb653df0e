"""Shares the connections of this process's clients: a TLS handshake costs three requests' CPU time.

A function makes a client for each invocation, and a world has hundreds of invocations. Only for a virtual
clock: on a real one the handshakes are part of what a drain takes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from urllib3 import PoolManager

AT_MOST = 256
"""Idle connections to one server; the most that a storm has open."""


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Inside this context, clients with equal settings take their connections from one pool."""
    # The emulator on its own needs no client, which takes a second to import.
    from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415

    make = RESTClientObject.__init__
    pools: dict[str, PoolManager] = {}

    def made(client: Any, *arguments: Any, **options: Any) -> None:
        make(client, *arguments, **options)
        if type(client.pool_manager) is PoolManager:  # and not one that goes by a proxy
            settings = client.pool_manager.connection_pool_kw
            key = repr(sorted(settings.items()))
            settings["maxsize"] = AT_MOST
            client.pool_manager = pools.setdefault(key, client.pool_manager)

    with mock.patch.object(RESTClientObject, "__init__", made):
        try:
            yield
        finally:
            for pool in pools.values():
                pool.clear()
