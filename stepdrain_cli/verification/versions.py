"""Whether functions, template, state machines and manifests are of one version, this command line's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import urllib3
import yaml
from stepdrain import VERSION
from stepdrain.errors import DrainError
from stepdrain.verification.findings import Finding, Result

from kubernetes import client
from stepdrain_cli.clusters import manifests
from stepdrain_cli.clusters.cluster import access
from stepdrain_cli.verification.checks import BY, Check
from stepdrain_cli.verification.deployed import Deployed
from stepdrain_cli.verification.service_rights import MACHINES, Arns
from stepdrain_deployed import FOLDER

Json = Mapping[str, Any]
FILES = {"DrainNode": "drain_node", "AdmitNode": "admit_node"}
DEPLOY = f"git checkout v{VERSION} && sam build && sam deploy  # or install the stepdrain that is deployed"
ANSWER_WITHIN_S = (3, 8)
"""Seconds to connect, and to wait for an answer."""


def compared(finding: Finding) -> Check:
    """A function's version, which is what its finding says, beside this command line's."""
    if finding.said == VERSION:
        return Check(finding.what, finding.by, Result.OK)
    said = f"The function is of version {finding.said}, and this command line of {VERSION}."
    return Check(finding.what, finding.by, Result.MISSING, said, DEPLOY)


def template(deployed: Deployed) -> Check:
    """The stack's own version, an output of its template."""
    what, said = "the template's version", deployed.outputs.get("Version", "an older version")
    if said == VERSION:
        return Check(what, BY, Result.OK)
    wrong = f"Stack {deployed.stack} is of {said}, and this command line of {VERSION}."
    return Check(what, BY, Result.MISSING, wrong, DEPLOY)


def definition(deployed: Deployed, machine: str, execution_arn: str) -> Finding:
    """Whether the execution ran the state machine of this version; raises what botocore raises."""
    shown = deployed.account.client("stepfunctions").describe_state_machine_for_execution(
        executionArn=execution_arn
    )
    same = json.loads(shown["definition"]) == json.loads(_rendered(deployed, machine))
    found = Finding("the state machine's definition", machine, Result.OK)
    said = f"It is not that of version {VERSION}: another version is deployed, or somebody has changed it."
    return found if same else replace(found, result=Result.MISSING, said=said)


def _rendered(deployed: Deployed, machine: str) -> str:
    """The definition as template.yaml deploys it, with this stack's ARNs."""
    text, arns = (FOLDER / "statemachine" / f"{FILES[machine]}.asl.json").read_text(), Arns(deployed)
    for name in MACHINES[machine]:
        text = text.replace(f"${{{name}FunctionArn}}", arns.function(name))
    return text.replace("${Partition}", deployed.stack_arn.split(":")[1])


def in_cluster(
    deployed: Deployed, rolls: bool, kubeconfig: str | None, context: str | None
) -> Iterator[Check]:
    """The cluster's RBAC beside the manifests of this version, by the user's own kubeconfig."""
    what = "the manifests in the cluster"
    if kubeconfig is None and context is None:
        yield Check(what, BY, Result.SKIPPED, "Not compared: no --kubeconfig was given.")
        return
    names = applied(deployed.parameters, rolls)
    command = manifests.command(names, deployed.parameters.get("KubernetesGroupPrefix", manifests.PREFIX))
    try:
        api = client.RbacAuthorizationV1Api(access(kubeconfig, context).api_client())
        wrong = [said for name in names for said in _differences(api, name)]
    except (DrainError, client.ApiException, urllib3.exceptions.HTTPError) as error:
        yield Check(what, BY, Result.UNKNOWN, f"You cannot look: {str(error).splitlines()[0]}")
        return
    yield Check(what, BY, Result.MISSING if wrong else Result.OK, " ".join(wrong), command if wrong else "")


def applied(parameters: Mapping[str, str], rolls: bool) -> list[str]:
    """The manifests that the stack's parameters ask for."""
    asked = {
        "force": parameters.get("AllowForce", "true") == "true",
        "roll": rolls,
        "node-conditions": parameters.get("NodeConditions") == "true",
    }
    return ["rbac", *(name for name, wanted in asked.items() if wanted)]


def _differences(api: Any, name: str) -> Iterator[str]:
    for document in yaml.safe_load_all(manifests.text([name])):
        if document["kind"] != "ClusterRole":
            continue
        role = document["metadata"]["name"]
        wanted, there = _rights(document["rules"]), _rights(_rules(api, role))
        if missing := sorted(wanted - there):
            yield f"ClusterRole {role} lacks {', '.join(missing)}."
        if more := sorted(there - wanted):
            yield f"ClusterRole {role} grants {', '.join(more)}, which version {VERSION} does not use."


def _rules(api: Any, role: str) -> list[Json]:
    """The role's rules; none if there is no such role."""
    try:
        answer = api.read_cluster_role(role, _preload_content=False, _request_timeout=ANSWER_WITHIN_S)
    except client.ApiException as error:
        if error.status != 404:
            raise
        return []
    rules: list[Json] = json.loads(answer.data).get("rules") or []
    return rules


def _rights(rules: Iterable[Json]) -> set[str]:
    return {
        f"{verb} {resource}.{group}".rstrip(".")
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule.get("resources", ())
        for group in rule.get("apiGroups", ())
    }
