"""Credentials from the command that a kubeconfig names, as client-go asks for them.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stepdrain.clock import to_epoch_s
from stepdrain.errors import InvalidSettings, KubeUnauthorized

Json = dict[str, Any]
VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
WITHIN_S = 60
"""A plugin may ask its own cloud, and a person behind it; nobody waits longer for it than this."""


@dataclass(frozen=True)
class Credential:
    """What a plugin gave: a token, or a client certificate with its key (PEM); never logged."""

    token: str = field(repr=False)
    certificate: str = field(repr=False)
    key: str = field(repr=False)
    expires_at: float
    """Epoch seconds, infinite if it does not say."""


def ask(spec: Mapping[str, Any], cluster: Json, environ: Mapping[str, str]) -> Credential:
    """Run the plugin with the user's own environment; its stderr is the user's.

    Raises InvalidSettings for an entry that kubectl refuses, and KubeUnauthorized if the plugin fails: then
    nothing is asked without credentials.
    """
    version, command = spec.get("apiVersion"), str(spec.get("command", ""))
    if version not in VERSIONS:
        raise InvalidSettings(
            f"The exec plugin {command} has the apiVersion {version}; it may be {' or '.join(VERSIONS)}."
        )
    shown = f"The exec plugin {command}"
    own = {variable["name"]: variable["value"] for variable in spec.get("env") or ()}
    info = json.dumps(_info(spec, str(version), cluster))
    try:
        done = subprocess.run(
            [command, *map(str, spec.get("args") or ())],
            env={**environ, **own, "KUBERNETES_EXEC_INFO": info},
            stdin=None if _interactive(spec) else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KubeUnauthorized(f"{shown} gave no credentials within {WITHIN_S} s.") from None
    except OSError as error:
        hint = str(spec.get("installHint") or "").strip()
        raise KubeUnauthorized(
            f"{shown} cannot be run: {error.strerror}.{f' {hint}' if hint else ''}"
        ) from None
    if done.returncode:
        raise KubeUnauthorized(f"{shown} failed with exit status {done.returncode}; it gave no credentials.")
    return _credential(done.stdout, shown, str(version))


def _interactive(spec: Mapping[str, Any]) -> bool:
    return (
        spec.get("interactiveMode", "IfAvailable") != "Never" and sys.stdin is not None and sys.stdin.isatty()
    )


def _info(spec: Mapping[str, Any], version: str, cluster: Json) -> Json:
    described: Json = {"interactive": _interactive(spec)}
    if spec.get("provideClusterInfo"):
        described["cluster"] = {key: value for key, value in cluster.items() if key != "extensions"}
    return {"apiVersion": version, "kind": "ExecCredential", "spec": described}


def _credential(output: bytes, shown: str, version: str) -> Credential:
    # Whatever is wrong with the output, it may hold a token, and is not shown.
    try:
        answer = json.loads(output)
        status, answered = answer.get("status") or {}, answer.get("apiVersion")
    except (ValueError, AttributeError):
        raise KubeUnauthorized(f"{shown} printed something else than an ExecCredential.") from None
    if answered != version:
        raise KubeUnauthorized(f"{shown} answered with the apiVersion {answered}, not with {version}.")
    token = status.get("token") or ""
    certificate, key = status.get("clientCertificateData") or "", status.get("clientKeyData") or ""
    if not token and not (certificate and key):
        raise KubeUnauthorized(f"{shown} gave neither a token nor a certificate with its key.")
    expires = status.get("expirationTimestamp")
    return Credential(token, certificate, key, to_epoch_s(expires) if expires else float("inf"))
