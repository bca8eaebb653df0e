"""A group of commands that imports a command when it is used: ``--help`` loads none of them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem
from stepdrain.errors import AwsDenied, DrainError, KubeForbidden, KubeUnauthorized, Transient

from stepdrain_cli.accounts.function_log import as_notes
from stepdrain_cli.terminal.context import Context
from stepdrain_cli.terminal.exits import NO_ACCESS, USAGE, CommandError
from stepdrain_recorded.unreadable import Unreadable

WITHOUT_ACCESS = (AwsDenied, KubeForbidden, KubeUnauthorized, Transient)
"""No permission, or no answer: nothing that another argument would change."""


class LazyGroup(click.Group):
    """Finds command ``name`` as ``command`` in the module ``package.name`` (``-`` becomes ``_``).

    ``summaries`` maps each command's name to its line in the list of commands. What the domain raises while a
    command runs becomes a CommandError: a sentence, never a traceback.
    """

    context_class = Context

    def __init__(self, *, package: str, summaries: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._package, self._summaries = package, summaries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order of the summaries."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now; None if there is none of that name."""
        if cmd_name not in self._summaries:
            return None
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        found: click.Command = module.command
        found.context_class = Context
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, and for a slip with the commands that are spelled like it."""
        name = args[0]
        if name not in self._summaries and name[:1] not in ("", "-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, self._summaries)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"There is no command {name[:40]}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands in ``--help``."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands that begin so, then the options of the group itself."""
        names = [
            CompletionItem(name, help=text)
            for name, text in self._summaries.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            with as_notes():
                return super().invoke(ctx)
        except (DrainError, Unreadable) as error:
            raise CommandError(str(error), _status(error)) from error


def _status(error: Exception) -> int:
    return NO_ACCESS if isinstance(error, WITHOUT_ACCESS) else USAGE
