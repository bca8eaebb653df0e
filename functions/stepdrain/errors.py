"""What can go wrong in a drain: the names the state machine matches.

Step Functions compares ``ErrorEquals`` with the bare class name of the exception
a Lambda raised; a base class in ``ErrorEquals`` matches nothing
(https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html).
So these names are an interface: statemachine/drain_node.py imports them, an operator
reads them in the console, and docs/operations.md has a section for each.

    DrainError
    ├── NotYet                   the state asks again later, by Retry
    │   ├── NodeNotRegistered    ├── NodeNotReady
    │   ├── Blocked: EvictionBlocked, EvictionStillBlocked
    │   ├── NotYourTurn          ├── StillNotYourTurn
    │   ├── PodsRemaining        ├── PodsStillRemaining
    │   ├── VolumesAttached      ├── VolumesStillAttached
    │   └── TargetsDraining      └── TargetsStillDraining
    ├── Transient                the same request may succeed in a moment, by Retry
    │   ├── KubeUnavailable      ├── KubeThrottled      ├── KubeConflict
    │   └── AwsUnavailable       └── AwsThrottled
    ├── DrainReleased            the policy lets the instance go; caught, never shown as failed
    ├── NothingToDo              nothing to wait for: the action is completed at once; caught
    ├── NodeNeverReady           the instance is given back to Auto Scaling; caught
    └── Stopped                  a person has to look; never retried, never caught, so that
        │                        a redrive starts again at the state that stopped
        ├── DrainTimedOut        ├── DrainRefused       ├── LifecycleActionExpired
        ├── KubeUnauthorized     ├── KubeForbidden      ├── KubeRejected
        ├── AdmissionDenied      ├── UnexpectedError
        ├── ClusterNotFound      ├── NodeNotFound
        ├── AwsDenied            ├── AwsRejected
        └── InvalidEvent         └── InvalidSettings
"""


class DrainError(Exception):
    """The root of all errors this project raises; no state matches it by name."""


class NotYet(DrainError):
    """Nothing is wrong: what the state waits for has not come about yet."""


class NodeNotRegistered(NotYet):
    """No node of the cluster has this instance's providerID (yet, or ever)."""


class NodeNotReady(NotYet):
    """A launching instance has no node yet, or it is not Ready, or its DaemonSets' pods are not."""


class Blocked(NotYet):
    """The base of the two below. ``pods`` is how many are held, for the metrics."""

    def __init__(self, message: str, pods: int = 0) -> None:
        super().__init__(message)
        self.pods = pods


class EvictionBlocked(Blocked):
    """Not one pod could be evicted: budgets (named in the message) do not allow it now."""


class EvictionStillBlocked(Blocked):
    """As EvictionBlocked, after the first heartbeat: asked less often, to last 48 hours."""


class NotYourTurn(NotYet):
    """The group's limit of concurrent drains is reached: others evict first, in order of arrival."""


class StillNotYourTurn(NotYet):
    """As NotYourTurn, after the first heartbeat: asked less often, to last 48 hours."""


class PodsRemaining(NotYet):
    """Evicted pods are still on the node, within their grace period."""


class PodsStillRemaining(NotYet):
    """As PodsRemaining, after the first heartbeat: asked less often, to last 48 hours."""


class VolumesAttached(NotYet):
    """Volumes of pods that have left are still attached to the node's instance."""


class VolumesStillAttached(NotYet):
    """As VolumesAttached, some minutes after the last pod has left: asked less often, to last 48 hours."""


class TargetsDraining(NotYet):
    """Load balancers still hold the instance as a target: its connections have not ended yet."""


class TargetsStillDraining(NotYet):
    """As TargetsDraining, some minutes after the last pod has left: asked less often."""


class Transient(DrainError):
    """The request was not answered, or the answer was "not now"; the same one may succeed."""


class KubeUnavailable(Transient):
    """The Kubernetes API gave no usable answer: refused, reset, timed out, cut short, or 5xx."""


class KubeThrottled(Transient):
    """The Kubernetes API is overloaded (429 without a disruption budget as its cause)."""


class KubeConflict(Transient):
    """Somebody else changed the object at the same moment (409)."""


class AwsUnavailable(Transient):
    """An AWS API gave no usable answer: connection, timeout or 5xx."""


class AwsThrottled(Transient):
    """An AWS API asks for fewer requests (throttling, resource contention)."""


class DrainReleased(DrainError):
    """The deadline has passed and the policy (continue or abandon) gives the instance up."""


class NothingToDo(DrainError):
    """The instance leaves or enters a warm pool without a running node: its action is completed at once."""


class NodeNeverReady(DrainError):
    """The admission's deadline has passed: the action is abandoned, and the instance replaced."""


class Stopped(DrainError):
    """A person has to look: the execution fails at this state and waits for a redrive."""


class DrainTimedOut(Stopped):
    """The drain's deadline has passed with pods on the node and the policy is to fail."""


class DrainRefused(Stopped):
    """The policy forbids evicting a pod (unmanaged, emptyDir, DaemonSet); nothing was evicted."""


class LifecycleActionExpired(Stopped):
    """Auto Scaling no longer waits for this drain: its heartbeat or global timeout ran out."""


class KubeUnauthorized(Stopped):
    """The cluster does not know the caller (401, also with a new token): no access entry."""


class KubeForbidden(Stopped):
    """The cluster knows the caller, and its role lacks a permission that the message names."""


class KubeRejected(Stopped):
    """The Kubernetes API refused a request as malformed; it would refuse it again."""


class AdmissionDenied(Stopped):
    """A webhook or an admission policy of the cluster refuses what a drain has to write on the node."""


class UnexpectedError(Stopped):
    """Something that nobody foresaw: a mistake in Stepdrain, which its maintainers want to hear of."""


class ClusterNotFound(Stopped):
    """There is no such EKS cluster in this account and region, or it is not ready."""


class NodeNotFound(Stopped):
    """A drain that a person started has no node in the cluster; nothing was drained."""


class AwsDenied(Stopped):
    """The function's role lacks an AWS permission that the message names."""


class AwsRejected(Stopped):
    """An AWS API refused a request as wrong; it would refuse it again."""


class InvalidEvent(Stopped):
    """An event does not have the form its sender documents; nothing was started."""


class InvalidSettings(Stopped):
    """A parameter or environment variable of this installation cannot be used."""
