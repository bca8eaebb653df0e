"""Kubeconfig files as kubectl reads them: which files, merged how, and what a context says.

The rules are client-go's: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
and https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. Errors are InvalidSettings, in sentences
that show no value of a user's entry.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from stepdrain.errors import InvalidSettings

Json = dict[str, Any]
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER = "in-cluster"
PATHS = {"cluster": ("certificate-authority",), "user": ("client-certificate", "client-key", "tokenFile")}
"""Fields with file names, which are relative to the file they stand in."""


@dataclass(frozen=True)
class Context:
    """A context with its cluster and its user, as they stand in the files; never logged."""

    name: str
    source: str
    """The files, for messages."""
    cluster: Json = field(repr=False)
    user: Json = field(repr=False)

    def file_or_data(self, entry: str, name: str) -> bytes | None:
        """The bytes of ``name-data`` (base64), else of the file ``name``; None without both."""
        fields = self.cluster if entry == "cluster" else self.user
        if encoded := fields.get(f"{name}-data"):
            try:
                return base64.b64decode(encoded, validate=True)
            except (binascii.Error, TypeError, ValueError):
                raise InvalidSettings(f"{self.source}: {name}-data of the {entry} is not base64.") from None
        if path := fields.get(name):
            return read(Path(path), f"{self.source}: the {entry}'s {name}")
        return None


def read(path: Path, what: str) -> bytes:
    """A file's bytes; raises InvalidSettings that begins with ``what``."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidSettings(f"{what} {path} cannot be read: {error.strerror}.") from error


def load(file: str | None, context: str | None, environ: Mapping[str, str]) -> Context:
    """The context that kubectl would use.

    ``file`` is --kubeconfig: one file, which must exist. Without it: the files in KUBECONFIG that exist, else
    ~/.kube/config, else the service account of the pod this runs in. Raises InvalidSettings.
    """
    paths, must_exist = _paths(file, environ)
    documents = [(path, _document(path)) for path in paths if must_exist or path.exists()]
    if not documents and context is None and "KUBERNETES_SERVICE_HOST" in environ:
        return _in_cluster(environ)
    if not documents:
        named = " or ".join(map(str, paths))
        raise InvalidSettings(
            f"There is no kubeconfig: {named} does not exist. Give one by --kubeconfig FILE."
        )
    return _chosen(documents, context)


def _paths(file: str | None, environ: Mapping[str, str]) -> tuple[list[Path], bool]:
    if file is not None:
        return [Path(file).expanduser()], True
    listed = [Path(path) for path in environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return listed or [Path(environ.get("HOME", "~")).expanduser() / ".kube" / "config"], False


def _document(path: Path) -> Json:
    text = read(path, "The kubeconfig")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        # The parser quotes the line, and the line may hold a token.
        where = f" (line {mark.line + 1})" if mark else ""
        raise InvalidSettings(f"The kubeconfig {path} is not YAML{where}.") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidSettings(f"The kubeconfig {path} is none: it is no mapping.")
    if document.get("kind", "Config") != "Config":
        raise InvalidSettings(f"The kubeconfig {path} is none: its kind is {document['kind']}.")
    return document


def _chosen(documents: list[tuple[Path, Json]], context: str | None) -> Context:
    source = f"The kubeconfig {os.pathsep.join(str(path) for path, _ in documents)}"
    name = context or next(
        (document["current-context"] for _, document in documents if document.get("current-context")), None
    )
    if not name:
        raise InvalidSettings(f"{source} has no current context: give one by --context NAME.")
    chosen = _entry(documents, "context", name)
    if chosen is None:
        known = sorted(
            {
                str(context.get("name"))
                for _, document in documents
                for context in document.get("contexts") or ()
            }
        )
        raise InvalidSettings(f"{source} has no context {name}; it has {', '.join(known) or 'none'}.")
    cluster = _entry(documents, "cluster", chosen.get("cluster"))
    if cluster is None:
        raise InvalidSettings(
            f"{source}: context {name} names the cluster {chosen.get('cluster')}, which it has not."
        )
    user: Json | None = {}
    if chosen.get("user"):
        user = _entry(documents, "user", chosen["user"])
    if user is None:
        raise InvalidSettings(f"{source}: context {name} names the user {chosen['user']}, which it has not.")
    return Context(str(name), source, cluster, user)


def _entry(documents: list[tuple[Path, Json]], kind: str, name: Any) -> Json | None:
    """The entry of that name in the first file that has it, with absolute paths; None without one."""
    for path, document in documents:
        listed = document.get(f"{kind}s") or []
        if not isinstance(listed, list):
            raise InvalidSettings(f"The kubeconfig {path} is broken: its {kind}s are no list.")
        for entry in listed:
            if isinstance(entry, dict) and entry.get("name") == name:
                return _absolute(entry.get(kind) or {}, kind, path.absolute().parent)
    return None


def _absolute(entry: Json, kind: str, folder: Path) -> Json:
    made = dict(entry)
    for name in PATHS.get(kind, ()):
        if made.get(name):
            made[name] = str(folder / made[name])
    command = (made.get("exec") or {}).get("command", "")
    if os.sep in command:
        made["exec"] = {**made["exec"], "command": str(folder / command)}
    return made


def _in_cluster(environ: Mapping[str, str]) -> Context:
    """https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    cluster = {
        "server": f"https://{f'[{host}]' if ':' in host else host}:{port}",
        "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt"),
    }
    user = {"tokenFile": str(SERVICE_ACCOUNT / "token")}
    return Context(IN_CLUSTER, "The pod's service account", cluster, user)
