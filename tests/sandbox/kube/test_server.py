"""The emulator as a server: it comes, and it leaves nothing behind."""

import socket
import ssl

import pytest

from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.kube.server import KubeServer


@pytest.fixture
def server():
    """A running emulator; the test stops it."""
    clock = VirtualClock()
    server = KubeServer(clock)
    server.start()
    yield server
    server.stop()
    clock.close()


def connected(server):
    """A TCP connection to the emulator, not yet TLS."""
    connection = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=5)
    connection.settimeout(5)
    return connection


def is_closed(connection):
    """Whether the other side ended the connection; a timeout says that it did not."""
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except (ConnectionResetError, ssl.SSLEOFError):
        return True
    return True


def test_stopping_closes_the_connections_of_its_clients(server):
    """An open one would keep a client waiting for its whole timeout, and leak a socket in each test."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    with context.wrap_socket(connected(server), server_hostname="127.0.0.1") as client:
        client.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        server.stop()
        assert is_closed(client)


def test_stopping_closes_a_connection_in_its_handshake(server):
    """The web server hears of a connection only after the handshake, so it cannot close this one."""
    with connected(server) as client:
        client.sendall(b"\x16")
        # An answered request shows that the server has taken the earlier connection, too.
        context = ssl.create_default_context(cadata=server.ca_pem)
        context.wrap_socket(connected(server), server_hostname="127.0.0.1").close()
        server.stop()
        assert is_closed(client)


def test_the_bytes_of_each_client_are_counted(server):
    """The benchmark compares clients by what they make the server send."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    with context.wrap_socket(connected(server), server_hostname="127.0.0.1") as client:
        lines = ["GET /version HTTP/1.1", "Host: localhost", "User-Agent: curl/8.5", "Connection: close"]
        client.sendall("\r\n".join([*lines, "Authorization: Bearer admin", "", ""]).encode())
        received = b"".join(iter(lambda: client.recv(4096), b""))
    _, _, body = received.partition(b"\r\n\r\n")
    assert server.traffic.sent == {"curl": len(body)}
    assert server.traffic.received == {"curl": 0}


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/api/v1/nodes", "admin", 200),
        ("/api/v1/nodes/none", "admin", 404),
        ("/api/v1/nodes", "nobody", 401),
        ("/api/v1/nodes?watch=true&timeoutSeconds=1", "admin", 200),
    ],
)
def test_each_answer_has_a_date_by_the_worlds_clock(server, path, token, status):
    """A client takes the API server's own time from it; uvicorn would write that of the machine."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}", "", ""]
    with context.wrap_socket(connected(server), server_hostname="127.0.0.1") as client:
        client.sendall("\r\n".join(lines).encode())
        head = client.recv(4096).decode()
    assert head.startswith(f"HTTP/1.1 {status}")
    assert "date: Thu, 01 Jan 2026 00:00:00 GMT" in head
    assert head.lower().count("date:") == 1
