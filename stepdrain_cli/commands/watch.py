"""``stepdrain watch``: one drain, live, until it ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from stepdrain_cli.accounts import drain_lookup, drain_status, drains
from stepdrain_cli.accounts.account import Account
from stepdrain_cli.accounts.drains import Standing
from stepdrain_cli.accounts.name_completion import drained_nodes
from stepdrain_cli.accounts.node_now import NodeNow, Nodes
from stepdrain_cli.commands.options import on_account
from stepdrain_cli.pictures.chart import duration
from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.exits import DONE
from stepdrain_cli.terminal.node_argument import NODE
from stepdrain_recorded.history_lines import state_line

INTERVAL_S = 5.0


@click.command("watch")
@click.argument("target", type=NODE, metavar="[NODE]", required=False, shell_complete=drained_nodes)
@click.option(
    "--interval",
    type=click.FloatRange(0.5, 600),
    default=INTERVAL_S,
    show_default=True,
    help="Seconds between looks.",
)
@on_account
def command(account: Account, target: str | None, interval: float) -> None:
    """Watch the drain of NODE until it ends: states, retries, pods, time left. Without NODE: all that run.

    On a terminal the picture is drawn in place; elsewhere each thing that happens is a line.
    """
    if target:
        follow(account, drain_lookup.find(account, target).arn, interval)
    else:
        sys.exit(_follow_all(account, interval))


def follow(account: Account, arn: str, interval: float = INTERVAL_S) -> None:
    """Watch one execution to its end, and exit with the status that it comes to."""
    looks = _looks(account, arn, interval)
    console = tables.console()
    last = _draw(looks, account, console) if console.is_terminal else _tell(looks)
    sys.exit(drains.exit_status(last.drain.status, last.line.error))


def _looks(account: Account, arn: str, interval: float) -> Iterator[Standing]:
    while True:
        found = drains.standing(account, drain_lookup.find(account, arn))
        yield found
        if found.drain.status not in drains.RUNNING:
            return
        account.sleep(interval)


def _draw(looks: Iterator[Standing], account: Account, console: Console) -> Standing:
    found, nodes = next(looks), Nodes(account)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        live.update(_picture(found, nodes.now(found), account, console), refresh=True)
        for found in looks:
            live.update(_picture(found, nodes.now(found), account, console), refresh=True)
    return found


def _picture(found: Standing, present: NodeNow | None, account: Account, console: Console) -> Text:
    """The standing, and as many of the newest events as the terminal has lines left for."""
    columns = max(1, console.width)
    standing = tables.fields(drain_status.lines(found, account.now(), account.flags, present), columns)
    # A word that is longer than the terminal is wide goes on in the next line.
    used = sum(-(-max(1, len(line)) // columns) for line in standing)
    room = max(1, console.height - used - 2)
    recent = [f"  {part}" for line in event_lines(found)[-room:] for part in tables.words(line, columns - 2)]
    return Text("\n".join([*standing, "", *recent[-room:]]))


def _tell(looks: Iterator[Standing]) -> Standing:
    shown, found = 0, None
    for found in looks:
        lines = event_lines(found)
        click.echo("\n".join(lines[shown:]), nl=len(lines) > shown)
        shown = len(lines)
    assert found is not None, "there is always a first look"
    return found


def _follow_all(account: Account, interval: float) -> int:
    """Watch all drains that run, also those that begin meanwhile; the worst status they come to."""
    console, shown, status = tables.console(), dict[str, int](), DONE
    nodes = Nodes(account)
    followed = _running(account)
    if not followed:
        click.echo("No drain runs.", err=True)
    screen = Live(console=console, auto_refresh=False) if console.is_terminal else contextlib.nullcontext()
    with screen as live:
        while followed:
            looks = [drains.standing(account, drain_lookup.find(account, arn)) for arn in followed]
            if live is None:
                _tell_all(looks, shown)
            else:
                rows = [_row(look, nodes.now(look), account) for look in looks]
                live.update(Text("\n".join(tables.lines(HEAD, rows, console.width))), refresh=True)
            ended = [look for look in looks if look.drain.status not in drains.RUNNING]
            status = max(
                [status, *(drains.exit_status(look.drain.status, look.line.error) for look in ended)]
            )
            account.sleep(interval)
            over = {look.drain.arn for look in ended}
            followed = [arn for arn in dict.fromkeys([*followed, *_running(account)]) if arn not in over]
    return status


HEAD = ("NODE", "STATUS", "STATE", "AGE", "BLOCKED", "LEAVING")


def _running(account: Account) -> list[str]:
    return [drain.arn for drain in drains.listed(account, "RUNNING")][::-1]


def _tell_all(looks: list[Standing], shown: dict[str, int]) -> None:
    for found in looks:
        lines = event_lines(found)
        for line in lines[shown.get(found.drain.arn, 0) :]:
            click.echo(f"{found.drain.who}  {line}")
        shown[found.drain.arn] = len(lines)


def _row(found: Standing, present: NodeNow | None, account: Account) -> list[str]:
    drain = found.drain
    age = duration(round((drain.ended or account.now()) - drain.started))
    counts = map(str, drain_status.blocked_and_leaving(found, present))
    return [drain.who, drain.status, drain.state, age, *counts]


def event_lines(found: Standing) -> list[str]:
    """Each event that means something, with the seconds since the drain began."""
    began = found.line.started
    lines = ((event["timestamp"] - began, state_line(event)) for event in found.events)
    return [f"{at:7.1f}s  {text}" for at, text in lines if text]
