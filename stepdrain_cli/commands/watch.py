"""``stepdrain watch``: one drain, live, until it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from stepdrain_cli import drain_status, drains, tables
from stepdrain_cli.account import Account
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.drains import Standing
from stepdrain_recorded.history_lines import state_line


@click.command("watch")
@click.argument("target", metavar="NODE")
@click.option(
    "--interval", type=click.FloatRange(0.5, 600), default=5, show_default=True, help="Seconds between looks."
)
@on_account
def command(account: Account, target: str, interval: float) -> None:
    """Watch the newest drain of NODE until it ends: states, retries, pods, time left.

    On a terminal the picture is drawn in place; elsewhere each thing that happens is a line.
    """
    looks = _looks(account, target, interval)
    console = tables.console()
    last = _draw(looks, account, console) if console.is_terminal else _tell(looks)
    sys.exit(drains.exit_status(last.drain.status, last.line.error))


def _looks(account: Account, target: str, interval: float) -> Iterator[Standing]:
    arn = drains.find(account, target).arn
    while True:
        found = drains.standing(account, drains.find(account, arn))
        yield found
        if found.drain.status not in ("RUNNING", "PENDING_REDRIVE"):
            return
        account.sleep(interval)


def _draw(looks: Iterator[Standing], account: Account, console: Console) -> Standing:
    found = next(looks)
    with Live(console=console, auto_refresh=False) as live:
        live.update(_picture(found, account), refresh=True)
        for found in looks:
            live.update(_picture(found, account), refresh=True)
    return found


def _picture(found: Standing, account: Account) -> Text:
    recent = [f"  {line}" for line in told(found)[-8:]]
    return Text("\n".join([drain_status.text(drain_status.lines(found, account.now())), "", *recent]))


def _tell(looks: Iterator[Standing]) -> Standing:
    shown, found = 0, None
    for found in looks:
        lines = told(found)
        click.echo("\n".join(lines[shown:]), nl=len(lines) > shown)
        shown = len(lines)
    assert found is not None, "there is always a first look"
    return found


def told(found: Standing) -> list[str]:
    """Each event that means something, with the seconds since the drain began."""
    began = found.line.started
    lines = ((event["timestamp"] - began, state_line(event)) for event in found.events)
    return [f"{at:7.1f}s  {text}" for at, text in lines if text]
