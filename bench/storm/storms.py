"""Which storms are played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stepdrain_sandbox.aws.quotas import CONCURRENT_EXECUTIONS, OF_A_NEW_ACCOUNT, QUOTAS, Region

Kind = Literal["spot", "scale-in", "refresh"]
ALONE = "one alone"
HALF = ", half of what is assumed"
"""How the name of a storm ends that was played at half of the assumed quotas."""
ONCE_EACH = ("StartExecution", "CompleteLifecycleAction")
"""What each drain of a hook has to ask AWS for, one after the other; nothing else can be shared or cached."""


@dataclass(frozen=True)
class Storm:
    """``instances`` go within ``within_s`` seconds; ``concurrent`` functions may run at once.

    ``spot``: EC2 takes each instance two minutes after its notice; ``scale-in``: a lifecycle hook holds it;
    ``refresh``: the same, and another instance is launched for it. ``share`` is the part that is granted of
    a quota that AWS does not publish; ``waiting`` is the parameter Waiting.
    """

    kind: Kind
    instances: int
    within_s: float = 10.0
    region: Region = "other"
    concurrent: int = CONCURRENT_EXECUTIONS
    share: float = 1.0
    waiting: Literal["watch", "poll"] = "watch"

    def forced_s(self) -> dict[str, float]:
        """Seconds by which quotas make the last drain late, by operation, however it is drained."""
        asked = ("StartExecution",) if self.kind == "spot" else ONCE_EACH
        late = {}
        for operation in asked:
            burst, refill = QUOTAS[operation].of(self.region, self.share)
            late[operation] = max(0.0, (self.instances - burst) / refill - self.within_s)
        return late


STORMS = {
    "1,000 spot notices in 10 s": Storm("spot", 1000),
    "500 by scale-in": Storm("scale-in", 500, within_s=1.0),
    "2,000 by scale-in": Storm("scale-in", 2000, within_s=1.0),
    "500 by an instance refresh, 10 a minute": Storm("refresh", 500, within_s=3000.0),
    "50 with 10 concurrent executions": Storm("scale-in", 50, within_s=1.0, concurrent=OF_A_NEW_ACCOUNT),
    "50 with 10 concurrent executions, Waiting=poll": Storm(
        "scale-in", 50, within_s=1.0, concurrent=OF_A_NEW_ACCOUNT, waiting="poll"
    ),
}
SMALL = {
    "50 spot notices in 0.5 s": Storm("spot", 50, within_s=0.5),
    "50 by scale-in": Storm("scale-in", 50, within_s=1.0),
    "50 with 10 concurrent executions": STORMS["50 with 10 concurrent executions"],
}


def of_name(name: str, storms: dict[str, Storm]) -> Storm:
    """The storm of a row's name, at half of the assumed quotas where the name says so."""
    whole = storms[name.removesuffix(HALF)]
    return Storm(**{**vars(whole), "share": 0.5}) if name.endswith(HALF) else whole
