"""What a budget will say, worked out in advance; the emulator's answers to the same are in tests/sandbox."""

from dataclasses import replace

import pytest
from stepdrain.rules.budgets import Budget, Ledger, choose, covers, multiple, parse
from stepdrain.rules.pods import Pod

POD = Pod(
    namespace="shop",
    name="web-1",
    uid="u-1",
    phase="Running",
    ready=True,
    labels={"app": "web"},
    annotations={},
    priority_class="",
    owner=None,
    local_storage=False,
    grace_s=30,
    created_at=0.0,
    deletion_at=None,
)
BUDGET = Budget(
    namespace="shop",
    name="web",
    selector={"matchLabels": {"app": "web"}},
    always_allow_unready=False,
    allowed=0,
    current=2,
    desired=2,
    observed=True,
)


def obstacle(pod=POD, **changes):
    return Ledger([replace(BUDGET, **changes)]).obstacle(pod)


def test_a_budget_with_nothing_left_names_what_it_needs():
    """The words of the API server's own cause, with the budget's name, for the console."""
    assert obstacle() == "disruption budget web needs 2 healthy pods and has 2"


def test_a_budget_that_is_zero_although_enough_are_healthy_has_other_words():
    """The server makes the same difference: here waiting for more healthy pods would not help."""
    assert obstacle(current=3) == "disruption budget web does not allow evicting pods now"


def test_a_budget_with_something_left_is_no_obstacle():
    """disruptionsAllowed is what the Eviction API itself looks at."""
    assert obstacle(allowed=1) is None


def test_a_budget_that_was_not_observed_yet_holds():
    """The server answers 429 with Retry-After 10 until the disruption controller has seen it."""
    assert (
        obstacle(allowed=1, observed=False) == "disruption budget web is still being processed by the server"
    )


@pytest.mark.parametrize(
    "change", [{"phase": "Pending"}, {"phase": "Succeeded"}, {"phase": "Failed"}, {"deletion_at": 1.0}]
)
def test_a_budget_does_not_count_for_pods_that_serve_nobody(change):
    """The Eviction API skips the budgets for pods in these states."""
    assert obstacle(replace(POD, **change)) is None


def test_an_unready_pod_may_go_when_enough_others_are_healthy():
    """unhealthyPodEvictionPolicy IfHealthyBudget, the default."""
    assert obstacle(replace(POD, ready=False)) is None
    assert obstacle(replace(POD, ready=False), current=1) is not None


def test_an_unready_pod_may_always_go_under_always_allow():
    """And a ready one may not, whatever the policy says."""
    unready = replace(POD, ready=False)
    assert obstacle(unready, current=1, always_allow_unready=True) is None
    assert obstacle(current=1, always_allow_unready=True) is not None


def test_two_budgets_on_one_pod_are_named_as_what_they_are():
    """The server's 500 has no reason field; a person must edit one of the two."""
    ledger = Ledger([replace(BUDGET, allowed=5), replace(BUDGET, name="all", selector={}, allowed=5)])
    assert ledger.obstacle(POD) == (
        "more than one disruption budget selects it (all and web): the Eviction API refuses that"
    )


@pytest.mark.parametrize(
    ("selector", "covered"),
    [
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "api"}}, False),
        ({}, True),
        (None, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_selector_covers_as_kubernetes_says(selector, covered):
    """An empty selector of policy/v1 takes every pod of the namespace, an absent one none."""
    assert covers(replace(BUDGET, selector=selector), POD) is covered
    assert not covers(replace(BUDGET, selector=selector), replace(POD, namespace="other"))


def test_a_batch_spends_each_budget_only_once():
    """Two pods under a budget of one: the second would only be refused."""
    pods = [replace(POD, name=f"web-{n}", uid=f"u-{n}") for n in (1, 2, 3)]
    choice = choose(pods, [replace(BUDGET, allowed=1, current=3)], batch_size=10)
    assert [pod.name for pod in choice.evict] == ["web-1"]
    assert [str(blocker) for blocker in choice.blocked] == [
        "shop/web-2: disruption budget web needs 2 healthy pods and has 3",
        "shop/web-3: disruption budget web needs 2 healthy pods and has 3",
    ]


def test_blocked_pods_do_not_fill_the_batch():
    """Else a batch of one would ask for the same blocked pod for ever (starvation)."""
    free = replace(POD, name="free", labels={})
    choice = choose([POD, free], [BUDGET], batch_size=1)
    assert [pod.name for pod in choice.evict] == ["free"]


def test_a_batch_has_its_size():
    """batchSize bounds what one attempt sends."""
    pods = [replace(POD, name=f"p-{n}", labels={}) for n in range(5)]
    assert len(choose(pods, [], batch_size=3).evict) == 3


def test_a_budget_is_read_from_its_json():
    """A fresh budget has no status yet: nothing allowed, not observed."""
    raw = {
        "metadata": {"namespace": "shop", "name": "web", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    }
    assert parse(raw) == replace(BUDGET, always_allow_unready=True, current=0, desired=0, observed=False)


NO_SCALE = {
    "type": "DisruptionAllowed",
    "status": "False",
    "reason": "SyncFailed",
    "message": "databases.example.io does not implement the scale subresource",
}


def test_a_budget_that_cannot_be_counted_says_why():
    """Recorded from Kubernetes 1.36.2. `Still being processed` sends somebody to wait for ever."""
    raw = {
        "metadata": {"namespace": "shop", "name": "web", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"conditions": [{"type": "Other"}, NO_SCALE], "disruptionsAllowed": 0},
    }
    assert Ledger([parse(raw)]).obstacle(POD) == (
        f"disruption budget web cannot be counted: {NO_SCALE['message']}"
    )


def test_only_a_failed_sync_is_a_failure_of_the_count():
    """The same condition says with other reasons whether the budget allows anything."""
    status = {"conditions": [{**NO_SCALE, "reason": "InsufficientPods"}]}
    assert parse({"metadata": {"namespace": "shop", "name": "web"}, "status": status}).sync_failure == ""


@pytest.mark.parametrize(
    ("desired", "expected", "observed", "never"),
    [
        (1, 1, True, True),
        (3, 3, True, True),
        (4, 3, True, True),
        (2, 3, True, False),
        (0, 0, True, False),
        (3, 3, False, False),
    ],
)
def test_a_budget_never_gives_way_if_all_its_pods_must_be_healthy(desired, expected, observed, never):
    """maxUnavailable: 0, or minAvailable as large as the number of replicas."""
    budget = replace(BUDGET, desired=desired, expected=expected, observed=observed)
    assert budget.never_gives_way is never


def test_a_selector_of_a_later_kubernetes_is_left_to_the_server():
    """An operator that nobody knows here must neither crash nor hold a pod by our own reading."""
    expression = {"key": "app", "operator": "Like", "values": ["w*"]}
    assert not covers(replace(BUDGET, selector={"matchExpressions": [expression]}), POD)


def test_counts_may_be_text_or_null():
    """A status that a tool wrote by hand is read as far as it goes."""
    raw = {
        "metadata": {"namespace": "shop", "name": "web", "generation": None},
        "spec": None,
        "status": {"disruptionsAllowed": "2", "currentHealthy": None, "conditions": None},
    }
    assert (parse(raw).allowed, parse(raw).current, parse(raw).observed) == (2, 0, True)


@pytest.mark.parametrize(
    ("operator", "values", "with_label", "without"),
    [
        ("In", ["web", "api"], True, False),
        ("In", ["db"], False, False),
        ("NotIn", ["db"], True, True),
        ("NotIn", ["web"], False, True),
        ("Exists", None, True, False),
        ("DoesNotExist", None, False, True),
    ],
)
def test_each_operator_of_a_selector(operator, values, with_label, without):
    """A pod without the label is in no list of its values."""
    selector = {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}
    budget = replace(BUDGET, selector=selector)
    assert covers(budget, POD) is with_label
    assert covers(budget, replace(POD, labels={})) is without


def test_every_line_of_a_selector_has_to_fit():
    """Labels and expressions are ANDed."""
    fits, misfits = ({"key": "app", "operator": name} for name in ("Exists", "DoesNotExist"))
    for expressions, labels, covered in [
        ([fits, fits], {"app": "web"}, True),
        ([fits, misfits], {"app": "web"}, False),
        ([fits], {"app": "db"}, False),
        ([fits], {"app": "web", "tier": "x"}, False),
    ]:
        selector = {"matchLabels": labels, "matchExpressions": expressions}
        assert covers(replace(BUDGET, selector=selector), POD) is covered


@pytest.mark.parametrize(
    ("current", "desired", "spared"), [(1, 1, True), (0, 1, False), (0, 0, False), (3, 0, False)]
)
def test_an_unready_pod_is_spared_where_its_budget_wants_somebody_and_has_him(current, desired, spared):
    """A budget that wants nobody counts as before."""
    assert (obstacle(replace(POD, ready=False), current=current, desired=desired) is None) is spared


def test_a_batch_spends_what_its_own_budget_allows():
    """One for each pod that counts; pods of others, and unready ones that it spares, cost nothing."""
    pods = [replace(POD, name=f"web-{number}", uid=f"{number}") for number in range(3)]
    spared, other = replace(POD, name="spared", ready=False), replace(POD, name="db", labels={})
    everywhere = replace(POD, name="x", namespace="other")
    choice = choose([other, spared, everywhere, *pods], [replace(BUDGET, allowed=2)], batch_size=10)
    assert [pod.name for pod in choice.evict] == ["db", "spared", "x", "web-0", "web-1"]
    assert [blocked.name for blocked in choice.blocked] == ["shop/web-2"]


def test_the_pods_that_two_budgets_select_are_named():
    """Not those that one holds, nor those for which no budget counts."""
    pods = [POD, replace(POD, name="one", labels={}), replace(POD, name="leaves", deletion_at=1.0)]
    found = multiple(pods, [BUDGET, replace(BUDGET, name="all", selector={})])
    assert [(reason.name, "all and web" in reason.why) for reason in found] == [("shop/web-1", True)]


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        # Enough are healthy, and the batch has used what was allowed.
        ({"allowed": 1, "current": 3, "spent": 1}, "needs 2 healthy pods and has 3"),
        ({"allowed": 2, "current": 3, "spent": 1}, None),
        ({"allowed": 0, "current": 2, "spent": 0}, "needs 2 healthy pods and has 2"),
        ({"allowed": 0, "current": 3, "spent": 0}, "does not allow evicting pods now"),
    ],
)
def test_why_a_budget_is_used_up(budget, why):
    """In the server's words where it would say the same."""
    spent = budget.pop("spent")
    ledger = Ledger([replace(BUDGET, **budget)])
    for _ in range(spent):
        ledger.spend(POD)
    found = ledger.obstacle(POD)
    assert found == (why and f"disruption budget web {why}")


@pytest.mark.parametrize(
    ("selector", "readable"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": None, "matchExpressions": None}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "Near"}]}, True),
        ("app=web", False),
        ({"matchLabels": "app=web"}, False),
        ({"matchExpressions": [None]}, False),
        ({"matchExpressions": [{"key": "app"}]}, False),
    ],
)
def test_a_budget_whose_selector_is_none_is_told_when_it_is_read(selector, readable):
    """Whoever lists the budgets skips it then, and none of the drain's decisions meets it."""
    raw = {"metadata": {"namespace": "shop", "name": "web"}, "spec": {"selector": selector}}
    if readable:
        assert parse(raw).selector == selector
    else:
        with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
            parse(raw)
