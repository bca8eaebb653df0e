"""What no function sees: hooks, rules, schedule, subscriptions, dead letters, quotas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError
from stepdrain.reporting import links
from stepdrain.rules.reasons import counted
from stepdrain.verification.findings import Result

from stepdrain_cli.doctor import concurrency
from stepdrain_cli.verification import hooks, rules, subscribers
from stepdrain_cli.verification.checks import BY, Check
from stepdrain_cli.verification.deployed import Deployed
from stepdrain_cli.verification.rehearsal import Rehearsal


def checks(deployed: Deployed, rehearsal: Rehearsal) -> Iterator[Check]:
    """A check for each of them; one that the user may not look at is UNKNOWN, and names the permission."""
    group, hook = rehearsal.group, rehearsal.hook
    for what, look in (
        (f"the hook {hook} of group {group}", lambda: hooks.terminating(deployed, group, hook)),
        (f"the launch hook of group {group}", lambda: hooks.launching(deployed, group)),
        ("the rule for terminations", lambda: rules.taken(deployed, group, hook)),
        ("other installations", lambda: rules.others(deployed, group, hook)),
        *(
            (f"rule {name}", lambda name=name: rules.enabled(deployed, name))
            for name in rules.wanted(deployed)
        ),
        ("the sweep", lambda: _sweep(deployed)),
        ("the topic's subscribers", lambda: subscribers.check(deployed)),
        ("dead letters", lambda: _dead_letters(deployed)),
        ("concurrent executions", lambda: _concurrency(deployed, group)),
    ):
        yield _looked(what, look)
    for other in rehearsal.clusters:
        if other != rehearsal.cluster:
            said = "Not rehearsed: verify a node of it, too (stepdrain verify NODE)."
            yield Check(f"cluster {other}", BY, Result.SKIPPED, said)


def _looked(what: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except (ClientError, BotoCoreError) as error:
        return unseen(what, error)


def unseen(what: str, error: Exception) -> Check:
    """A check that the user may not make; AWS's own words name the permission."""
    return Check(what, BY, Result.UNKNOWN, f"You cannot look: {str(error).splitlines()[0]}")


def _sweep(deployed: Deployed) -> Check:
    """Whatever keeps the sweep from working, the schedule included, shows in this alarm."""
    what, name = "the sweep", deployed.ids["SweepAbsentAlarm"]
    found = deployed.account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if not found:
        return Check(what, BY, Result.MISSING, f"There is no alarm {name}.", "sam build && sam deploy")
    if found[0]["StateValue"] != "ALARM":
        return Check(what, BY, Result.OK)
    said = "No sweep has succeeded for half an hour: an instance whose event is lost waits for nobody."
    log = f"aws logs tail {deployed.ids['SweepLogGroup']} --region {deployed.region} --since 1h"
    return Check(what, BY, Result.MISSING, said, log)


def _dead_letters(deployed: Deployed) -> Check:
    url = deployed.ids["DeadLetters"]
    asked = ["ApproximateNumberOfMessages"]
    found = deployed.account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=asked)[
        "Attributes"
    ]
    count = int(found[asked[0]])
    events = counted(count, "event")
    said = f"{events} could not be handled; next: {links.COMMAND} Dead letters" if count else ""
    command = (
        f"aws sqs receive-message --region {deployed.region} --queue-url {url} --message-attribute-names All"
        if count
        else ""
    )
    return Check("dead letters", BY, Result.MISSING if count else Result.OK, said, command)


def _concurrency(deployed: Deployed, group: str) -> Check:
    what = "concurrent executions of the account"
    limit = deployed.account.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    size = _size(deployed, group)
    raise_it = (
        f"aws service-quotas request-service-quota-increase --region {deployed.region} --service-code lambda "
        f"--quota-code L-B99A9384 --desired-value {max(1000, 4 * size)}"
    )
    if limit < size:
        said = f"{limit} may run, and group {group} may have {counted(size, 'instance')} that go at once."
        return Check(what, BY, Result.MISSING, said, raise_it)
    if (found := concurrency.finding(limit, deployed.parameters)) is not None:
        return Check(what, BY, Result.DEGRADED, f"{found.what}.", found.command)
    return Check(what, BY, Result.OK)


def _size(deployed: Deployed, group: str) -> int:
    client = deployed.account.client("autoscaling")
    (found,) = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    return int(found["MaxSize"])
