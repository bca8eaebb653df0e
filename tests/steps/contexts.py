"""The context object of an execution, as a step gets it."""

from datetime import UTC, datetime


def context_time(epoch_s):
    """A time as the context object has it: milliseconds and Z.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
    """
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
