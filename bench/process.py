"""What a process has cost so far, as Linux counts it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Moment:
    """A process at one moment: CPU seconds since its start, and its largest resident set in bytes."""

    cpu_s: float
    peak_bytes: int


def moment(pid: int) -> Moment:
    """Read from /proc (https://man7.org/linux/man-pages/man5/proc.5.html); CPU in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    ticks = int(fields[11]) + int(fields[12])
    return Moment(ticks / os.sysconf("SC_CLK_TCK"), int(peak[1]) * 1024 if peak else 0)
