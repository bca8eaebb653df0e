"""What holds for the options of every command: how their help is written, and that none is given empty."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from stepdrain_cli.terminal.exits import CommandError
from stepdrain_cli.terminal.help_text import HelpFormatter


class Context(click.Context):
    """The context of each command."""

    formatter_class = HelpFormatter

    def invoke(self, callback: Any, /, *args: Any, **kwargs: Any) -> Any:
        """As click does; CommandError if an option was typed with nothing behind it.

        That is a variable which is not set: with `--context "$PROD"` it would work on another cluster.
        """
        for parameter in self.command.params:
            name, empty = parameter.name or "", self.params.get(parameter.name or "") == ""
            if empty and self.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise CommandError(f"{parameter.opts[-1]} is empty, as of a variable that is not set.")
        return super().invoke(callback, *args, **kwargs)
