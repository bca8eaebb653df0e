"""The cluster that a kubeconfig names: its client, and what is read of it beyond what a drain reads."""

from __future__ import annotations

import atexit
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import urllib3
from stepdrain.adapters.kube import Kube, configuration
from stepdrain.errors import InvalidSettings, KubeForbidden, KubeUnavailable

from kubernetes import client
from stepdrain_cli.clusters import exec_plugin, kubeconfig
from stepdrain_cli.clusters.exec_plugin import Credential

Json = dict[str, Any]
TOKEN_FILE_KEPT_S = 60
"""A token file is read again after a minute, as client-go does: bound service account tokens are renewed."""
EARLY_S = 10
"""A credential is renewed so long before it expires."""
LOOPBACK = ("localhost", "127.", "::1")


def no_end() -> float:
    """Seconds left where nobody cuts a request off."""
    return float("inf")


@dataclass
class Access:
    """How one context's cluster is reached. Holds credentials, and shows none of them."""

    context: kubeconfig.Context
    environ: Mapping[str, str] = field(repr=False)
    _credential: Credential | None = field(default=None, repr=False)
    _files: dict[bytes, str] = field(default_factory=dict, repr=False)
    _token: tuple[float, str] = field(default=(float("-inf"), ""), repr=False)

    def kube(self, time_left: Callable[[], float] = no_end) -> Kube:
        """The adapter's client; raises InvalidSettings or KubeUnauthorized."""
        made = self.configuration()

        def renew() -> None:
            self._credential, self._token = None, (float("-inf"), "")
            self._authenticate(made)

        return Kube(made, renew, time_left, self._impersonation())

    def api_client(self) -> Any:
        """A client for what the adapter does not ask."""
        api = client.ApiClient(self.configuration())
        for name, value in self._impersonation().items():
            api.set_default_header(name, value)
        return api

    def configuration(self) -> client.Configuration:
        """The client's configuration, with credentials."""
        made, cluster = configuration(), self.context.cluster
        made.host = str(cluster.get("server") or "").rstrip("/")
        if urlsplit(made.host).scheme not in ("http", "https"):
            raise InvalidSettings(f"{self.context.source}: the cluster's server is no URL: {made.host!r}.")
        self._trust(made, cluster)
        made.proxy, made.no_proxy = self._proxy(made.host), None
        self._authenticate(made)
        return made

    def _trust(self, made: client.Configuration, cluster: Json) -> None:
        authority = self.context.file_or_data("cluster", "certificate-authority")
        if cluster.get("insecure-skip-tls-verify"):
            if authority is not None:
                raise InvalidSettings(
                    f"{self.context.source} names a certificate authority and skips verification; "
                    "it may do only one."
                )
            made.verify_ssl = False
            _warn_once(f"Warning: {self.context.source} skips the verification of the cluster's certificate.")
        elif authority is not None:
            made.ssl_ca_cert = self._file(authority)
        made.tls_server_name = cluster.get("tls-server-name")

    def _proxy(self, host: str) -> str | None:
        """The cluster's own, else the environment's, as Go reads it (net/http, ProxyFromEnvironment)."""
        if own := self.context.cluster.get("proxy-url"):
            if urlsplit(own).scheme not in ("http", "https"):
                raise InvalidSettings(
                    f"{self.context.source} has the proxy-url {_without_password(own)}; "
                    "stepdrain takes http and https."
                )
            return str(own)
        parts = urlsplit(host)
        name = f"{parts.scheme}_proxy"
        proxy = self.environ.get(name) or self.environ.get(name.upper())
        return None if not proxy or _bypassed(parts.hostname or "", self.environ) else proxy

    def _authenticate(self, made: client.Configuration) -> None:
        user = self.context.user
        if "auth-provider" in user:
            raise InvalidSettings(
                f"{self.context.source} uses an auth-provider, which kubectl has removed: "
                "use the exec plugin of your cloud."
            )
        if made.host.startswith("http:"):
            # Anybody on the way could read a credential; client-go sends none either.
            return
        certificate = self.context.file_or_data("user", "client-certificate")
        key = self.context.file_or_data("user", "client-key")
        token = self._user_token()
        if not token and not certificate and user.get("exec"):
            given = self._from_plugin(user["exec"])
            token, certificate, key = (
                given.token,
                given.certificate.encode() or None,
                given.key.encode() or None,
            )
        if certificate and key:
            made.cert_file, made.key_file = self._file(certificate), self._file(key)
        if token:
            if not token.isascii() or not token.isprintable() or " " in token:
                # The client would refuse such a header, and quote it.
                raise InvalidSettings(
                    f"{self.context.source}: the user's token is none: it has blanks in it."
                )
            made.api_key = {"authorization": f"Bearer {token}"}
        elif user.get("username"):
            made.api_key = {
                "authorization": urllib3.make_headers(
                    basic_auth=f"{user['username']}:{user.get('password', '')}"
                )["authorization"]
            }

    def _user_token(self) -> str:
        user = self.context.user
        if not user.get("tokenFile"):
            return str(user.get("token") or "")
        read_at, token = self._token
        if time.monotonic() - read_at > TOKEN_FILE_KEPT_S:
            what = f"{self.context.source}: the user's tokenFile"
            token = kubeconfig.read(Path(user["tokenFile"]), what).decode("utf-8", "replace").strip()
            self._token = (time.monotonic(), token)
        if not token:
            raise InvalidSettings(f"{self.context.source}: the file {user['tokenFile']} holds no token.")
        return token

    def _from_plugin(self, spec: Json) -> Credential:
        if self._credential is None or time.time() > self._credential.expires_at - EARLY_S:
            self._credential = exec_plugin.ask(spec, self.context.cluster, self.environ)
        return self._credential

    def _impersonation(self) -> dict[str, str]:
        """Headers of who the user acts as; raises InvalidSettings for what one header cannot say."""
        user = self.context.user
        groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
        if (groups or extra or user.get("as-uid")) and not user.get("as"):
            raise InvalidSettings(f"{self.context.source} impersonates groups without a user (as).")
        if len(groups) > 1 or extra:
            raise InvalidSettings(
                f"{self.context.source} impersonates a user with several groups or "
                "extra fields, which stepdrain cannot do: it would drain with other rights. "
                "Use a context with credentials of its own."
            )
        named = {"Impersonate-User": user.get("as"), "Impersonate-Uid": user.get("as-uid")}
        named["Impersonate-Group"] = groups[0] if groups else None
        return {name: str(value) for name, value in named.items() if value}

    def _file(self, content: bytes) -> str:
        """A file with this content, for as long as the process lives."""
        if content not in self._files:
            with tempfile.NamedTemporaryFile(prefix="stepdrain-", suffix=".pem", delete=False) as made:
                made.write(content)
            atexit.register(Path(made.name).unlink, missing_ok=True)
            self._files[content] = made.name
        return self._files[content]


def access(file: str | None, context: str | None) -> Access:
    """The cluster of a kubeconfig (None: as kubectl finds one) and a context (None: its current one)."""
    environ = dict(os.environ)
    return Access(kubeconfig.load(file, context, environ), environ)


_warned: set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        click.echo(text, err=True)
    # urllib3 would say it again with each request.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def _bypassed(host: str, environ: Mapping[str, str]) -> bool:
    if host.startswith(LOOPBACK):
        return True
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name.strip().lstrip(".") for name in listed.split(",") if name.strip()]
    return any(name in ("*", host) or host.endswith(f".{name}") for name in names)


def everything(found: Access) -> tuple[list[Json], list[Json]]:
    """All pods and all nodes; raises KubeForbidden or KubeUnavailable."""
    api = client.CoreV1Api(found.api_client())
    return _items(api.list_pod_for_all_namespaces), _items(api.list_node)


def _items(listing: Any) -> list[Json]:
    try:
        items: list[Json] = json.loads(listing(_preload_content=False, _request_timeout=(3, 30)).data)[
            "items"
        ]
    except client.ApiException as error:
        if error.status == 403:
            raise KubeForbidden(f"You may not list what the hints need: {error.reason}.") from error
        raise KubeUnavailable(f"The Kubernetes API answered {error.status}: {error.reason}.") from error
    except urllib3.exceptions.HTTPError as error:
        raise KubeUnavailable(f"The Kubernetes API gave no usable answer: {error}.") from error
    return items
