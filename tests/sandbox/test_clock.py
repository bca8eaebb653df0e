"""The virtual clock jumps when everybody waits, and only then."""

import threading

import pytest

from stepdrain_sandbox.clock import VirtualClock


@pytest.fixture
def clock():
    """A virtual clock that starts at 0."""
    clock = VirtualClock(start=0)
    yield clock
    clock.close()


def test_sleeping_takes_no_real_time(clock):
    """48 hours pass in a moment."""
    clock.enter()
    clock.sleep(172_800)
    assert clock.now() == 172_800


def test_two_sleepers_wake_in_the_order_of_their_times(clock):
    """Executions side by side see one time."""
    woke = []

    def sleeper(seconds):
        clock.sleep(seconds)
        woke.append((seconds, clock.now()))
        clock.leave()

    clock.enter()
    clock.enter()
    threads = [threading.Thread(target=sleeper, args=(seconds,)) for seconds in (20, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert woke == [(10, 10), (20, 20)]


def test_time_stands_still_while_an_actor_is_busy(clock):
    """Else a timer would overtake the work that comes before it."""
    fired = threading.Event()
    clock.enter()
    clock.call_at(5, fired.set)
    assert not fired.wait(0.05)
    clock.sleep(5)
    assert fired.is_set()


def test_a_cancelled_timer_does_nothing(clock):
    """A heartbeat that came in time cancels the hook's time-out."""
    fired = []
    clock.enter()
    clock.call_at(5, lambda: fired.append("late")).cancel()
    clock.sleep(10)
    assert fired == []


def test_an_idle_actor_lets_time_pass_and_ending_twice_counts_once(clock):
    """A watch is ended by its event and by its connection's end."""
    clock.enter()
    handle = clock.idle()
    woken = threading.Event()

    def wake():
        handle.end()
        handle.end()
        woken.set()

    clock.call_at(30, wake)
    assert woken.wait(5)
    fired = threading.Event()
    clock.call_at(31, fired.set)
    assert not fired.wait(0.05)
    assert clock.now() == 30


def test_a_sleeper_is_never_overtaken_by_a_later_timer(clock, monkeypatch):
    """The clock once jumped half an hour between an actor's going idle and its saying for how long."""
    clock.enter()
    clock.call_at(1800, lambda: None)
    idle = clock.idle

    def slowly():
        handle = idle()
        threading.Event().wait(0.05)  # Real time, in which the clock's thread could run.
        return handle

    monkeypatch.setattr(clock, "idle", slowly)
    clock.sleep(5)
    assert clock.now() == 5
