"""What an installation has switched off is not missed by its rehearsal."""

import boto3

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.verification.deployed import deployed
from stepdrain_cli.verification.rehearsal import Rehearsal, findings
from stepdrain_sandbox.aws.account import REGION
from stepdrain_sandbox.workload import cluster_workload
from stepdrain_sandbox.world import GROUP, HOOK, World


def test_a_right_that_the_installation_does_not_want_is_not_missed():
    """AllowForce=false leaves force.yaml out: that is no fault of the cluster's administrator."""
    with World(workload=cluster_workload, parameters={"AllowForce": "false"}) as world:
        session = boto3.Session(region_name=REGION)
        account = Account(session, world.machine, world.clock.now, world.clock.sleep, world)
        asked = Rehearsal(next(iter(world.instances)), "demo", GROUP, HOOK)
        assert [
            one for one in findings(deployed(account, "stepdrain"), asked, print) if one.result != "ok"
        ] == []
