"""docs/cli.md, from the commands themselves. ``--check`` only compares, and exits 1 on a difference."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stepdrain_cli.__main__ import cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
WIDTH = 100
HEAD = """# The command line

Generated from the help texts (`make cli-docs`). Each of these lines installs the command; `WHEEL` is the
built wheel (`make wheel`), a file or a URL.

| line | gives |
|---|---|
| `pipx install WHEEL` | the command for you, in an environment of its own |
| `uv tool install WHEEL` | the same, by uv |
| `pip install WHEEL` | the command in the environment that you are in |
| `pip install 'WHEEL[sandbox]'`, likewise pipx and uv | besides it `--sandbox`, the demo, the emulator |
| `make .venv/run` | all of it from a checkout, as `.venv/bin/stepdrain` |

Data goes to stdout, progress and notes to stderr. On a terminal reasons are wrapped, a row that does not fit
becomes a block, and `watch` draws in place; elsewhere lines are whole and there are no colours or cursor
movements. No name or id is ever cut.
`NO_COLOR` is honoured. All times are UTC.

| exit status | means |
|---|---|
| 0 | done; for `status` and `watch` also: it runs |
| 1 | the drain failed or was stopped, a redrive was refused, `doctor` found something wrong |
| 2 | wrong usage or input: unknown node, ambiguous name, a question that nobody is there to answer |
| 3 | the policy refused the drain; for `plan`: it would |
| 4 | the drain's deadline passed |
| 5 | no access: no credentials, a missing permission (named), no answer from AWS or from the cluster |
| 130 | interrupted (Ctrl-C, SIGTERM, a closed terminal) |

bash, zsh and fish complete commands, options, files, and names of nodes: `stepdrain completion --help` says
which line goes where.
"""


def text() -> str:
    """The page."""
    parts = [HEAD, _section("stepdrain", cli)]
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None, "the group lists what it has"
        parts.append(_section(f"stepdrain {name}", command))
    return "\n".join(parts)


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, terminal_width=WIDTH, help_option_names=["-h", "--help"])
    return f"## {name}\n\n```\n{command.get_help(context)}\n```\n"


def main() -> None:
    """Write or check the page."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text())
    elif PAGE.read_text() != text():
        sys.exit("docs/cli.md is not what the commands say; run make cli-docs.")


if __name__ == "__main__":
    main()
