"""What can go wrong in a drain: the names the state machine matches.

Step Functions compares ``ErrorEquals`` with the bare class name of the exception
a Lambda raised; a base class in ``ErrorEquals`` matches nothing
(https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html).
So these names are an interface: statemachine/drain_node.py imports them, an operator
reads them in the console, and docs/operations.md has a section for each.

    DrainError
    ├── NotYet                   the state asks again, by Retry
    │   ├── NodeNotRegistered    ├── NodeNotReady
    │   ├── EvictionBlocked      ├── PodsRemaining      what WaitForPods waits for
    │   ├── VolumesAttached      ├── TargetsDraining    ├── NotYourTurn
    │   ├── CordonsPending       for seconds, before the first eviction in a storm
    │   ├── WatchUnavailable     any of these, by an attempt that could not watch: asked again less often
    │   └── OfFirstDefinition    only for executions that still run on the first definition
    ├── Transient                the same request may succeed in a moment, by Retry
    │   ├── KubeUnavailable      ├── KubeThrottled      ├── KubeConflict
    │   └── AwsUnavailable       └── AwsThrottled
    ├── DrainReleased            the policy lets the instance go; caught, never shown as failed
    ├── NothingToDo              nothing to wait for: the action is completed at once; caught
    ├── HeartbeatDue             a heartbeat comes before the node is marked; caught
    ├── NodeNeverReady           the instance is given back to Auto Scaling; caught
    └── Stopped                  a person has to look; never retried, never caught, so that
        │                        a redrive starts again at the state that stopped
        ├── DrainTimedOut        ├── DrainRefused       ├── LifecycleActionExpired
        ├── KubeUnauthorized     ├── KubeForbidden      ├── KubeRejected
        ├── AdmissionDenied      ├── UnexpectedError
        ├── ClusterNotFound      ├── NodeNotFound
        ├── AwsDenied            ├── AwsRejected
        ├── InvalidEvent         ├── InvalidSettings
        └── FunctionFailed
"""


class DrainError(Exception):
    """The root of all errors this project raises; no state matches it by name."""


class HoldsPods(DrainError):
    """The base of errors that say how many pods are held, for the metrics: ``pods``, a count."""

    def __init__(self, message: str, pods: int = 0) -> None:
        super().__init__(message)
        self.pods = pods


class NotYet(DrainError):
    """Nothing is wrong: what the state waits for has not come about yet."""


class NodeNotRegistered(NotYet):
    """No node of the cluster has this instance's providerID (yet, or ever)."""


class NodeNotReady(NotYet):
    """A launching instance has no node yet, or it is not Ready, or its DaemonSets' pods are not."""


class EvictionBlocked(HoldsPods, NotYet):
    """No pod of the node can be evicted: budgets (named in the message) do not allow it now."""


class NotYourTurn(NotYet):
    """The group's limit of concurrent drains is reached: others evict first, in order of arrival."""


class CordonsPending(NotYet):
    """Other drains have begun just now: nothing is evicted before their nodes are cordoned, too."""


class PodsRemaining(NotYet):
    """Evicted pods are still on the node, within their grace period."""


class VolumesAttached(NotYet):
    """Volumes of pods that have left are still attached to the node's instance."""


class TargetsDraining(NotYet):
    """Load balancers still hold the instance as a target: its connections have not ended yet."""


class WatchUnavailable(NotYet):
    """What the state waits for has not come about, and this attempt could not watch for it.

    The message says both. The next attempt comes after seconds instead of at once. ``denied`` says which
    right is missing, if that is the reason.
    """

    def __init__(self, message: str, denied: str = "") -> None:
        super().__init__(message)
        self.denied = denied


class OfFirstDefinition(NotYet):
    """The base of names that only the first definition of DrainNode retries; gone one version later."""


class EvictionStillBlocked(HoldsPods, OfFirstDefinition):
    """EvictionBlocked after the first heartbeat."""


class StillNotYourTurn(OfFirstDefinition):
    """NotYourTurn after the first heartbeat."""


class PodsStillRemaining(OfFirstDefinition):
    """PodsRemaining after the first heartbeat."""


class VolumesStillAttached(OfFirstDefinition):
    """VolumesAttached some minutes after the last pod has left."""


class TargetsStillDraining(OfFirstDefinition):
    """TargetsDraining some minutes after the last pod has left."""


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


class HeartbeatDue(DrainError):
    """Label or Cordon begins late: a heartbeat is sent first, and then the node is found again."""


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


class FunctionFailed(Stopped):
    """A function was not run to its end for ten minutes, and the node could not be found or marked."""
