"""The Kubernetes adapter: every request that is sent to a cluster, by subject, and nothing else.

Each request is sent once, with timeouts, and never sleeps inside the client: repeating is the state
machine's business. Lists come as raw JSON: parsing 1,000 pods into the client's models costs 6 s of CPU,
as JSON a third of one. No exception of the client or of urllib3 leaves this package: all become
stepdrain.errors.
"""

from __future__ import annotations

from stepdrain.adapters.kube.connection import Access, Kube, configuration, connect, connect_by_kubeconfig

__all__ = ["Access", "Kube", "configuration", "connect", "connect_by_kubeconfig"]
