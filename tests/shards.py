"""What is long by nature: a part of it runs in `make test`, all of it in `make test-all`.

Generated examples come in shards, each with a seed of its own. Of a table of faults each row and each
column keeps some cells. What is left out is marked `long`.
"""

from collections.abc import Sequence
from typing import Any

import hypothesis
import pytest
from hypothesis import settings

SHARDS = 20


def _shards(count: int) -> Any:
    rest = (pytest.param(number, marks=pytest.mark.long) for number in range(1, count))
    return pytest.mark.parametrize("shard", [0, *rest])


sharded = _shards(SHARDS)
"""For a property: each shard has as many examples as the profile says, and none of another's."""


def nightly(prop: Any) -> Any:
    """As ``sharded``, for a property of whole nights: half as many examples in twice as many shards."""
    half = (settings().max_examples + 1) // 2
    return _shards(2 * SHARDS)(settings(max_examples=half)(prop))


def seeded(prop: Any, shard: int) -> Any:
    """A property (a test with `given`, or a state machine) that derives its examples from the shard's number.

    Under the profile `more` it keeps making new ones.
    """
    return hypothesis.seed(shard)(prop) if settings().derandomize else prop


def sampled(cells: Sequence[tuple[Any, ...]], *axes: int, every: int) -> list[Any]:
    """The cells of a table as parameters of a test; all but each ``every``-th diagonal are `long`.

    ``axes``: which values of a cell say where it stands in the table.
    """
    orders = {axis: list(dict.fromkeys(cell[axis] for cell in cells)) for axis in axes}
    diagonals = [sum(order.index(cell[axis]) for axis, order in orders.items()) for cell in cells]
    return [
        pytest.param(*cell, marks=() if diagonal % every == 0 else pytest.mark.long)
        for cell, diagonal in zip(cells, diagonals, strict=True)
    ]
