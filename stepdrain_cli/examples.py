"""docs/examples: the reports of two drains. ``--check`` only compares, and exits 1 on a difference."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from stepdrain_cli.report import render
from stepdrain_recorded import history
from stepdrain_sandbox.examples.recordings import RECORDINGS

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "examples"


def reports() -> dict[str, str]:
    """File name to HTML."""
    pages = {}
    for name, play in RECORDINGS.items():
        recording = play()
        pages[f"{name}.html"] = render(history.checked(recording.history, name), recording.audit)
    return pages


def main() -> None:
    """Write or check the files."""
    logging.disable(logging.CRITICAL)
    checking, stale = "--check" in sys.argv[1:], []
    for name, page in reports().items():
        path = FOLDER / name
        if checking and (not path.exists() or path.read_text() != page):
            stale.append(name)
        elif not checking:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page)
    if stale:
        sys.exit(f"docs/examples is not what is rendered: {', '.join(stale)}. Run make examples.")


if __name__ == "__main__":
    main()
