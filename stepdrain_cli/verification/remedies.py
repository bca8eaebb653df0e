"""What to type against a finding, with this installation's names filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stepdrain.verification.findings import Finding, Remedy

from stepdrain_cli.clusters import manifests
from stepdrain_cli.verification.checks import Check
from stepdrain_cli.verification.deployed import Deployed

ENDPOINTS = {"tag": "tagging"}
"""The service's name in its VPC endpoint's, where it is not that of its actions."""


@dataclass(frozen=True)
class Remedies:
    """Writes commands for one installation and cluster."""

    deployed: Deployed
    cluster: str

    def check(self, finding: Finding) -> Check:
        """The finding with its command."""
        write = WRITERS.get(finding.remedy)
        command = write(self, finding) if write else ""
        return Check(finding.what, finding.by, finding.result, finding.said, command)

    def access_entry(self, finding: Finding) -> str:
        """Make the entry; an entry that is there with a role that was made anew has to go first."""
        region, arn = self.deployed.region, self._arn(finding)
        return manifests.create_entry(region, self.cluster, arn, self._groups(finding).split())

    def rbac(self, finding: Finding) -> str:
        """Grant the right, and add the function to the group that has it; the entry's other groups stay."""
        manifest, where = manifests.granting(finding.what), self._entry(finding)
        kept = f"$(aws eks describe-access-entry {where} --query accessEntry.kubernetesGroups --output text)"
        update = f"aws eks update-access-entry {where} --kubernetes-groups {kept} {self._groups(finding)}"
        return f"{manifests.command([manifest], self._prefix)} && {update}"

    def iam(self, finding: Finding) -> str:
        """Show what the role has; the stack puts its policy back when the role's resource changes."""
        role = self.deployed.role(finding.by)
        return (
            f"aws cloudformation detect-stack-resource-drift --region {self.deployed.region} "
            f"--stack-name {self.deployed.stack} --logical-resource-id {finding.by}Role"
            f"  # {role} lacks {finding.what}: put it back, or sam build && sam deploy"
        )

    def network(self, _finding: Finding) -> str:
        """A function outside the cluster's VPC, or a security group that lets nobody in."""
        return (
            f"aws eks describe-cluster --region {self.deployed.region} --name {self.cluster} "
            "--query cluster.resourcesVpcConfig  # then sam deploy with SubnetIds of that VPC"
        )

    def endpoint(self, finding: Finding) -> str:
        """Which endpoints the VPC has of the service whose action the finding names."""
        region, service = self.deployed.region, finding.what.partition(":")[0]
        name = f"com.amazonaws.{region}.{ENDPOINTS.get(service, service)}"
        return (
            f"aws ec2 describe-vpc-endpoints --region {region} --filters Name=service-name,Values={name}"
            "  # none: docs/operations.md#private-clusters"
        )

    def node(self, _finding: Finding) -> str:
        """Which nodes there are."""
        return "kubectl get nodes -o custom-columns=NAME:.metadata.name,ID:.spec.providerID"

    @property
    def _prefix(self) -> str:
        return self.deployed.parameters.get("KubernetesGroupPrefix", manifests.PREFIX)

    def _groups(self, finding: Finding) -> str:
        given = self.deployed.parameters
        force = given.get("AllowForce", "true") == "true"
        conditions = given.get("NodeConditions", "false") == "true"
        return " ".join(manifests.groups(finding.by, self._prefix, force=force, conditions=conditions))

    def _arn(self, finding: Finding) -> str:
        return (
            f"$(aws iam get-role --role-name {self.deployed.role(finding.by)} --query Role.Arn --output text)"
        )

    def _entry(self, finding: Finding) -> str:
        cluster = f"--region {self.deployed.region} --cluster-name {self.cluster}"
        return f"{cluster} --principal-arn {self._arn(finding)}"


WRITERS: dict[Remedy, Callable[[Remedies, Finding], str]] = {
    Remedy.ACCESS_ENTRY: Remedies.access_entry,
    Remedy.RBAC: Remedies.rbac,
    Remedy.IAM: Remedies.iam,
    Remedy.NETWORK: Remedies.network,
    Remedy.ENDPOINT: Remedies.endpoint,
    Remedy.NODE: Remedies.node,
}
