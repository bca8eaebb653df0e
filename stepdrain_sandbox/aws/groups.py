"""What DescribeAutoScalingGroups can leave out, which moto does not know: the groups' instances.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html (IncludeInstances)
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from unittest import mock

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult


@contextlib.contextmanager
def described_in_part() -> Iterator[None]:
    """While this lasts, ``IncludeInstances=False`` gives groups without their instances."""
    describe = AutoScalingResponse.describe_auto_scaling_groups

    def described(response: AutoScalingResponse) -> ActionResult:
        answer = describe(response)
        if response._get_bool_param("IncludeInstances", True):
            return answer
        groups = [_without_instances(group) for group in answer.result["AutoScalingGroups"]]
        return ActionResult({**answer.result, "AutoScalingGroups": groups})

    with mock.patch.object(AutoScalingResponse, "describe_auto_scaling_groups", described):
        yield


def _without_instances(group: FakeAutoScalingGroup) -> FakeAutoScalingGroup:
    alone = copy.copy(group)
    alone.instance_states = []
    return alone
