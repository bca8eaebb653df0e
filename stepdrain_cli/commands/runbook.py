"""``stepdrain runbook``: what to do about an error, without a browser and without a network."""

from __future__ import annotations

import re

import click
from stepdrain.reporting import links

from stepdrain_cli.terminal.exits import CommandError
from stepdrain_deployed import RUNBOOK

CHAPTER = re.compile(r"^## What an error means\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^(#{3,4}) (.+?)\n", re.MULTILINE)


def _names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The sections whose names begin so."""
    return [name for name in _sections() if name.lower().startswith(incomplete.lower())]


@click.command("runbook")
@click.argument("words", metavar="[ERROR]", nargs=-1, shell_complete=_names)
def command(words: tuple[str, ...]) -> None:
    """Print what to do about ERROR, by the name that a message or `stepdrain status` has for it.

    DrainRefused, TIMED_OUT, Lambda.Unknown … Without ERROR: the names of all sections.
    """
    sections = _sections()
    if not any(words):
        click.echo("\n".join(sections))
        return
    asked = " ".join(words)
    named = {name.lower(): name for name in sections}.get(asked.lower()) or _about(asked)
    if named not in sections:
        raise CommandError(f"The runbook has no section about {asked}; `stepdrain runbook` lists them.")
    click.echo(sections[named].rstrip())


def _about(error: str) -> str:
    """The section about an error that is not its title; "" for what is no error of a drain."""
    found = links.heading(error)
    return "" if found == links.UNFORESEEN else found


def _sections() -> dict[str, str]:
    """Each section's text by its title; one of the fourth level also stands within that of the third."""
    chapter = CHAPTER.search(RUNBOOK.read_text("utf-8"))
    text = chapter[1] if chapter else ""
    heads = list(SECTION.finditer(text))
    return {
        head[2]: text[head.start() : _end(head, heads[number + 1 :], len(text))]
        for number, head in enumerate(heads)
    }


def _end(head: re.Match[str], following: list[re.Match[str]], end: int) -> int:
    return next((heading.start() for heading in following if len(heading[1]) <= len(head[1])), end)
