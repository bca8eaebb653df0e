"""Files that a command reads and writes where somebody has said."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from stepdrain_cli.terminal.exits import CommandError


class Name(click.ParamType):  # type: ignore[type-arg]
    """The name of a file or folder as it was typed, which a shell completes."""

    def __init__(self, name: str, metavar: str) -> None:
        self.name, self._metavar = name, metavar

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """What a help text calls it."""
        return self._metavar

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Leaves it to the shell: ``file`` and ``dir`` are the words for that in click's scripts."""
        return [CompletionItem(incomplete, type=self.name)]


FILE, FOLDER = Name("file", "FILE"), Name("dir", "DIR")


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
