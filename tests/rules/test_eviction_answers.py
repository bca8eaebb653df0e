"""Every answer of the Eviction API has one meaning, and what is about one pod holds that pod alone."""

import gzip
import json
from pathlib import Path

import pytest
from stepdrain.errors import (
    KubeConflict,
    KubeForbidden,
    KubeRejected,
    KubeThrottled,
    KubeUnauthorized,
    KubeUnavailable,
)
from stepdrain.rules import pods
from stepdrain.rules.budgets import Budget, Ledger
from stepdrain.rules.eviction_answers import Answer, Outcome, Tally, classify, tally
from stepdrain.rules.reasons import Reason, phrases

GOLDEN = Path(__file__).parents[1] / "sandbox" / "kube" / "golden" / "kube-apiserver-v1.36.2.json.gz"
TWO = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
BUDGET = "The disruption budget web needs 2 healthy pods and has 2 currently"
OURS = "disruption budget web needs 2 healthy pods and has 2"
UNSYNCED = "The disruption budget web does not allow evicting pods currently because it failed sync: no scale"
WEBHOOK = 'admission webhook "guard.example.com" denied the request: its operator moves this pod'
UNREACHED = (
    'Internal error occurred: failed calling webhook "guard.example.com": failed to call webhook: '
    'Post "https://guard.example.com/?timeout=10s": context deadline exceeded'
)
POLICY = (
    "pods \"web-1\" is forbidden: ValidatingAdmissionPolicy 'guard.example.com' with binding "
    "'guard.example.com' denied request: not on weekdays"
)
RBAC = (
    'pods "web-1" is forbidden: User "drainer" cannot create resource "pods/eviction" in API group "" '
    'in the namespace "shop"'
)
UID = (
    'Operation cannot be fulfilled on Pod "web-1": the UID in the precondition (u-1) does not match the UID '
    "in record (u-2). The object might have been deleted and then recreated"
)
MODIFIED = (
    'Operation cannot be fulfilled on Pod "web-1": the ResourceVersion in the precondition (1) does not '
    "match the ResourceVersion in record (2). The object might have been modified"
)
NAMESPACE = (
    'pods "web-1" is forbidden: unable to create new content in namespace shop because it is being terminated'
)
EVICTION_PENDING = 'couldn\'t update PodDisruptionBudget "web" due to conflicts'
OVERLOAD = "Too many requests, please try again later."


def status(code, message, *, reason="", cause="", cause_message="", **details):
    """A Status as the API server writes it; what is empty is absent."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    if reason:
        body["reason"] = reason
    if cause or cause_message:
        one = {"reason": cause, "message": cause_message}
        details["causes"] = [{key: text for key, text in one.items() if text}]
    return {**body, "details": details} if details else body


def held_by(code, message, retry=None):
    more = {} if retry is None else {"retryAfterSeconds": retry}
    said = "Cannot evict pod as it would violate the pod's disruption budget."
    return status(
        code, said, reason="TooManyRequests", cause="DisruptionBudget", cause_message=message, **more
    )


PODS = {"name": "web-1", "kind": "pods"}
ABOUT_THE_POD = [
    # (who, status, body, outcome, what the drain says of the pod)
    ("a budget", 429, held_by(429, BUDGET), Outcome.BLOCKED, OURS),
    ("a budget not observed", 429, held_by(429, BUDGET, 10), Outcome.BLOCKED, OURS),
    (
        "a budget without sync",
        429,
        held_by(429, UNSYNCED),
        Outcome.BLOCKED,
        "disruption budget web cannot be counted: no scale",
    ),
    ("two budgets", 500, status(500, TWO), Outcome.MISCONFIGURED, TWO),
    (
        "a budget below zero",
        403,
        status(403, "pdb disruptions allowed is negative", reason="Forbidden", name="web", kind="x"),
        Outcome.REFUSED,
        "pdb disruptions allowed is negative",
    ),
    (
        "a terminating namespace",
        403,
        status(
            403,
            NAMESPACE,
            reason="Forbidden",
            cause="NamespaceTerminating",
            cause_message="shop ends",
            **PODS,
        ),
        Outcome.NAMESPACE_TERMINATING,
        "shop ends",
    ),
    *[
        (f"a webhook's {code}", code, status(code, WEBHOOK), Outcome.REFUSED, WEBHOOK)
        for code in (400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 504)
    ],
    (
        "a webhook without a word",
        400,
        status(400, 'admission webhook "guard.example.com" denied the request without explanation'),
        Outcome.REFUSED,
        'admission webhook "guard.example.com" denied the request without explanation',
    ),
    (
        "a webhook that poses as a budget",
        429,
        status(429, WEBHOOK, cause="DisruptionBudget", cause_message="nobody"),
        Outcome.REFUSED,
        WEBHOOK,
    ),
    *[
        (
            f"a policy's {code}",
            code,
            status(code, POLICY, reason=reason, cause_message=POLICY, **PODS),
            Outcome.REFUSED,
            POLICY,
        )
        for code, reason in (
            (422, "Invalid"),
            (403, "Forbidden"),
            (401, "Unauthorized"),
            (413, "RequestEntityTooLarge"),
        )
    ],
    (
        "an admission plugin",
        403,
        status(403, 'pods "web-1" is forbidden: not today', reason="Forbidden", **PODS),
        Outcome.REFUSED,
        'pods "web-1" is forbidden: not today',
    ),
]
DONE = [
    ("accepted", 201, "", Outcome.ACCEPTED),
    ("accepted by an old server", 200, "", Outcome.ACCEPTED),
    ("no such pod", 404, status(404, 'pods "web-1" not found', reason="NotFound", **PODS), Outcome.GONE),
    ("another pod of that name", 409, status(409, UID, reason="Conflict", kind="Pod"), Outcome.GONE),
]
MAY_PASS = [
    ("a race", 409, status(409, MODIFIED, reason="Conflict", kind="Pod"), Outcome.CONFLICT, KubeConflict),
    ("a lost race", 504, status(504, EVICTION_PENDING), Outcome.UNAVAILABLE, KubeUnavailable),
    ("an overload", 429, OVERLOAD, Outcome.THROTTLED, KubeThrottled),
    ("an overload as Status", 429, status(429, OVERLOAD), Outcome.THROTTLED, KubeThrottled),
    ("etcd", 500, status(500, "etcdserver: leader changed"), Outcome.UNAVAILABLE, KubeUnavailable),
    (
        "a webhook that does not answer",
        500,
        status(500, UNREACHED, reason="InternalError", cause_message=UNREACHED),
        Outcome.UNAVAILABLE,
        KubeUnavailable,
    ),
    ("a load balancer", 503, "upstream connect error", Outcome.UNAVAILABLE, KubeUnavailable),
    ("no answer", 0, "ReadTimeoutError", Outcome.UNAVAILABLE, KubeUnavailable),
]
ABOUT_US = [
    (
        "no such token",
        401,
        status(401, "Unauthorized", reason="Unauthorized"),
        Outcome.UNAUTHORIZED,
        KubeUnauthorized,
    ),
    ("RBAC", 403, status(403, RBAC, reason="Forbidden", **PODS), Outcome.FORBIDDEN, KubeForbidden),
    ("a proxy", 403, "<html>Forbidden</html>", Outcome.FORBIDDEN, KubeForbidden),
    (
        "a wrong name",
        400,
        status(400, "name in URL does not match name in Eviction object", reason="BadRequest"),
        Outcome.REJECTED,
        KubeRejected,
    ),
    ("a wrong body", 422, status(422, "invalid", reason="Invalid"), Outcome.REJECTED, KubeRejected),
    ("no such resource", 405, status(405, "not allowed"), Outcome.REJECTED, KubeRejected),
]
TABLE = [(row[1], row[2], row[3]) for row in [*ABOUT_THE_POD, *DONE, *MAY_PASS, *ABOUT_US]]
NAMES = [row[0] for row in [*ABOUT_THE_POD, *DONE, *MAY_PASS, *ABOUT_US]]


class Named:
    key = "shop/web-1"


def counted(*answers):
    return tally((Named, Answer(code, body)) for code, body in answers)


@pytest.mark.parametrize(("code", "body", "outcome"), TABLE, ids=NAMES)
def test_an_answer_has_one_meaning(code, body, outcome):
    """amazon-k8s-node-drainer counted every unexpected answer as evicted; here each is told apart."""
    assert classify(Answer(code, body)) is outcome


@pytest.mark.parametrize(
    ("code", "body", "why"),
    [(row[1], row[2], row[4]) for row in ABOUT_THE_POD],
    ids=[row[0] for row in ABOUT_THE_POD],
)
def test_what_is_about_one_pod_holds_it_and_lets_the_others_go(code, body, why):
    """One odd answer decides nothing: the pod is named in the words of whoever refuses."""
    result = counted((code, body), (201, ""))
    assert (result.evicted, result.blocked, result.error()) == (1, [Reason("shop/web-1", why)], None)


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [(row[1], row[2], row[4]) for row in MAY_PASS],
    ids=[row[0] for row in MAY_PASS],
)
def test_what_may_pass_is_raised_only_when_nothing_moved(code, body, error):
    """Progress is kept; the next attempt asks for the rest. 409 and 429 need not be what they seem."""
    assert type(counted((code, body)).error()) is error
    result = counted((201, ""), (code, body))
    assert (result.error(), result.evicted) == (None, 1)


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [(row[1], row[2], row[4]) for row in ABOUT_US],
    ids=[row[0] for row in ABOUT_US],
)
def test_what_a_person_must_mend_is_raised_even_beside_successes(code, body, error):
    """An unexpected error must never count as done (amazon-k8s-node-drainer did)."""
    assert type(counted((201, ""), (code, body)).error()) is error


def recorded():
    """Each answer to an eviction in the recorded scenarios: (name, status, body)."""
    scenarios = json.loads(gzip.decompress(GOLDEN.read_bytes()))["scenarios"]
    for scenario in scenarios:
        for number, step in enumerate(scenario["steps"]):
            request = step.get("request", {})
            if request.get("method") == "POST" and request["path"].endswith("/eviction"):
                answer = step["response"]
                yield f"{scenario['name']}-{number}", answer["status"], answer.get("body") or {}


def kind(code, body):
    """What the table and a recorded answer have in common: status, reason and cause."""
    if isinstance(body, str):
        return code, "", ""
    causes = body.get("details", {}).get("causes") or [{}]
    return code, body.get("reason", ""), causes[0].get("reason", "")


@pytest.mark.parametrize(("name", "code", "body"), list(recorded()))
def test_each_recorded_answer_is_in_the_table(name, code, body):
    """The table is about a real API server; a new recording with a new kind of answer needs a row."""
    known = [outcome for row, answered, outcome in TABLE if kind(row, answered) == kind(code, body)]
    assert code in (200, 201) or classify(Answer(code, body)) in known


def test_the_budgets_that_are_too_many_are_named():
    """The API server does not name them; whoever is to edit one needs the names."""
    mine = Reason("shop/web-1", "more than one disruption budget selects it (a and b)")
    result = tally([(Named, Answer(500, status(500, TWO)))], [mine])
    assert result.blocked == [mine]


def test_of_a_budget_the_server_has_the_last_word():
    """Our own reading may be older than its answer."""
    mine = Reason("shop/web-1", "disruption budget web needs 3 healthy pods and has 3")
    assert tally([(Named, Answer(429, held_by(429, BUDGET)))], [mine]).blocked == [Reason(Named.key, OURS)]
    assert tally([(Named, Answer(201, ""))], [mine]).blocked == []


ALIKE = [
    ("The disruption budget web needs 1 healthy pods and has 1 currently", {"desired": 1, "current": 1}),
    ("The disruption budget web needs 2 healthy pods and has 0 currently", {"desired": 2, "current": 0}),
    ("The disruption budget web does not allow evicting pods currently", {"desired": 1, "current": 2}),
    ("The disruption budget web is still being processed by the server.", {"observed": False}),
    (UNSYNCED, {"sync_failure": "no scale"}),
]


@pytest.mark.parametrize(("theirs", "counts"), ALIKE, ids=[row[0][27:60] for row in ALIKE])
def test_one_obstacle_has_one_sentence(theirs, counts):
    """Pods of one budget stood in one message in two forms, as if two things held them."""
    budget = Budget(
        "shop", "web", {}, False, **{"allowed": 0, "current": 1, "desired": 1, "observed": True, **counts}
    )
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    pod = pods.parse({"metadata": {"namespace": "shop", "name": "web-1", "uid": "u"}, "status": ready})
    answer = Answer(429, held_by(429, theirs))
    assert tally([(pod, answer)]).blocked == [Reason("shop/web-1", Ledger([budget]).obstacle(pod))]


def test_each_recorded_refusal_of_a_budget_is_in_our_words():
    """A real API server's; a budget is called the same whoever says that it holds."""
    said = {
        Answer(code, body).message for _, code, body in recorded() if "DisruptionBudget" in kind(code, body)
    }
    assert len(said) >= 5
    assert {text for text in said if not text.startswith("disruption budget p")} == set()


@pytest.mark.parametrize("theirs", ["The disruption budget web needs a rest", f"{BUDGET}, until Monday"])
def test_what_nobody_foresaw_about_a_budget_stands_as_it_was_said(theirs):
    """A later Kubernetes may say more; nothing of it is lost."""
    assert tally([(Named, Answer(429, held_by(429, theirs)))]).blocked == [Reason(Named.key, theirs)]


def test_at_most_twenty_blockers_are_named():
    """The document stays small however many pods a node has."""
    named = phrases([Reason(f"shop/web-{n}", "held") for n in range(25)])
    assert len(named) == 21
    assert named[-1] == "and 5 more"
    assert phrases([Reason("a/b", "held")]) == ["a/b: held"]


def test_an_empty_batch_is_no_error():
    """A node with nothing to evict is the end of a drain, not a failure."""
    assert Tally().error() is None


@pytest.mark.parametrize(
    "body", [{"details": None}, {"details": {"causes": None}}, {"details": {"causes": ["x"]}}, {}]
)
def test_a_status_of_another_form_is_read_as_far_as_it_goes(body):
    """A proxy or a later Kubernetes may answer so; the drain must not crash on it."""
    assert classify(Answer(429, body)) is Outcome.THROTTLED
    assert Answer(429, body).message == ""
