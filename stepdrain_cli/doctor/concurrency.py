"""Whether an account has the concurrent executions that drains need to watch."""

from __future__ import annotations

from collections.abc import Mapping

from stepdrain.rules.reasons import counted

from stepdrain_cli.doctor.groups import Finding

FEW_CONCURRENT = 200
"""With fewer, drains should poll: each that watches holds one of them."""


def finding(limit: int, parameters: Mapping[str, str]) -> Finding | None:
    """What is wrong with ``limit``, the account's concurrent executions, under the stack's parameters.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    if parameters.get("Waiting") == "poll" or int(parameters.get("MaxWatchers", "0")):
        return None
    if limit < FEW_CONCURRENT:
        at_once = f"{counted(limit, 'function')} at once"
        what = f"Lambda runs {at_once} in this account, and each drain that watches holds one"
        return Finding(what, "sam deploy --parameter-overrides Waiting=poll")
    return None
