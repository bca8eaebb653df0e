"""What the operator's commands read of a cluster beyond what a drain does: all pods and nodes, as JSON."""

from __future__ import annotations

import json
from typing import Any

import urllib3
import yaml
from stepdrain.errors import InvalidSettings, KubeForbidden, KubeUnavailable

from kubernetes import client, config

Json = dict[str, Any]


def api_client(kubeconfig: str, context: str | None) -> Any:
    """A client for a kubeconfig's context; raises InvalidSettings if the file cannot be used."""
    try:
        return config.new_client_from_config(config_file=kubeconfig, context=context)
    except (config.ConfigException, OSError, yaml.YAMLError) as error:
        raise InvalidSettings(f"The kubeconfig {kubeconfig} cannot be used: {error}.") from error


def everything(kubeconfig: str, context: str | None) -> tuple[list[Json], list[Json]]:
    """All pods and all nodes; raises KubeForbidden or KubeUnavailable."""
    api = client.CoreV1Api(api_client(kubeconfig, context))
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
