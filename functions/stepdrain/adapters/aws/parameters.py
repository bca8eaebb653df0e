"""Systems Manager's Parameter Store: what does not fit into a function's environment."""

from __future__ import annotations

from stepdrain.adapters.aws.calls import Clients, call


class Parameters(Clients):
    """Its part of stepdrain.adapters.aws.Aws."""

    def parameter(self, name: str) -> str:
        """The value of the parameter of that name."""
        return str(call(self._client("ssm"), "get_parameter", Name=name)["Parameter"]["Value"])
