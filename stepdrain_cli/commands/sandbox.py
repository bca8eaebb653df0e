"""``stepdrain sandbox``: a shell on an embedded account and cluster, to practise in."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import click

from stepdrain_cli.terminal import tables
from stepdrain_cli.terminal.exits import CommandError

WELCOME = """\
Sandbox: an account and a cluster inside this command, with three drains: one done, one failed, one blocked.
stepdrain, kubectl and aws work on them here, without any option. docs/on-call.md is a story to follow.
Time is real. `exit` ends all of it."""
PUT_ASIDE = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE", "AWS_SESSION_TOKEN", "STEPDRAIN_STACK")


@click.command("sandbox", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", metavar="[COMMAND]...", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Open a shell on an embedded account and cluster, which last until it ends: a place to practise.

    With COMMAND, run that instead of a shell and end with its status. No AWS account and no cluster of yours
    is touched. docs/on-call.md is a story to follow in it.
    """
    incidents, clock, serving = _loaded()
    click.echo("Starting; this takes ten seconds.", err=True)
    logging.disable(logging.CRITICAL)
    # Before the world opens, which changes this process's own.
    mine = {key: value for key, value in os.environ.items() if key not in PUT_ASIDE}
    with incidents(clock()) as world, serving(world) as variables:
        for line in WELCOME.splitlines():
            tables.say(line, err=True)
        sys.exit(_run(arguments or (mine.get("SHELL", "/bin/sh"),), {**mine, **variables}))


def _run(arguments: tuple[str, ...], environment: Mapping[str, str]) -> int:
    try:
        return subprocess.run(arguments, env=environment, check=False).returncode
    except OSError as error:
        raise CommandError(f"{arguments[0]} cannot be run: {error.strerror}.") from error


def _loaded() -> tuple[Any, Any, Any]:
    """The world's makers; CommandError if the extra is not installed."""
    try:
        incidents = importlib.import_module("stepdrain_sandbox.examples.incidents").incidents
        clock = importlib.import_module("stepdrain_sandbox.clock").RealClock
        return incidents, clock, importlib.import_module("stepdrain_sandbox.session").serving
    except ModuleNotFoundError as error:
        raise CommandError(
            f"{error}; the embedded world is an extra: pip install 'stepdrain[sandbox]'."
        ) from None
