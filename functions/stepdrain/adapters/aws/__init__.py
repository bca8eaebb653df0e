"""The AWS adapter: the functions call AWS only here, and no botocore error leaves this package.

One module for each service. The clients do not retry: the state machine does, where an operator can see it.
The session that makes them is kept (stepdrain.adapters.connections), since it is what reads the services'
models.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import boto3
import botocore.session

from stepdrain.adapters.aws.auto_scaling import AutoScaling
from stepdrain.adapters.aws.balancers import Balancers
from stepdrain.adapters.aws.cache import Cache
from stepdrain.adapters.aws.calls import QUICK, call
from stepdrain.adapters.aws.ec2 import Ec2
from stepdrain.adapters.aws.eks import Eks
from stepdrain.adapters.aws.executions import Executions
from stepdrain.adapters.aws.leases import Leases
from stepdrain.adapters.aws.parameters import Parameters
from stepdrain.adapters.aws.rehearsed import Rehearsed

MODELS = Path(__file__).with_name("models")


def new_session() -> boto3.Session:
    """A session with the credentials and region of the environment; it caches the models it reads.

    It reads the EC2 model in adapters/aws/models: botocore's own takes 75 ms of CPU and 20 MB more to read
    (docs/decisions/0010).
    """
    # At INFO it logs at each cold start that it found the function's own credentials.
    logging.getLogger("botocore.credentials").setLevel(logging.WARNING)
    core = botocore.session.get_session()
    core.set_config_variable("data_path", str(MODELS))
    return boto3.Session(botocore_session=core)


class Aws(AutoScaling, Ec2, Balancers, Executions, Eks, Parameters, Rehearsed):
    """One account and region, with the calling function's credentials.

    Every method raises AwsThrottled, AwsUnavailable, AwsDenied (naming the action) or AwsRejected.
    """

    def leases(self, table: str) -> Leases:
        """The table of leases (stepdrain.states.concurrency_limit)."""
        return Leases(self._client("dynamodb"), table)

    def cache(self, table: str) -> Cache:
        """The stack's cache, whose answers are waited for no longer than two seconds."""
        return Cache(self._client("dynamodb", QUICK), table)

    def publish(self, topic_arn: str, subject: str, body: str, chat: str) -> None:
        """Send a message to a topic: ``chat`` to HTTPS endpoints (chats subscribe as these), else ``body``.

        https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html
        """
        message = json.dumps({"default": body, "https": chat})
        options = {"TopicArn": topic_arn, "Subject": subject, "Message": message}
        call(self._client("sns"), "publish", MessageStructure="json", **options)
