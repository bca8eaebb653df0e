"""ListAccessEntries and DescribeAccessEntry, which moto leaves out: the entries of the deployed stack.

https://docs.aws.amazon.com/eks/latest/APIReference/API_ListAccessEntries.html
https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAccessEntry.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from stepdrain_sandbox.aws.deploy import Deployment

Json = dict[str, Any]
PAGE = 100
"""Entries in a page where nothing else is asked for; no more are allowed."""
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


class AccessEntries:
    """Answers for one account and region."""

    def __init__(self, deployment: Callable[[], Deployment], region: str, account: str) -> None:
        self._deployment, self._region, self._account = deployment, region, account

    def answers(self) -> Mapping[str, Callable[[Json], Json]]:
        """By operation: the answer to its parameters."""
        return {"ListAccessEntries": self._listed, "DescribeAccessEntry": self._described}

    def _listed(self, asked: Json) -> Json:
        cluster = self._cluster("ListAccessEntries", asked["clusterName"])
        entries = self._deployment().access_entries
        most, first = asked.get("maxResults", PAGE), asked.get("nextToken", "0")
        if not 1 <= most <= PAGE or not first.isdigit():
            raise _error("ListAccessEntries", "InvalidParameterException", "The request is invalid.")
        # The stack's roles have groups of the cluster's RBAC, and no policies of EKS.
        none = "associatedPolicyArn" in asked
        found = [] if none else sorted(role for name, role in entries if name == cluster["name"])
        end = int(first) + most
        more = {"nextToken": str(end)} if end < len(found) else {}
        return {"accessEntries": found[int(first) : end], **more}

    def _described(self, asked: Json) -> Json:
        cluster, role = self._cluster("DescribeAccessEntry", asked["clusterName"]), asked["principalArn"]
        entry = self._deployment().access_entries.get((cluster["name"], role))
        if entry is None:
            said = (
                "The specified principalArn could not be found. You can view your available access entries "
                "with 'list-access-entries'."
            )
            raise _error("DescribeAccessEntry", "ResourceNotFoundException", said)
        arn = cluster["arn"].replace(":cluster/", ":access-entry/")
        shown = {
            "clusterName": cluster["name"],
            "principalArn": role,
            "kubernetesGroups": entry["KubernetesGroups"],
            "accessEntryArn": f"{arn}/role/{self._account}/{role.rpartition('/')[2]}/sandbox",
            "createdAt": MADE_AT,
            "modifiedAt": MADE_AT,
            "tags": {},
            "username": entry["Username"],
            "type": "STANDARD",
        }
        return {"accessEntry": shown}

    def _cluster(self, operation: str, name: str) -> Json:
        # Which clusters there are, moto knows.
        client: Any = boto3.client("eks", region_name=self._region)
        try:
            found: Json = client.describe_cluster(name=name)["cluster"]
        except ClientError as error:
            refused = error.response["Error"]
            raise _error(operation, refused["Code"], refused["Message"]) from error
        return found


def _error(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
