"""``stepdrain completion``: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL: `eval "$(stepdrain completion bash)"` in ~/.bashrc."""
    completion = get_completion_class(shell)
    assert completion is not None, "click has one for each choice"
    click.echo(completion(context.find_root().command, {}, "stepdrain", "_STEPDRAIN_COMPLETE").source())
