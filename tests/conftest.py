"""What tests of the whole world share."""

import copy
import gc
import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test
from hypothesis import settings as hypothesis_settings
from stepdrain.intake.settings import IntakeSettings
from stepdrain.rules.policy import Policy

from tests.shards import seeded

# `make test` derives its examples from their shards' numbers: the same each time, on every machine.
# `make test-more` makes new ones, and prints how to repeat one that fails.
SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
hypothesis_settings.register_profile("ci", derandomize=True, database=None, max_examples=25, **SLOW)
hypothesis_settings.register_profile("more", max_examples=500, print_blob=True, **SLOW)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Look for garbage less often, also while packages are imported: that is an eighth of the CPU time.
gc.set_threshold(50_000, 20, 100)

# No test asks an endpoint, a profile or a file of whoever runs it (tests/sandbox/test_sealed.py).
SEALED = {
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
os.environ.update(SEALED)
os.environ.pop("AWS_PROFILE", None)

KUBECTL = shutil.which("kubectl")
EVENTS = Path(__file__).parent / "events"


def pytest_terminal_summary(terminalreporter):
    """Say aloud what was not tested: a skip in a row of dots is not seen."""
    if KUBECTL is None:
        text = "kubectl is not installed: tests/sandbox/kube/test_kubectl.py was skipped."
        terminalreporter.write_line(text, yellow=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep together what shares a fixture: otherwise each process of `make test` makes its own, or waits."""
    for item in items:
        shared = {}
        for name, definitions in item._fixtureinfo.name2fixturedefs.items():
            ours = definitions[-1].baseid.startswith("tests")
            shared.setdefault(definitions[-1].scope if ours else "", name)
        if "session" in shared or "module" in shared:
            item.add_marker(pytest.mark.xdist_group(shared.get("session") or item.nodeid.split("::")[0]))


def pytest_collection_finish():
    """From now on look for no garbage among what was imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def quiet_functions():
    """The functions' own log is for CloudWatch; pytest would capture megabytes of it."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def own_examples(request):
    """Give each shard of a property the examples of its number."""
    if "shard" in request.fixturenames and is_hypothesis_test(request.function):
        seeded(request.function, request.getfixturevalue("shard"))


@pytest.fixture
def world():
    """Three nodes with the demo's workload, in virtual time."""
    # Imported here: it takes two seconds, also where no test needs it, and in xdist's own process.
    from stepdrain_sandbox.workload import cluster_workload
    from stepdrain_sandbox.world import World

    with World(workload=cluster_workload) as world:
        yield world


@pytest.fixture
def terminate_event():
    """The documented event of a terminating instance, the test's own copy."""
    return copy.deepcopy(json.loads((EVENTS / "terminate-lifecycle-action.json").read_text()))


@pytest.fixture
def settings():
    """An installation for cluster demo, group workers, hook stepdrain."""
    return IntakeSettings(
        cluster="demo",
        other_clusters=(),
        state_machine_arn="arn:aws:states:eu-west-1:123456789012:stateMachine:DrainNode",
        account_id="123456789012",
        hook_name="stepdrain",
        launch_hook_name="stepdrain-launch",
        group_names=("workers",),
        group_prefix="",
        skip_managed_node_groups=True,
        policy=Policy(),
    )
