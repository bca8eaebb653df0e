"""The clients of a virtual world share their connections, and a server that ends ends them, too."""

import pytest
from stepdrain.adapters.kube.connection import Access, connect
from stepdrain.errors import KubeForbidden, KubeUnavailable

from stepdrain_sandbox.kube.shared_connections import shared


def client(server, token="admin"):
    return connect(lambda _fresh: Access(server.url, server.ca_pem, token))


def test_clients_with_equal_settings_share_a_connection(kube):
    with shared():
        clients = [client(kube) for _ in range(3)]
        assert [client.node("none") for client in clients] == [None] * 3
        assert len(kube._server.server_state.connections) == 1


def test_a_client_speaks_for_itself(kube):
    """Who asks stands in the request, not in its connection."""
    with shared():
        assert client(kube).node("none") is None
        with pytest.raises(KubeForbidden, match='User "drainer"'):
            client(kube, "drainer").node("none")


def test_a_server_that_ends_and_starts_again_is_connected_to_anew(kube):
    with shared():
        client(kube).node("none")
        kube.stop()
        with pytest.raises(KubeUnavailable):
            client(kube).node("none")
        kube.start()
        assert client(kube).node("none") is None
