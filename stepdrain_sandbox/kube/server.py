"""The API server: HTTPS on this machine, in a thread of its own, over a store on the world's clock."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import trustme
import uvicorn
import yaml

from stepdrain_sandbox.clock import Clock
from stepdrain_sandbox.kube import discovery
from stepdrain_sandbox.kube.answers import App
from stepdrain_sandbox.kube.cluster import Cluster
from stepdrain_sandbox.kube.faults import Faults
from stepdrain_sandbox.kube.rbac import EVERYTHING, User
from stepdrain_sandbox.kube.tokens import Authenticator, Tokens
from stepdrain_sandbox.kube.traffic import Traffic

Json = dict[str, Any]
STARTS_WITHIN_S = 10


@cache
def _certificate() -> tuple[trustme.LeafCert, str]:
    """A server certificate for this machine and its CA as PEM; one pair a process, making it takes 50 ms."""
    authority = trustme.CA()
    return authority.issue_cert("127.0.0.1", "localhost"), authority.cert_pem.bytes().decode()


class KubeServer:
    """A cluster that answers at ``url``. Start it with ``start()`` or as a context manager.

    ``users`` maps bearer tokens to users; ``admin_token``'s may do everything;
    ``authenticate`` is asked for tokens it does not know. ``kubelet`` and ``controllers``
    bring the cluster to life: without them pods neither start nor leave by themselves.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        admin_token: str = "admin",
        users: Mapping[str, User] | None = None,
        authenticate: Authenticator | None = None,
        kubelet: bool = True,
        controllers: bool = True,
        port: int = 0,
        audit: Callable[[Json], None] | None = None,
    ) -> None:
        self.clock = clock
        self.audit_log: list[Json] = []
        self.cluster = Cluster(clock, kubelet=kubelet, controllers=controllers, audit=self._log)
        self.faults = Faults(clock)
        self.admin_token = admin_token
        self._tokens = Tokens({admin_token: User("admin", (EVERYTHING,)), **(users or {})}, authenticate)
        app = App(clock, self.cluster, self._tokens, self.faults, self._log)
        self.callers = app.callers
        self.traffic = Traffic(app)
        self._audit = audit
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> KubeServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """``https://127.0.0.1:PORT``."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca_pem(self) -> str:
        """The certificate of the authority that signed the server's."""
        return _certificate()[1]

    def start(self) -> None:
        """Listen and answer; raises OSError if the port is taken."""
        # asyncio turns Nagle's delay off (40 ms an answer) only for sockets that say they are TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(256)
        self._port = listener.getsockname()[1]
        self._server = _QuietServer(_configuration(self.traffic))
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="kube", daemon=True)
        self._thread.start()
        if not self._server.answering.wait(STARTS_WITHIN_S):
            raise TimeoutError(f"The emulator did not start within {STARTS_WITHIN_S} s.")

    def stop(self) -> None:
        """Close all connections and the port; what the cluster holds stays, and start() takes it up."""
        if self._server is None or self._thread is None:
            return
        self._server.end()
        self._thread.join()
        self._server = None

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig (YAML) for the given token's user; by default the administrator's."""
        cluster = {"server": self.url, "certificate-authority-data": discovery.base64_of(self.ca_pem)}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "sandbox",
                "clusters": [{"name": "sandbox", "cluster": cluster}],
                "users": [{"name": "sandbox", "user": {"token": token or self.admin_token}}],
                "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
            }
        )

    def _log(self, event: Json) -> None:
        self.audit_log.append(event)
        if self._audit is not None:
            self._audit(event)

    def _serve(self, listener: socket.socket) -> None:
        assert self._server is not None
        asyncio.run(self._server.serve([listener]))


class _QuietServer(uvicorn.Server):
    """A uvicorn server in a thread: no signal handlers, and an event that says when it answers.

    uvicorn looks ten times a second whether it shall end, and gives its clients a tenth of a
    second then. Hundreds of worlds in a row wait for that longer than for anything else.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = threading.Event()
        self._ending: Callable[[], object] = lambda: None

    def end(self) -> None:
        """Have it end at once; called by another thread, once it answers."""
        self._ending()

    def install_signal_handlers(self) -> None:
        """Signals belong to the main thread."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._ending = lambda: loop.call_soon_threadsafe(self._ended.set)
        self.answering.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        # Twice: what is being accepted just now gets its transport, or its task, in the first round.
        for _ in range(2):
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            # Also clients still in their TLS handshake, which uvicorn never hears of; asyncio lists them
            # publicly only from 3.13 on (Server.abort_clients).
            for transport in list(asyncio.get_running_loop()._transports.values()):  # type: ignore[attr-defined]
                transport.abort()
            await asyncio.sleep(0)


def _configuration(app: Any) -> uvicorn.Config:
    certificate, _ = _certificate()
    # ssl reads keys from files only. This one is gone before the server starts.
    with certificate.private_key_and_cert_chain_pem.tempfile() as path:
        configuration = uvicorn.Config(
            app,
            ssl_certfile=path,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            backlog=256,
        )
        configuration.load()
    return configuration
