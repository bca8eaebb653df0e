"""How a controller works: changes mark keys as dirty, and soon all dirty keys are looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stepdrain_sandbox.kube.store import Change, Store


class Reconciler:
    """Calls ``reconcile(key)`` for each key that ``keys_of`` names for a change, in the clock's thread.

    Many changes at one moment make one call a key, and a change made by ``reconcile`` comes
    back as any other, as with the controllers of Kubernetes.
    """

    def __init__(
        self,
        store: Store,
        keys_of: Callable[[Change], Iterable[str]],
        reconcile: Callable[[str], None],
    ) -> None:
        self._store, self._keys_of, self._reconcile = store, keys_of, reconcile
        self._dirty: set[str] = set()
        store.subscribe(self._on_change)

    def mark(self, *keys: str) -> None:
        """Have these keys looked at soon."""
        with self._store.lock:
            if keys and not self._dirty:
                self._store.clock.call_at(self._store.clock.now(), self._run)
            self._dirty.update(keys)

    def _on_change(self, change: Change) -> None:
        self.mark(*self._keys_of(change))

    def _run(self) -> None:
        with self._store.lock:
            dirty, self._dirty = self._dirty, set()
            for key in sorted(dirty):
                self._reconcile(key)
