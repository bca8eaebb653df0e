"""Stepdrain as it is deployed in an account: its FindNode's settings, and a way to the clusters it serves."""

from __future__ import annotations

import json
from collections.abc import Mapping

from botocore.exceptions import ClientError
from stepdrain.adapters.aws import Aws
from stepdrain.adapters.kube import Access, Kube, connect
from stepdrain.intake import settings
from stepdrain.intake.settings import IntakeSettings

from stepdrain_cli.accounts.account import Account
from stepdrain_cli.clusters.cluster import access
from stepdrain_cli.terminal.exits import CommandError


def installed(account: Account) -> IntakeSettings:
    """The settings of the deployed FindNode, so that a command judges as it does.

    CommandError if the state machine is not Stepdrain's; raises what botocore raises if it cannot be read.
    """
    return settings.manual(_environment(account), Aws(account.session).parameter)


def shares_functions(account: Account, machine: str) -> bool:
    """Whether the state machine (an ARN) calls a function that the account's own machine calls.

    So AdmitNode is known by what it does, whatever the two are called. False if it is not there.
    """
    try:
        return bool(_functions(account, machine) & _functions(account, account.machine))
    except ClientError as error:
        if error.response["Error"].get("Code") != "StateMachineDoesNotExist":
            raise
        return False


def _functions(account: Account, machine: str) -> set[str]:
    shown = account.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    states = json.loads(shown["definition"])["States"].values()
    return {called for state in states if (called := (state.get("Parameters") or {}).get("FunctionName"))}


def _environment(account: Account) -> Mapping[str, str]:
    machine = account.client("stepfunctions").describe_state_machine(stateMachineArn=account.machine)
    try:
        function = json.loads(machine["definition"])["States"]["FindNode"]["Parameters"]["FunctionName"]
    except (KeyError, ValueError, TypeError):
        raise CommandError(f"{account.machine} is not Stepdrain's: it has no state FindNode.") from None
    configured = account.client("lambda").get_function_configuration(FunctionName=function)
    variables: Mapping[str, str] = configured.get("Environment", {}).get("Variables", {})
    return variables


def cluster_of(
    account: Account, name: str, kubeconfig: str | None = None, context: str | None = None
) -> Kube:
    """A client for the cluster: by a kubeconfig if one is given, else by EKS with the caller's own identity.

    Raises DrainError (ClusterNotFound, InvalidSettings, Aws…); the cluster itself is not asked yet.
    """
    if kubeconfig:
        return access(kubeconfig, context).kube()
    aws = Aws(account.session)
    endpoint = aws.cluster_endpoint(name)
    return connect(lambda _fresh: Access(endpoint.url, endpoint.ca_pem, aws.kube_token(name)))
