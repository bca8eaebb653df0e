"""What moto's DescribeAutoScalingGroups lacks: a limit of names, and groups without their instances.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
(AutoScalingGroupNames, IncludeInstances)
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from unittest import mock

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult


@contextlib.contextmanager
def described_in_part() -> Iterator[None]:
    """Inside this context, ``IncludeInstances=False`` returns groups without their instances.

    A request with more names than ``MaxRecords`` (50 by default) is refused.
    """
    describe = AutoScalingResponse.describe_auto_scaling_groups

    def described(response: AutoScalingResponse) -> ActionResult:
        names, most = response._get_param("AutoScalingGroupNames", []), response._get_param("MaxRecords", 50)
        if len(names) > int(most):
            raise AutoscalingClientError("ValidationError", f"More than {most} group names in a request.")
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
