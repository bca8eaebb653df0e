"""What the emulator's tests share."""

import json

import pytest
import urllib3

from stepdrain_sandbox.clock import VirtualClock
from stepdrain_sandbox.kube.rbac import User
from stepdrain_sandbox.kube.server import KubeServer

NODE = {"kind": "Node", "metadata": {"name": "n"}, "spec": {}}
MERGE = "application/merge-patch+json"


@pytest.fixture
def clock():
    """A virtual clock of the test's own."""
    clock = VirtualClock()
    yield clock
    clock.close()


@pytest.fixture
def kube(clock):
    """A cluster with one node; the test is an actor, so that time passes only while it waits.

    The token "drainer" is the user's of that name, who may do nothing until a test binds a role.
    """
    with KubeServer(clock, users={"drainer": User("drainer", ("drainers",))}) as server:
        server.cluster.create(NODE)
        clock.enter()
        clock.sleep(1)
        yield server
        clock.leave()


class Api:
    """Plain requests, as no client library would shape them."""

    def __init__(self, server):
        self._server = server
        self._http = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False, timeout=30)

    def __call__(self, method, path, body=None, token="admin", media_type=None, headers=None):
        """(status, JSON or text) of one request."""
        response = self.response(method, path, body, token, media_type, headers)
        text = response.data.decode()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    def response(self, method, path, body=None, token="admin", media_type=None, headers=None):
        """The same as urllib3 gives it."""
        media_type = media_type or (MERGE if method == "PATCH" else "application/json")
        sent = {
            "Authorization": f"Bearer {token}",
            "Content-Type": media_type,
            "User-Agent": "stepdrain/test",
        }
        data = None if body is None else json.dumps(body)
        url = self._server.url + path
        return self._http.request(method, url, body=data, headers={**sent, **(headers or {})})

    def evict(self, name, query="", token="admin", **options):
        """Ask for the eviction of a pod in the namespace default."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": "default"},
        }
        if options:
            body["deleteOptions"] = options
        return self("POST", f"/api/v1/namespaces/default/pods/{name}/eviction{query}", body, token)

    def watch(self, path, token="admin"):
        """The events of a watch until the server ends it."""
        text = self.response("GET", path, token=token).data.decode()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def api(kube):
    """Requests to the cluster."""
    urllib3.disable_warnings()
    return Api(kube)
