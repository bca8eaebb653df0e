"""moto's account without what it makes only to throw it away.

moto makes each backend anew in its place before it forgets it, at the beginning and at the end: four default
networks for each account. It also forgets boto3's default session, though a session keeps nothing of an
account.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import boto3
from moto import mock_aws
from moto.core.base_backend import BaseBackend

from stepdrain_sandbox.aws import service_models

CONFIG = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}


@contextlib.contextmanager
def account() -> Iterator[None]:
    """Inside this context moto answers boto3's requests, beginning with an empty account.

    Enter it inside service_models.made_once.
    """
    with (
        # BackendDict.reset empties the dictionaries in which the backends are, right after.
        mock.patch.object(BaseBackend, "reset", return_value=None),
        mock_aws(config=CONFIG),
        mock.patch.object(boto3, "DEFAULT_SESSION", service_models.session("", boto3.Session)),
    ):
        yield
