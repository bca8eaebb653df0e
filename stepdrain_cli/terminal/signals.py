"""Signals that end a command."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def as_ctrl_c() -> Iterator[None]:
    """While this lasts, SIGTERM, and SIGHUP of a terminal that is closed, raise KeyboardInterrupt, too.

    So a sandbox leaves no files, and `run` says how far it came. What somebody ignores (nohup) stays ignored.
    """
    wanted = (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ()
    taken = [number for number in wanted if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
