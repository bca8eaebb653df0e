"""What the doctor asks: Auto Scaling, EventBridge, EKS, the stack and, with a kubeconfig, the cluster.

A question that cannot be asked is reported as such, and never counts as a good answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from stepdrain.errors import DrainError
from stepdrain.rules.nodes import instance_of
from stepdrain.rules.policy import TAGS

from kubernetes import client
from stepdrain_cli.clusters import manifests
from stepdrain_cli.clusters.cluster import access
from stepdrain_cli.doctor import concurrency, groups
from stepdrain_cli.doctor.groups import Finding, Group, Installation
from stepdrain_cli.terminal.exits import CommandError

Json = dict[str, Any]
DEFAULT_HOOK = "stepdrain"
START_DRAIN = re.compile(r":function:([\w-]+)-StartDrain")
BOUND_GROUPS = ("read", "nodes", "evict")
"""The groups that the manifest rbac binds."""


@dataclass
class Survey:
    """The doctor's answer: groups, what is wrong with the whole installation, what could not be asked."""

    installed: Installation | None = None
    groups: list[Group] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)

    def to_document(self) -> Json:
        """As JSON shows it."""
        return {
            "installed": vars(self.installed) if self.installed else None,
            "groups": [group.to_document() for group in self.groups],
            "findings": [vars(finding) for finding in self.findings],
            "notChecked": self.unasked,
        }

    @property
    def well(self) -> bool:
        """Nothing is wrong with what could be asked."""
        return not self.findings and not any(group.findings for group in self.groups)


@dataclass
class Doctor:
    """Asks about one cluster. ``kubeconfig`` and ``context`` as kubectl takes them, or None."""

    session: boto3.Session
    cluster: str
    stack: str
    """Where several are installed: the one that is meant. Where none has this name: whichever there is."""
    kubeconfig: str | None = None
    context: str | None = None
    result: Survey = field(default_factory=Survey)
    _installations: list[Installation] = field(default_factory=list)

    def examine(self) -> Survey:
        """Ask everything; raises what botocore raises if the groups or rules cannot be read."""
        found = self.result
        self._refuse_unknown_cluster()
        nodes = self._asked("the nodes' instances", self._nodes, frozenset())
        self._installations = self._deployed()
        found.installed = self._own()
        self._choose_stack()
        for group in self._groups():
            if groups.of_cluster(group, self.cluster, nodes):
                found.groups.append(self._group(group))
        self._asked("the access entries", self._access_entries, None)
        self._asked("RBAC", self._rbac, None)
        self._asked("the right to roll workloads", self._right_to_roll, None)
        self._asked("the cluster's endpoint", self._endpoint, None)
        self._asked("the account's concurrent executions", self._concurrency, None)
        return found

    def _refuse_unknown_cluster(self) -> None:
        try:
            self.session.client("eks").describe_cluster(name=self.cluster)
        except ClientError as error:
            if error.response["Error"].get("Code") == "ResourceNotFoundException":
                raise CommandError(
                    f"There is no EKS cluster {self.cluster} in region {self._region}; "
                    f"`aws eks list-clusters --region {self._region}` lists them."
                ) from error
            self.result.unasked.append(f"the cluster: {str(error).splitlines()[0]}")

    def _asked(self, what: str, ask: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return ask()
        except Unasked as reason:
            self.result.unasked.append(f"{what}: {reason}")
        except (ClientError, BotoCoreError, DrainError, client.ApiException) as error:
            self.result.unasked.append(f"{what}: {str(error).splitlines()[0]}")
        return otherwise

    def _groups(self) -> list[Json]:
        client: Any = self.session.client("autoscaling")
        pages = client.get_paginator("describe_auto_scaling_groups").paginate()
        return sorted(
            (group for page in pages for group in page["AutoScalingGroups"]),
            key=lambda one: one["AutoScalingGroupName"],
        )

    def _group(self, group: Json) -> Group:
        name = group["AutoScalingGroupName"]
        hooks = self.session.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=name)
        own = self.result.installed
        takers = [installation for installation in self._installations if self._takes(installation, name)]
        taken_by = own if own in takers or not takers else takers[0]
        judged = groups.judge(
            group, hooks["LifecycleHooks"], taken_by, taken=bool(takers), region=self._region
        )
        if taken_by is own or taken_by is None or judged.covered_by != groups.COVERED:
            return judged
        return replace(judged, covered_by=f"{groups.COVERED} (stack {taken_by.stack})")

    @property
    def _region(self) -> str:
        return str(self.session.region_name)

    def _own(self) -> Installation | None:
        """The installation of our stack, or whichever there is."""
        named = [installation for installation in self._installations if installation.stack == self.stack]
        return next(iter([*named, *self._installations]), None)

    def _choose_stack(self) -> None:
        """Where no stack of that name takes events, ask about the one that does; and name the others."""
        taking = list(dict.fromkeys(installation.stack for installation in self._installations))
        if self.result.installed is None or self.stack in taking:
            return
        self.stack, *others = taking
        if others:
            named = f"stack {' and '.join(others)}: give --stack; what is said here is about {self.stack}"
            self.result.unasked.append(named)

    def _deployed(self) -> list[Installation]:
        """The rules that hand terminations to a StartDrain, of all stacks; a pattern names the hook."""
        events, found = self.session.client("events"), []
        for page in events.get_paginator("list_rules").paginate():
            for rule in page["Rules"]:
                pattern = json.loads(rule.get("EventPattern") or "{}")
                # An installation has a rule for launches, too, with another hook.
                taken = pattern.get("detail-type", [groups.TERMINATIONS])
                source = "aws.autoscaling" in pattern.get("source", ())
                if rule["State"] != "ENABLED" or not source or groups.TERMINATIONS not in taken:
                    continue
                targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
                stacks = [named[1] for target in targets if (named := START_DRAIN.search(target["Arn"]))]
                if stacks:
                    hook = pattern.get("detail", {}).get("LifecycleHookName", [DEFAULT_HOOK])[0]
                    found.append(Installation(hook, rule["Name"], rule["EventPattern"], stacks[0]))
        return found

    def _takes(self, installed: Installation, group: str) -> bool:
        account = "000000000000"
        sent = json.dumps(groups.event(group, installed.hook, account, self._region))
        answer = self.session.client("events").test_event_pattern(EventPattern=installed.pattern, Event=sent)
        return bool(answer["Result"])

    def _nodes(self) -> frozenset[str]:
        if self.kubeconfig is None:
            raise Unasked("no --kubeconfig was given; groups without tags are not found")
        cluster = access(self.kubeconfig, self.context).kube()
        return frozenset(instance_of(node) for node in cluster.nodes())

    def _outputs(self) -> dict[str, str]:
        described = self.session.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described[0].get("Outputs", ())}

    def _access_entries(self) -> None:
        if self._cluster().get("accessConfig", {}).get("authenticationMode") == "CONFIG_MAP":
            raise Unasked(
                f"cluster {self.cluster} knows aws-auth alone (CONFIG_MAP). Deploy with "
                "CreateAccessEntries=false, and map the roles there: docs/operations.md, step 4"
            )
        roles, given = self._outputs().get("KubernetesRoleArns", ""), self._parameters()
        options = {
            "force": given.get("AllowForce", "true") == "true",
            "conditions": given.get("NodeConditions", "false") == "true",
        }
        pages = (
            self.session.client("eks").get_paginator("list_access_entries").paginate(clusterName=self.cluster)
        )
        present = {arn for page in pages for arn in page["accessEntries"]}
        for role in filter(None, roles.split(",")):
            if role not in present:
                named = manifests.groups(function_of(role), self._group_prefix(), **options)
                command = manifests.create_entry(self._region, self.cluster, role, named)
                self.result.findings.append(Finding(f"role {role} has no access entry", command))

    def _rbac(self) -> None:
        if self.kubeconfig is None:
            raise Unasked("no --kubeconfig was given")
        bound = self._bound_groups()
        prefix = self._group_prefix()
        missing = [group for bound_group in BOUND_GROUPS if (group := f"{prefix}-{bound_group}") not in bound]
        if missing:
            what = f"no ClusterRoleBinding is for {' and '.join(missing)}: drains would be forbidden"
            self.result.findings.append(Finding(what, manifests.command(["rbac"], prefix)))

    def _bound_groups(self) -> set[str]:
        api = client.RbacAuthorizationV1Api(access(self.kubeconfig, self.context).api_client())
        listed = json.loads(api.list_cluster_role_binding(_preload_content=False).data)["items"]
        subjects = [subject for binding in listed for subject in binding.get("subjects") or ()]
        return {subject["name"] for subject in subjects if subject["kind"] == "Group"}

    def _right_to_roll(self) -> None:
        """Where the policy `roll` is on, for the installation or a group, its file must be applied."""
        asking, prefix = self._asks_for_rolls(), self._group_prefix()
        if not asking or self.kubeconfig is None or f"{prefix}-roll" in self._bound_groups():
            return
        what = f"{asking} asks for rolls, and no ClusterRoleBinding is for {prefix}-roll: nothing is rolled"
        self.result.findings.append(Finding(what, manifests.command(["roll"], prefix)))

    def _asks_for_rolls(self) -> str:
        for group in self._groups():
            tags = {tag["Key"]: tag["Value"] for tag in group.get("Tags", ())}
            if tags.get(TAGS["roll"], "off") != "off":
                return f"the tag {TAGS['roll']} of {group['AutoScalingGroupName']}"
        return "the parameter RollBlocked" if self._parameters().get("RollBlocked", "off") != "off" else ""

    def _group_prefix(self) -> str:
        return self._parameters().get("KubernetesGroupPrefix", manifests.PREFIX)

    def _parameters(self) -> dict[str, str]:
        """The stack's parameters."""
        described = self.session.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        return {each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", ())}

    def _concurrency(self) -> None:
        client: Any = self.session.client("lambda")
        limit = client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        found = concurrency.finding(limit, self._parameters())
        self.result.findings += [found] if found else []

    def _cluster(self) -> Json:
        client: Any = self.session.client("eks")
        described: Json = client.describe_cluster(name=self.cluster)["cluster"]
        return described

    def _endpoint(self) -> None:
        network = self._cluster().get("resourcesVpcConfig", {})
        if network.get("endpointPublicAccess", True):
            return
        # The one function whose name the stack outputs; it is in the subnets of all that talk to Kubernetes.
        function = self._outputs()["NotifyFunctionName"]
        configured = self.session.client("lambda").get_function_configuration(FunctionName=function)
        own = configured.get("VpcConfig", {}).get("VpcId", "")
        if own != network.get("vpcId"):
            where = f"in VPC {own}" if own else "in no VPC"
            self.result.findings.append(
                Finding(
                    f"cluster {self.cluster} has a private endpoint only, in VPC {network.get('vpcId')}, "
                    f"and the functions run {where}",
                    "sam deploy --parameter-overrides SubnetIds=subnet-… SecurityGroupIds=sg-…",
                )
            )


def function_of(role_arn: str) -> str:
    """The function of a role, whose name has the function's in it; "" if it has none."""
    found = re.search(r"-(\w+)Role(?:-|$)", role_arn)
    return found[1] if found else ""


class Unasked(Exception):
    """Why a question was not asked."""
