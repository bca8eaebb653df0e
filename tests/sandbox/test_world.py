"""The world as a whole: what it leaves behind when it cannot begin."""

import pytest

from stepdrain_sandbox.world import World


@pytest.mark.parametrize("broken", [{"workload": lambda _nodes: 1 / 0}, {"parameters": {"Unknown": "x"}}])
def test_a_world_that_cannot_begin_leaves_the_next_one_alone(broken):
    """One test with a wrong template made every later one of its process fail, with "already exists"."""
    with pytest.raises((ZeroDivisionError, ValueError)):
        World(nodes=1, **broken).__enter__()
    with World(nodes=1) as world:
        assert len(world.instances) == 1
