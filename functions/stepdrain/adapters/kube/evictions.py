"""Pods are asked to leave: by the Eviction API, and past their budgets by a deletion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import urllib3
from kubernetes.client.exceptions import ApiException

from stepdrain.adapters.concurrent import ask_each
from stepdrain.adapters.kube import calls
from stepdrain.adapters.kube.calls import Calls
from stepdrain.errors import DrainError
from stepdrain.reporting import logs
from stepdrain.rules.eviction_answers import Answer
from stepdrain.rules.pods import Pod

LOG = logs.logger()


class Evictions(Calls):
    """Its part of stepdrain.adapters.kube.Kube."""

    def evict(self, doomed: Sequence[Pod], grace_s: int) -> list[tuple[Pod, Answer]]:
        """Ask for the eviction of each pod, several at once; each with its answer, whatever it is.

        ``grace_s``: seconds of grace, -1 for the pod's own. Pods whose answer the attempt could no
        longer await are not asked for, and left out of the result: 110 evictions of which each hangs for 30 s
        in a webhook would take 210 s.
        """
        return self._each(doomed, lambda pod: self._answer(self._post_eviction, pod, grace_s))

    def delete(
        self, doomed: Sequence[tuple[Pod, int]], condition: Mapping[str, str]
    ) -> list[tuple[Pod, Answer]]:
        """DELETE each pod with its grace (seconds, 1 or more), past all budgets; each with its answer.

        A pod that is not terminating yet gets ``condition`` (a core/v1 PodCondition) first, if it can be
        set: a pod without it is deleted all the same, with a warning in the log.
        As ``evict``: what could no longer be awaited is left out.
        """
        graces = {pod.uid: grace for pod, grace in doomed}

        def ask(pod: Pod) -> Answer:
            if pod.deletion_at is None:
                self._set_condition(pod, condition)
            return self._answer(self._delete, pod, graces[pod.uid])

        return self._each([pod for pod, _ in doomed], ask)

    def _set_condition(self, pod: Pod, condition: Mapping[str, str]) -> None:
        """Patch pods/status, conditions merge by their type; the UID spares another pod of that name."""
        body = {"metadata": {"uid": pod.uid}, "status": {"conditions": [dict(condition)]}}
        try:
            self._answered(self._core.patch_namespaced_pod_status, pod.name, pod.namespace, body).read()
        except (DrainError, urllib3.exceptions.HTTPError) as error:
            LOG.warning(f"{pod.key} is deleted without the condition {condition['type']}: {error}")

    def _post_eviction(self, pod: Pod, grace_s: int) -> Any:
        options: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if grace_s >= 0:
            options["gracePeriodSeconds"] = max(1, grace_s)
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": options,
        }
        method, timeout = self._core.create_namespaced_pod_eviction, self._write_timeout()
        return self._send(method, pod.name, pod.namespace, body, _request_timeout=timeout)

    def _delete(self, pod: Pod, grace_s: int) -> Any:
        body = {"gracePeriodSeconds": max(1, grace_s), "preconditions": {"uid": pod.uid}}
        method, timeout = self._core.delete_namespaced_pod, self._write_timeout()
        return self._send(method, pod.name, pod.namespace, body=body, _request_timeout=timeout)

    def _each(self, doomed: Sequence[Pod], ask: Callable[[Pod], Answer]) -> list[tuple[Pod, Answer]]:
        """Each pod with its answer; the first of each worker in any case, so that no attempt does nothing."""

        def in_time(number: int) -> Answer | None:
            return ask(doomed[number]) if number < calls.WORKERS or self._time_for_a_write() else None

        answers = ask_each(in_time, range(len(doomed)), calls.WORKERS)
        return [(pod, answer) for pod, answer in zip(doomed, answers, strict=True) if answer is not None]

    def _answer(self, method: Callable[..., Any], pod: Pod, grace_s: int) -> Answer:
        try:
            response = method(pod, grace_s)
            # Only an answer that was read gives its connection back; one that is cut short is none.
            response.read()
            return Answer(response.status, "")
        except ApiException as error:
            return calls.answer_of(error)
        except urllib3.exceptions.HTTPError as error:
            return Answer(0, calls.why(error))
