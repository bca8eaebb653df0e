"""``python -m stepdrain_sandbox.kube``: the emulator on its own, for kubectl and other clients."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import click
import yaml

from stepdrain_sandbox.clock import RealClock
from stepdrain_sandbox.kube.resources import BY_KIND
from stepdrain_sandbox.kube.server import KubeServer
from stepdrain_sandbox.kube.status import ApiError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--port", type=click.IntRange(0, 65_535), required=True, help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option("--token", required=True, help="Bearer token of the administrator.")
@click.option("--kubeconfig-out", metavar="FILE", help="Write a kubeconfig for that token.")
@click.option(
    "--load", "files", multiple=True, metavar="FILE", help="Manifests (YAML) to begin with; may be repeated."
)
def command(port: int, token: str, kubeconfig_out: str | None, files: tuple[str, ...]) -> None:
    """Run a Kubernetes API for drains until it is interrupted. All it holds is in memory."""
    server = KubeServer(RealClock(), admin_token=token, port=port)
    for name in files:
        _load(server, name)
    try:
        server.start()
    except OSError as error:
        raise click.ClickException(
            f"Port {port} cannot be used: {error.strerror}. Choose another --port."
        ) from error
    if kubeconfig_out:
        _write(kubeconfig_out, server.kubeconfig(token))
    try:
        click.echo(f"Kubernetes API at {server.url}; Ctrl-C ends it.")
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop()


def _load(server: KubeServer, name: str) -> None:
    try:
        manifests = [manifest for manifest in yaml.safe_load_all(Path(name).read_text()) if manifest]
    except OSError as error:
        raise click.ClickException(f"{name} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise click.ClickException(f"{name} is not YAML: {str(error).splitlines()[0]}.") from error
    for number, manifest in enumerate(manifests, 1):
        _load_one(server, name, number, manifest)


def _load_one(server: KubeServer, name: str, number: int, manifest: Any) -> None:
    where = f"{name}, document {number}"
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    if kind is None:
        raise click.ClickException(f"{where} has no kind: it is no manifest.")
    if kind not in BY_KIND and not str(kind).endswith("List"):
        known = ", ".join(sorted(BY_KIND))
        raise click.ClickException(
            f"{where} is a {kind}, which this emulator does not keep. It keeps: {known}."
        )
    try:
        server.cluster.load([manifest])
    except ApiError as error:
        raise click.ClickException(f"{where} was refused: {error}.") from error


def _write(name: str, text: str) -> None:
    try:
        path = Path(name)
        path.touch(mode=0o600)
        path.write_text(text)
    except OSError as error:
        raise click.ClickException(f"{name} cannot be written: {error.strerror}.") from error


def main() -> None:
    """The entry point: bad input gets a sentence and exit status 2."""
    click.ClickException.exit_code = 2
    command(prog_name="python -m stepdrain_sandbox.kube")


if __name__ == "__main__":
    sys.exit(main())
