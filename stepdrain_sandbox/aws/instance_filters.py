"""EC2's filters with wildcards, which moto compares letter by letter.

``*`` matches any number of characters, ``?`` one or none; case counts
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html#advanced-use).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any
from unittest import mock

from moto.ec2 import utils


@contextlib.contextmanager
def with_wildcards() -> Iterator[None]:
    """Inside this context, filters of DescribeInstances heed wildcards in texts."""
    exactly: Callable[[Any, Collection[str]], bool] = utils.instance_value_in_filter_values

    def fits(value: Any, wanted: Collection[str]) -> bool:
        if isinstance(value, str) and any(_pattern(pattern).fullmatch(value) for pattern in wanted):
            return True
        return exactly(value, wanted)

    with mock.patch.object(utils, "instance_value_in_filter_values", fits):
        yield


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", ".?"))
