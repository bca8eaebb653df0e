"""The world as a whole: what it leaves behind when it cannot begin."""

import gc
import weakref

import pytest

from stepdrain_sandbox.world import World


@pytest.mark.parametrize("broken", [{"workload": lambda _nodes: 1 / 0}, {"parameters": {"Unknown": "x"}}])
def test_a_world_that_cannot_begin_leaves_the_next_one_alone(broken):
    """One test with a wrong template made every later one of its process fail, with "already exists"."""
    with pytest.raises((ZeroDivisionError, ValueError)):
        World(nodes=1, **broken).__enter__()
    with World(nodes=1) as world:
        assert len(world.instances) == 1


def test_a_world_that_is_over_is_forgotten():
    """Of hundreds in a row none is held by a cache, by a thread that has ended, or by moto."""
    worlds = []
    for _ in range(2):
        with World() as world:
            world.terminate(next(iter(world.instances)))
            world.settle()
        worlds.append(weakref.ref(world))
    del world
    gc.collect()
    assert worlds[0]() is None
