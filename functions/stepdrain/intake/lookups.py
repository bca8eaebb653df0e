"""What StartDrain asks AWS about many events at once, each thing once.

A thousand spot notices in ten seconds leave no time for a request each: ListExecutions grants 100 at once and
two a second in most regions (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html). So
instances are described together, a group's tags are read once, and running executions are listed once.

Looking for a running drain only spares a second one, which would do no harm. Where it is throttled, or gets
no answer, it is not repeated: then nothing covers the notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from stepdrain.errors import AwsThrottled, AwsUnavailable


class Account(Protocol):
    """What is asked of the AWS adapter."""

    def instance_tags(self, ids: Iterable[str]) -> dict[str, dict[str, str]]: ...
    def instances_in(self, reservation: str) -> dict[str, dict[str, str]]: ...
    def address_of(self, instance_id: str) -> dict[str, str]: ...
    def tags_of_group(self, group: str) -> dict[str, str] | None: ...
    def hook(self, group: str, name: str) -> dict[str, Any]: ...
    def lifecycle_state(self, instance_id: str) -> str: ...
    def execution_names(self, state_machine_arn: str, status: str) -> list[str]: ...
    def execution(self, state_machine_arn: str, name: str) -> Mapping[str, Any] | None: ...


class Lookups:
    """An account (ownership.Account) that is asked for each thing once.

    ``instances`` are all ids that will be asked about; ``at_once`` is entered where a request is made once,
    and not again if it is throttled.
    """

    def __init__(
        self,
        account: Account,
        instances: Iterable[str],
        at_once: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._account, self._instances, self._at_once = account, tuple(dict.fromkeys(instances)), at_once
        self._tags: dict[str, dict[str, str]] | None = None
        self._groups: dict[str, dict[str, str] | None] = {}
        self._names: dict[str, list[str]] = {}
        self.warnings: list[str] = []
        """Sentences about what could not be looked at."""

    def instance_tags(self, ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """The EC2 tags of each of these instances that EC2 knows."""
        if self._tags is None:
            self._tags = self._account.instance_tags(self._instances)
        return {instance: self._tags[instance] for instance in ids if instance in self._tags}

    def instances_in(self, reservation: str) -> dict[str, dict[str, str]]:
        """As the account's."""
        return self._account.instances_in(reservation)

    def address_of(self, instance_id: str) -> dict[str, str]:
        """As the account's."""
        return self._account.address_of(instance_id)

    def tags_of_group(self, group: str) -> dict[str, str] | None:
        """The group's tags; None if there is no such group."""
        if group not in self._groups:
            self._groups[group] = self._account.tags_of_group(group)
        return self._groups[group]

    def hook(self, group: str, name: str) -> dict[str, Any]:
        """As the account's."""
        return self._account.hook(group, name)

    def lifecycle_state(self, instance_id: str) -> str:
        """As the account's."""
        return self._account.lifecycle_state(instance_id)

    def executions_of(self, state_machine_arn: str, instance_id: str, status: str) -> list[Mapping[str, Any]]:
        """The instance's executions of ``status`` that could be looked at."""
        try:
            with self._at_once():
                names = self._listed(state_machine_arn, status)
                own = [name for name in names if name.startswith(f"{instance_id}-")]
                found = [self._account.execution(state_machine_arn, name) for name in own]
        except (AwsThrottled, AwsUnavailable) as error:
            self.warnings.append(f"Whether {instance_id} is being drained already is unknown: {error}")
            return []
        return [execution for execution in found if execution]

    def _listed(self, state_machine_arn: str, status: str) -> list[str]:
        if status not in self._names:
            # Noted first: a list that was refused once is not asked for again.
            self._names[status] = []
            self._names[status] = self._account.execution_names(state_machine_arn, status)
        return self._names[status]
