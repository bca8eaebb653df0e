"""How a cluster is reached, and the client with all of the adapter's requests."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import urllib3
from kubernetes.config import ConfigException, load_kube_config

from kubernetes import client
from stepdrain.adapters.kube import calls
from stepdrain.adapters.kube.access_reviews import AccessReviews
from stepdrain.adapters.kube.admission import Admission
from stepdrain.adapters.kube.budgets import Budgets
from stepdrain.adapters.kube.evictions import Evictions
from stepdrain.adapters.kube.nodes import Nodes
from stepdrain.adapters.kube.storage import Storage
from stepdrain.adapters.kube.target_groups import TargetGroups
from stepdrain.adapters.kube.watches import Watches
from stepdrain.adapters.kube.workloads import Workloads
from stepdrain.errors import InvalidSettings


@dataclass(frozen=True)
class Access:
    """How to reach a cluster: https URL, CA certificates as PEM text, bearer token. Never logged."""

    server: str
    ca_pem: str
    token: str

    def __repr__(self) -> str:
        return f"Access({self.server})"


class Kube(Nodes, Watches, Evictions, Budgets, Storage, TargetGroups, Workloads, Admission, AccessReviews):
    """One cluster. All methods raise Kube… errors of stepdrain.errors, and nothing else."""


def configuration() -> client.Configuration:
    """The client's settings: no repetition by itself, but where no connection was made."""
    made = client.Configuration()
    made.retries = urllib3.Retry(
        total=1, connect=1, read=0, status=0, redirect=0, other=0, respect_retry_after_header=False
    )
    made.connection_pool_maxsize = calls.WORKERS
    return made


def connect(access: Callable[[bool], Access], time_left: Callable[[], float] = calls.no_end) -> Kube:
    """A client for the cluster that ``access(fresh)`` describes.

    It is called with True when the cluster refuses the token (401): the next one must be new.
    ``time_left``: seconds until the attempt is cut off.
    """
    first, made = access(False), configuration()
    made.host = first.server
    made.ssl_ca_cert = _ca_file(first.ca_pem)
    _use_token(made, first.token)
    return Kube(made, lambda: _use_token(made, access(True).token), time_left)


@cache
def _ca_file(pem: str) -> str:
    # The client takes CA certificates only as a file; one for each cluster and container.
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as ca_file:
        ca_file.write(pem)
    atexit.register(Path(ca_file.name).unlink, missing_ok=True)
    return ca_file.name


def _use_token(made: client.Configuration, token: str) -> None:
    made.api_key = {"authorization": f"Bearer {token}"}


def connect_by_kubeconfig(
    path: str, context: str | None = None, time_left: Callable[[], float] = calls.no_end
) -> Kube:
    """A client for a kubeconfig's context; raises InvalidSettings if the file cannot be used."""
    made = configuration()
    try:
        load_kube_config(config_file=path, context=context, client_configuration=made)
    except (ConfigException, OSError, ValueError, TypeError, AttributeError) as error:
        raise InvalidSettings(f"The kubeconfig {path} cannot be used: {str(error).rstrip('.')}.") from error
    except Exception as error:
        # The YAML parser's errors are not the kubernetes package's, and yaml is no dependency of ours.
        if not type(error).__module__.startswith("yaml"):
            raise
        raise InvalidSettings(f"The kubeconfig {path} is not YAML: {str(error).splitlines()[0]}.") from error
    return Kube(made, None, time_left)
