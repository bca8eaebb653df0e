"""Every answer of the Eviction API has one meaning."""

import pytest
from stepdrain.errors import KubeForbidden, KubeRejected, KubeThrottled, KubeUnauthorized, KubeUnavailable
from stepdrain.rules.eviction_answers import Answer, Outcome, Tally, classify, tally
from stepdrain.rules.reasons import Reason, phrases

BUDGET_CAUSE = {
    "message": "Cannot evict pod as it would violate the pod's disruption budget.",
    "details": {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
            }
        ]
    },
}
TERMINATING_CAUSE = {
    "message": "…",
    "details": {"causes": [{"reason": "NamespaceTerminating", "message": "shop"}]},
}
TWO_BUDGETS = {
    "message": "This pod has more than one PodDisruptionBudget, "
    "which the eviction subresource does not support.",
    "code": 500,
}


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (201, "", Outcome.ACCEPTED),
        (404, {"message": 'pods "web-1" not found'}, Outcome.GONE),
        (409, {"message": "the UID in the precondition does not match"}, Outcome.GONE),
        (429, BUDGET_CAUSE, Outcome.BLOCKED),
        (
            429,
            {**BUDGET_CAUSE, "details": {**BUDGET_CAUSE["details"], "retryAfterSeconds": 10}},
            Outcome.BLOCKED,
        ),
        (429, "Too many requests, please try again later.", Outcome.THROTTLED),
        (500, TWO_BUDGETS, Outcome.MISCONFIGURED),
        (500, {"message": "etcdserver: leader changed"}, Outcome.UNAVAILABLE),
        (504, {"message": "Timeout: couldn't update PodDisruptionBudget"}, Outcome.UNAVAILABLE),
        (503, "upstream connect error", Outcome.UNAVAILABLE),
        (0, "ReadTimeoutError", Outcome.UNAVAILABLE),
        (403, TERMINATING_CAUSE, Outcome.NAMESPACE_TERMINATING),
        (403, {"message": 'pods "web-1" is forbidden'}, Outcome.FORBIDDEN),
        (401, {"message": "Unauthorized"}, Outcome.UNAUTHORIZED),
        (400, {"message": "name in URL does not match"}, Outcome.REJECTED),
        (422, {"message": "invalid"}, Outcome.REJECTED),
    ],
)
def test_an_answer_has_one_meaning(status, body, outcome):
    """amazon-k8s-node-drainer counted every unexpected answer as evicted; here each is told apart."""
    assert classify(Answer(status, body)) is outcome


def test_the_message_is_the_cause_that_names_the_budget():
    """The Status message says only that some budget is violated."""
    assert Answer(429, BUDGET_CAUSE).message == (
        "The disruption budget web needs 2 healthy pods and has 2 currently"
    )


class Named:
    key = "shop/web-1"


def counted(*answers):
    return tally((Named, Answer(status, body)) for status, body in answers)


def test_gone_pods_count_as_evicted():
    """404 and 409 by UID are what the drain wants."""
    assert counted((201, ""), (404, ""), (409, "")).evicted == 3


def test_blocked_pods_are_named_and_are_no_error_of_the_batch():
    """EvictionBlocked is the state's decision: it depends on whether anything else moved."""
    result = counted((429, BUDGET_CAUSE), (500, TWO_BUDGETS), (403, TERMINATING_CAUSE))
    assert (result.evicted, len(result.blocked), result.error()) == (0, 3, None)


@pytest.mark.parametrize(
    ("status", "error"), [(401, KubeUnauthorized), (403, KubeForbidden), (400, KubeRejected)]
)
def test_what_a_person_must_mend_is_raised_even_beside_successes(status, error):
    """An unexpected error must never count as done (amazon-k8s-node-drainer did)."""
    assert isinstance(counted((201, ""), (status, {"message": "no"})).error(), error)


@pytest.mark.parametrize(("status", "error"), [(503, KubeUnavailable), (429, KubeThrottled)])
def test_what_may_pass_is_raised_only_when_nothing_moved(status, error):
    """Progress is kept; the next attempt asks for the rest."""
    assert isinstance(counted((status, "later")).error(), error)
    assert counted((201, ""), (status, "later")).error() is None


def test_at_most_twenty_blockers_are_named():
    """The document stays small however many pods a node has."""
    named = phrases([Reason(f"shop/web-{n}", "held") for n in range(25)])
    assert len(named) == 21
    assert named[-1] == "and 5 more"
    assert phrases([Reason("a/b", "held")]) == ["a/b: held"]


def test_an_empty_batch_is_no_error():
    """A node with nothing to evict is the end of a drain, not a failure."""
    assert Tally().error() is None
