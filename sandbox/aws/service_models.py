"""botocore's descriptions of the services, read once a process instead of once a session.

The functions make a session at each invocation, as a fresh container would; here that
would parse megabytes of JSON each time, more work than all the rest of a drain.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest import mock

from botocore.loaders import JSONFileLoader

_original = JSONFileLoader.load_file


@cache
def _read(path: str) -> Any:
    return _original(JSONFileLoader(), path)


@contextlib.contextmanager
def read_once() -> Iterator[None]:
    """While this lasts, a file of botocore's data is read and parsed at most once.

    Safe, because botocore's own loader hands the same parsed object to all clients of a session.
    """
    with mock.patch.object(JSONFileLoader, "load_file", lambda _loader, path: _read(path)):
        yield
