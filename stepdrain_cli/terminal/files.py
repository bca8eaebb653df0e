"""Files that a command writes where somebody has said."""

from __future__ import annotations

import shlex
from pathlib import Path

from stepdrain_cli.terminal.exits import CommandError


def write(path: Path, text: str) -> None:
    """Write the file; CommandError if that is impossible. A folder that is not there may be a slip."""
    try:
        path.write_text(text)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> CommandError:
    """The sentence for a file that cannot be written, with what to type if its folder is not there."""
    folder = path.parent
    if isinstance(error, FileNotFoundError) and not folder.exists():
        made = f"`mkdir -p {shlex.quote(str(folder))}` makes it"
        return CommandError(f"{path} cannot be written: there is no folder {folder}; {made}.")
    return CommandError(f"{path} cannot be written: {error.strerror}.")
