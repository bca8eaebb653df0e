"""How a drain ends when something goes wrong: the tables that test_faults.py holds the world to.

Rows are faults, columns the places that they hit. A cell says how the drain ends:

    ·            it goes on, and the instance is let go in the end
    SomeError    the execution fails in this state with this error, the instance is held, and once
                 the fault is repaired a redrive goes on to the end
    letter:…     nothing was started, and the event lies in the dead-letter queue with this error
    –            this fault cannot happen there
"""

from __future__ import annotations

import re

KUBERNETES = """
                         FindNode          Label             Cordon            EvictBatch        eviction          WaitForPods       watch                 WaitForVolumes    WaitForTargets
401 once                 ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
401 for ever             KubeUnauthorized  KubeUnauthorized  KubeUnauthorized  KubeUnauthorized  KubeUnauthorized  KubeUnauthorized  ·                     KubeUnauthorized  KubeUnauthorized
10 s of 401              ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
10 s of 403              ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
webhook refuses one pod  –                 –                 –                 –                 ·                 –                 –                     –                 –
403                      KubeForbidden     ·                 KubeForbidden     KubeForbidden     KubeForbidden     KubeForbidden     ·                     KubeForbidden     ·
409                      ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
429 budget               ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
429 overload             ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
500                      ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
500 two budgets          ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
503                      ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
slow answer              ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
reset                    ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
cut in the middle        ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
truncated JSON           ·                 ·                 ·                 ·                 ·                 ·                 ·                     ·                 ·
TLS failure              ·                 ·                 ·                 ·                 –                 ·                 –                     ·                 ·
gone for ten minutes     ·                 ·                 ·                 ·                 –                 ·                 –                     ·                 ·
"""

NODE = """
                         Label             Cordon            EvictBatch        WaitForPods       WaitForVolumes    WaitForTargets
cordon lifted            ·                 ·                 ·                 ·                 ·                 ·
node registered anew     ·                 ·                 ·                 ·                 ·                 ·
stale twin node          ·                 ·                 ·                 ·                 ·                 ·
"""
"""What happens to the Node just before this state's first attempt, behind a budget that holds one pod for a while."""

PLACES = {
    # place: (state, RBAC verb, path); the fault hits the first request of the state that fits.
    "FindNode": ("FindNode", "get", "/nodes/"),
    "Label": ("Label", "patch", "/nodes/"),
    "Cordon": ("Cordon", "patch", "/nodes/"),
    "EvictBatch": ("EvictBatch", "list", ""),
    "eviction": ("EvictBatch", "create", "/eviction"),
    "WaitForPods": ("WaitForPods", "list", ""),
    "watch": ("WaitForPods", "watch", ""),
    "WaitForVolumes": ("WaitForVolumes", "list", ""),
    "WaitForTargets": ("WaitForTargets", "list", ""),
}
WITHOUT_KUBERNETES = {"Heartbeat", "CompleteAction"}
"""Task states that send the cluster nothing; a test proves it."""

AWS = """
                                        throttling  no active action        denied            timeout  credentials expired
StartDrain DescribeAutoScalingGroups    ·           letter:AwsRejected      letter:AwsDenied  ·        letter:AwsDenied
StartDrain DescribeLifecycleHooks       ·           letter:AwsRejected      letter:AwsDenied  ·        letter:AwsDenied
StartDrain StartExecution               ·           letter:AwsRejected      letter:AwsDenied  ·        letter:AwsDenied
StartDrain GetItem                      ·           ·                       ·                 ·        ·
StartDrain PutItem                      ·           ·                       ·                 ·        ·
StartDrain DescribeCluster              ·           ·                       ·                 ·        ·
FindNode GetItem                        ·           ·                       ·                 ·        ·
FindNode DescribeInstances              ·           AwsRejected             AwsDenied         ·        AwsDenied
EvictBatch GetItem                      ·           ·                       ·                 ·        ·
WaitForTargets GetResources             ·           AwsRejected             AwsDenied         ·        AwsDenied
Heartbeat RecordLifecycleActionHeartbeat  ·         LifecycleActionExpired  AwsDenied         ·        AwsDenied
CompleteAction CompleteLifecycleAction  ·           ·                       AwsDenied         ·        AwsDenied
Notify GetExecutionHistory              ·           ·                       ·                 ·        ·
Notify Publish                          ·           letter:AwsRejected      letter:AwsDenied  ·        letter:AwsDenied
"""

AWS_BESIDES = """
                                         throttling  no active action    denied            timeout  credentials expired
notice StartDrain DescribeInstances          ·       letter:AwsRejected  letter:AwsDenied  ·        letter:AwsDenied
notice StartDrain DescribeAutoScalingGroups  ·       letter:AwsRejected  letter:AwsDenied  ·        letter:AwsDenied
notice StartDrain ListExecutions             ·       letter:AwsRejected  letter:AwsDenied  ·        letter:AwsDenied
notice StartDrain DescribeExecution          ·       letter:AwsRejected  letter:AwsDenied  ·        letter:AwsDenied
notice StartDrain StartExecution             ·       letter:AwsRejected  letter:AwsDenied  ·        letter:AwsDenied
by-hand FindNode DescribeCluster             ·       AwsRejected         AwsDenied         ·        AwsDenied
by-hand EvictBatch DescribeCluster           ·       AwsRejected         AwsDenied         ·        AwsDenied
by-hand WaitForPods DescribeCluster          ·       AwsRejected         AwsDenied         ·        AwsDenied
by-hand FindNode DescribeInstances           ·       AwsRejected         AwsDenied         ·        AwsDenied
by-hand FindNode DescribeAutoScalingGroups   ·       AwsRejected         AwsDenied         ·        AwsDenied
by-hand FindNode DescribeAutoScalingInstances  ·     AwsRejected         AwsDenied         ·        AwsDenied
by-hand FindNode DescribeLifecycleHooks      ·       AwsRejected         AwsDenied         ·        AwsDenied
turns EvictBatch Query                       ·       AwsRejected         AwsDenied         ·        AwsDenied
turns EvictBatch PutItem                     ·       AwsRejected         AwsDenied         ·        AwsDenied
turns CompleteAction Query                   ·       ·                   ·                 ·        ·
turns CompleteAction DeleteItem              ·       ·                   ·                 ·        ·
launch StartDrain DescribeLifecycleHooks     ·       letter:AwsRejected  letter:AwsDenied  ·        letter:AwsDenied
launch StartDrain StartExecution             ·       letter:AwsRejected  letter:AwsDenied  ·        letter:AwsDenied
launch WaitForNode GetItem                   ·       ·                   ·                 ·        ·
launch WaitForNode DescribeInstances         ·       AwsRejected         AwsDenied         ·        AwsDenied
launch CompleteAction CompleteLifecycleAction  ·     ·                   AwsDenied         ·        AwsDenied
"""
"""Calls that a drain of one hook does not make; the first word is the kind of drain, in test_faults_besides.py."""

LAMBDA = {
    # What Step Functions calls it: the errorType of Lambda's answer, Lambda.Unknown where there is none.
    "timeout": "Sandbox.Timedout",
    "crash": "Runtime.ExitError",
    "crash without a name": "Lambda.Unknown",
    "out of memory": "Runtime.OutOfMemory",
    "updated": "Runtime.ImportModuleError",
    "inactive": "Lambda.ResourceNotReadyException",
}


def cells(table: str) -> list[tuple[str, str, str]]:
    """(row, column, end) of each cell. Cells are two blanks or more apart."""
    header, *rows = [re.split(r"\s{2,}", line.strip()) for line in table.strip("\n").splitlines()]
    for name, *ends in rows:
        if len(ends) != len(header):
            raise ValueError(f"Row {name!r} has {len(ends)} cells, and the table {len(header)} columns.")
    return [(name, place, end) for name, *ends in rows for place, end in zip(header, ends, strict=True)]
