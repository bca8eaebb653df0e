"""Where a policy comes from, and what happens to a typing error in it."""

import pytest
from stepdrain.errors import InvalidSettings
from stepdrain.rules.policy import Policy, from_environment, with_tags


def test_a_policy_survives_its_way_through_the_document():
    """StartDrain writes it, every later state reads it."""
    policy = Policy(drain_timeout=600, on_timeout="force", evict_daemonsets=True, grace_period=5)
    assert Policy.from_document(policy.to_document()) == policy


def test_the_document_is_spelled_as_amazon_spells_json():
    """An operator writes it by hand for a manual start; one spelling, camelCase."""
    assert Policy().to_document() == {
        "drainTimeout": 3600,
        "onTimeout": "fail",
        "batchSize": 120,
        "evictUnmanaged": True,
        "deleteEmptydirData": True,
        "evictDaemonsets": False,
        "gracePeriod": -1,
        "stuckAfter": 300,
        "overduePods": "wait",
        "waitForVolumes": True,
        "waitForTargets": "auto",
        "roll": "off",
        "settleTime": 0,
        "maxConcurrentDrains": 0,
        "admitTimeout": 900,
        "admitDaemonsets": False,
    }


def test_the_environment_sets_what_it_names():
    """An empty variable is a parameter left empty in the template: the default holds."""
    environ = {
        "STEPDRAIN_DRAIN_TIMEOUT": "900",
        "STEPDRAIN_EVICT_UNMANAGED": "false",
        "STEPDRAIN_BATCH_SIZE": "",
    }
    assert from_environment(environ) == Policy(drain_timeout=900, evict_unmanaged=False)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("STEPDRAIN_DRAIN_TIMEOUT", "soon", "takes a whole number from 60 to 172800"),
        ("STEPDRAIN_DRAIN_TIMEOUT", "999999", "takes a whole number from 60 to 172800"),
        ("STEPDRAIN_ON_TIMEOUT", "explode", "takes fail, force, force-or-fail, continue or abandon"),
        (
            "STEPDRAIN_WAIT_FOR_TARGETS",
            "3601",
            "takes auto, off, or a whole number of seconds from 1 to 3600",
        ),
        ("STEPDRAIN_EVICT_UNMANAGED", "perhaps", "takes true or false"),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_takes(name, text, sentence):
    """The sentence goes to the log of a function that does not work; it must suffice to repair it."""
    with pytest.raises(InvalidSettings, match=sentence):
        from_environment({name: text})


def test_an_unknown_policy_in_a_document_is_refused():
    """A manual start with a misspelt policy must not run with the default unnoticed."""
    with pytest.raises(InvalidSettings, match="There is no policy 'onTimeuot'"):
        Policy.from_document({"onTimeuot": "force"})


def test_a_group_narrows_the_policy_by_tags():
    """Owners of a group need no access to the stack's parameters."""
    policy, problems = with_tags(Policy(), {"stepdrain:drain-timeout": "1200", "Name": "workers"})
    assert (policy.drain_timeout, problems) == (1200, [])


def test_a_bad_tag_is_reported_and_the_default_used():
    """A typing error in a tag must not stop the drain of a dying node."""
    policy, problems = with_tags(Policy(), {"stepdrain:on-timeout": "explode"})
    assert policy == Policy()
    assert problems == [
        "Tag stepdrain:on-timeout: Policy onTimeout cannot be 'explode': "
        "it takes fail, force, force-or-fail, continue or abandon. Using fail."
    ]
