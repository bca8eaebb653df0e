"""Predicts whether disruption budgets will let an eviction through.

EvictBatch lists the budgets with the pods and sends only evictions that can succeed.
A blocked drain then costs two list requests an attempt, however many pods wait, and
the reason names the budget. The API server decides: it may still refuse what this
module allows. The rules and their order are those of the Eviction API
(kubernetes/kubernetes, pkg/registry/core/pod/storage/eviction.go).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from stepdrain.rules.pods import Pod
from stepdrain.rules.reasons import Reason, counted

UNSEEN, CLOSED = "is still being processed by the server", "does not allow evicting pods now"
UNCOUNTED = "cannot be counted: "
SERVERS = re.compile(
    r"The disruption budget (?P<name>\S+) (?:"
    r"needs (?P<desired>\d+) healthy pods and has (?P<current>\d+) currently"
    r"|does not allow evicting pods currently(?: because it failed sync: (?P<why>.+))?"
    r"|is still being processed by the server\.)",
    re.DOTALL,
)
"""What the Eviction API says of a budget that refuses."""


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget: which pods it covers, and how many may go. Numbers are counts of pods."""

    namespace: str
    name: str
    selector: Mapping[str, Any] | None
    always_allow_unready: bool
    allowed: int
    current: int
    desired: int
    observed: bool
    """The disruption controller has seen the latest spec; until then the server refuses evictions."""
    expected: int = 0
    """How many pods the controller counts, healthy or not."""
    sync_failure: str = ""
    """The controller's own message when it cannot count the budget's pods; empty if it can."""

    @property
    def never_gives_way(self) -> bool:
        """Every pod must be healthy, so no pod can ever be evicted."""
        return self.observed and self.desired >= self.expected > 0

    @property
    def need(self) -> str:
        """What it asks for and has, as the end of a sentence that begins with its name."""
        return _need(self.desired, self.current)


def parse(raw: Mapping[str, Any]) -> Budget:
    """A budget from its JSON as the API lists it (policy/v1 PodDisruptionBudget).

    Raises KeyError, TypeError, ValueError or AttributeError if the name is missing, a count is not a number,
    or the selector is none.
    """
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    return Budget(
        namespace=metadata["namespace"],
        name=metadata["name"],
        selector=_selector(spec.get("selector")),
        always_allow_unready=spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow",
        allowed=int(status.get("disruptionsAllowed") or 0),
        current=int(status.get("currentHealthy") or 0),
        desired=int(status.get("desiredHealthy") or 0),
        observed=int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0),
        expected=int(status.get("expectedPods") or 0),
        sync_failure=_sync_failure(status.get("conditions") or ()),
    )


def _selector(raw: Any) -> Mapping[str, Any] | None:
    """The selector; raises where ``covers`` could not read it, since what cannot be parsed is skipped."""
    if raw is not None:
        dict(raw.get("matchLabels") or {})
        for expression in raw.get("matchExpressions") or ():
            _fits({}, expression)
    return cast("Mapping[str, Any] | None", raw)


def _sync_failure(conditions: Iterable[Mapping[str, Any]]) -> str:
    # https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/pod-disruption-budget-v1/
    for condition in conditions:
        if (condition.get("type"), condition.get("reason")) == ("DisruptionAllowed", "SyncFailed"):
            return str(condition.get("message") or "the disruption controller does not say why")
    return ""


def covers(budget: Budget, pod: Pod) -> bool:
    """Whether the budget's selector matches the pod; an empty selector matches its whole namespace.

    Rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
    """
    if budget.namespace != pod.namespace or budget.selector is None:
        return False
    wanted = dict(budget.selector.get("matchLabels") or {})
    equal = all(pod.labels.get(key) == value for key, value in wanted.items())
    expressions = budget.selector.get("matchExpressions") or ()
    return equal and all(_fits(pod.labels, expression) for expression in expressions)


def _fits(labels: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            # From a later Kubernetes: the API server knows whether the budget covers the pod.
            return False


@dataclass
class Ledger:
    """What each budget of a cluster still allows while a batch is chosen."""

    budgets: Sequence[Budget]
    spent: Counter[tuple[str, str]] = field(default_factory=Counter)

    def obstacle(self, pod: Pod) -> str | None:
        """Why the server would refuse to evict ``pod`` now, as a phrase with the budget's name, or None.

        finished, Pending or terminating pod              no budget counts
        two budgets or more                               refused until somebody edits one
        not ready, and the budget says AlwaysAllow        no budget counts
        not ready, and enough others are healthy          no budget counts
        the controller cannot count the budget's pods     refused until somebody fixes that
        otherwise                                         the budget's disruptionsAllowed
        """
        budgets = self.covering(pod)
        if not budgets or pod.finished or pod.phase == "Pending" or pod.deletion_at is not None:
            return None
        if len(budgets) > 1:
            names = " and ".join(sorted(budget.name for budget in budgets))
            return f"more than one disruption budget selects it ({names}): the Eviction API refuses that"
        return None if spares_unready(budgets[0], pod) else self._exhausted(budgets[0])

    def covering(self, pod: Pod) -> list[Budget]:
        """The budgets that cover the pod."""
        return [budget for budget in self.budgets if covers(budget, pod)]

    def spend(self, pod: Pod) -> None:
        """Count an eviction of ``pod``, about to be sent, against its budgets."""
        for budget in self.budgets:
            if covers(budget, pod) and not spares_unready(budget, pod):
                self.spent[budget.namespace, budget.name] += 1

    def _exhausted(self, budget: Budget) -> str | None:
        if budget.sync_failure:
            return f"disruption budget {budget.name} {UNCOUNTED}{budget.sync_failure}"
        if not budget.observed:
            return f"disruption budget {budget.name} {UNSEEN}"
        if budget.allowed - self.spent[budget.namespace, budget.name] > 0:
            return None
        if budget.current <= budget.desired or self.spent[budget.namespace, budget.name]:
            return f"disruption budget {budget.name} {budget.need}"
        return f"disruption budget {budget.name} {CLOSED}"


def in_our_words(refusal: str) -> str:
    """The API server's sentence about a budget in the words of ``Ledger.obstacle``; else the text itself."""
    found = SERVERS.fullmatch(refusal)
    if found is None:
        return refusal
    name, (desired, current, why) = found["name"], found.group("desired", "current", "why")
    if desired is not None:
        return f"disruption budget {name} {_need(int(desired), int(current))}"
    if why is not None:
        return f"disruption budget {name} {UNCOUNTED}{why}"
    return f"disruption budget {name} {UNSEEN if 'processed' in refusal else CLOSED}"


def _need(desired: int, current: int) -> str:
    return f"needs {counted(desired, 'healthy pod')} and has {current}"


def spares_unready(budget: Budget, pod: Pod) -> bool:
    """Whether the pod is not ready and the budget exempts such pods from its count."""
    enough_healthy = budget.current >= budget.desired > 0
    return not pod.ready and (budget.always_allow_unready or enough_healthy)


def multiple(pods: Iterable[Pod], budgets: Sequence[Budget]) -> list[Reason]:
    """The pods that the Eviction API refuses because two budgets or more select each."""
    ledger = Ledger(budgets)
    return [
        Reason(pod.key, why)
        for pod in pods
        if len(ledger.covering(pod)) > 1 and (why := ledger.obstacle(pod)) is not None
    ]


@dataclass(frozen=True)
class Choice:
    """One batch: the pods to evict now, and the pods that a budget blocks."""

    evict: list[Pod]
    blocked: list[Reason]


def choose(pods: Iterable[Pod], budgets: Sequence[Budget], batch_size: int) -> Choice:
    """Up to ``batch_size`` pods (a count) whose eviction can succeed, in the order given."""
    ledger, choice = Ledger(budgets), Choice([], [])
    for pod in pods:
        obstacle = ledger.obstacle(pod)
        if obstacle is not None:
            choice.blocked.append(Reason(pod.key, obstacle))
        elif len(choice.evict) < batch_size:
            ledger.spend(pod)
            choice.evict.append(pod)
    return choice
