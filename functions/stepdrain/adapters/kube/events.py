"""Events, on Nodes and on pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stepdrain.adapters.concurrent import ask_each
from stepdrain.adapters.kube import calls
from stepdrain.adapters.kube.calls import Calls
from stepdrain.errors import DrainError, KubeConflict
from stepdrain.rules.reasons import counted


class Events(Calls):
    """Its part of stepdrain.adapters.kube.Kube; an event is core/v1 Event JSON, with namespace and name."""

    def create_event(self, event: Mapping[str, Any]) -> None:
        """Store an Event in its namespace; KubeConflict if it stands there already."""
        timeout, namespace = self._write_timeout(), event["metadata"]["namespace"]
        self._json(self._core.create_namespaced_event, namespace, dict(event), _request_timeout=timeout)

    def create_events(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Store Events, several at once; a sentence for each that could not be, for the log.

        One that stands there already is stored. What the attempt has no time left for is left out, in one
        sentence: nothing of a drain hangs on it.
        """
        answers = ask_each(self._created, events, calls.WORKERS)
        late = sum(answer is None for answer in answers)
        left_out = [f"{late} of {counted(len(events), 'Event')} on pods left out: the attempt is at its end."]
        return [answer for answer in answers if answer] + (left_out if late else [])

    def _created(self, event: Mapping[str, Any]) -> str | None:
        """Empty if the Event stands there, else why not; None if it was not tried."""
        if not self._time_for_a_write():
            return None
        try:
            self.create_event(event)
        except KubeConflict:
            return ""
        except DrainError as error:
            named = event["involvedObject"]
            return f"Event {event['reason']} on {named['namespace']}/{named['name']}: {error}"
        return ""
