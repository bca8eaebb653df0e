"""``stepdrain completion``: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

ZSH = """\
#compdef stepdrain
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
"""
"""Where nothing has started zsh's completion, click's script would be an error."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL, for its start-up file.

    bash, in ~/.bashrc: `eval "$(stepdrain completion bash)"`

    zsh, in ~/.zshrc: `eval "$(stepdrain completion zsh)"`

    fish, in ~/.config/fish/config.fish: `stepdrain completion fish | source`
    """
    completion = get_completion_class(shell)
    assert completion is not None, "click has one for each choice"
    script = completion(context.find_root().command, {}, "stepdrain", "_STEPDRAIN_COMPLETE").source()
    click.echo(ZSH + script if shell == "zsh" else script)
