"""When a caller lets time pass: as one actor, however many requests it has open."""

import asyncio
import contextlib
import threading
from concurrent.futures import wait
from types import SimpleNamespace

import pytest
from kubernetes.client.rest import RESTClientObject
from stepdrain.adapters.kube import Access, connect

from stepdrain_sandbox.clock import Idle, RealClock, VirtualClock
from stepdrain_sandbox.kube import callers
from stepdrain_sandbox.kube.callers import Callers
from stepdrain_sandbox.kube.dynamic_admission import hanging
from stepdrain_sandbox.workload import lone_pod


class Counting:
    """A clock that only counts who is idle."""

    def __init__(self):
        self.idlers = 0

    def idle(self):
        self.idlers += 1
        return Idle(self._end)

    def _end(self):
        self.idlers -= 1


@pytest.fixture
def counted(monkeypatch):
    """(clock, callers) without pauses: one turn of the event loop settles everything."""
    monkeypatch.setattr(callers, "SETTLES_S", 0)
    monkeypatch.setattr(callers, "CLOSES_S", 0)
    # The thread of an invocation here is the event loop's.
    monkeypatch.setattr(callers.time, "clock_gettime", lambda _thread: 0.0)
    clock = Counting()
    return clock, Callers(clock)


async def settled():
    for _ in range(3):
        await asyncio.sleep(0)


def test_two_watches_of_one_caller_are_one_actor(counted):
    """Counted twice, the clock would run on while another execution is at work."""
    clock, known = counted

    async def play():
        pods, budgets = known.call("a"), known.call("a")
        pods.wait()
        await settled()
        assert clock.idlers == 0
        budgets.wait()
        await settled()
        assert clock.idlers == 1
        pods.wake()
        assert clock.idlers == 0
        pods.took()
        pods.end()
        await settled()
        assert clock.idlers == 1
        budgets.end()
        assert clock.idlers == 0

    asyncio.run(play())


def test_what_is_on_its_way_keeps_its_caller_busy(counted):
    """The event comes from another thread, and may arrive just when the watch begins to wait."""
    clock, known = counted

    async def play():
        watch = known.call("a")
        watch.wake()
        watch.wait()
        await settled()
        assert clock.idlers == 0
        watch.took()
        watch.wait()
        await settled()
        assert clock.idlers == 1

    asyncio.run(play())


def test_what_an_invocation_leaves_open_is_nobodys(counted):
    """A watch in a forgotten thread must not let time pass for ever."""
    clock, known = counted

    async def play():
        with known.invocation():
            left = known.call(known._current.name)
            left.wait()
            await settled()
            assert clock.idlers == 1
        assert clock.idlers == 0
        left.wake()
        left.took()
        left.wait()
        await settled()
        assert clock.idlers == 0

    asyncio.run(play())


def test_an_invocation_whose_thread_works_is_not_idle(counted, monkeypatch):
    """It reads a hundred events that have arrived, which takes longer than it takes to settle."""
    clock, known = counted
    monkeypatch.setattr(callers, "WORKS_S", 0)
    worked = iter([1.0, 2.0, 2.0, 2.5, 2.5, 2.5])
    monkeypatch.setattr(callers.time, "clock_gettime", lambda _thread: next(worked))

    async def play():
        with known.invocation():
            call = known.call("invocation-1")
            call.wait()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert clock.idlers == 0
            await settled()
            await settled()
            assert clock.idlers == 1

    asyncio.run(play())


def test_requests_that_nobody_marked_are_callers_of_their_own(counted):
    """kubectl and tests send them."""
    clock, known = counted

    async def play():
        for _ in range(2):
            known.call().wait()
        await settled()
        assert clock.idlers == 2

    asyncio.run(play())


def test_a_thread_that_has_yet_to_ask_keeps_its_invocation_busy(counted, monkeypatch):
    """On a busy machine the first of several evictions hangs before the second thread has sent its own."""
    clock, known = counted
    monkeypatch.setattr(callers, "WORKS_S", 0)
    turn = threading.Event()

    async def play():
        with known.invocation(), known.askers(2) as threads, contextlib.ExitStack() as over:
            over.callback(turn.set)
            name = known._current.name
            late = threads.submit(turn.wait)
            asked = known.call(name)
            asked.wait()
            await settled()
            assert clock.idlers == 1
            asked.wake()
            asked.took()
            later = threads.submit(turn.wait)
            asked.wait()
            await settled()
            assert clock.idlers == 0
            turn.set()
            wait([late, later])
            await settled()
            assert clock.idlers == 1

    asyncio.run(play())


def test_evictions_that_hang_at_once_take_the_time_of_one(kube, clock):
    """As on a real server: sixteen workers wait side by side for the same webhook."""
    with kube.callers.marking(), kube.callers.invocation():
        client = connect(lambda _fresh: Access(kube.url, kube.ca_pem, "admin"))
        for number in range(5):
            kube.cluster.create(lone_pod(f"app-{number}", "n"))
        clock.sleep(3)
        kube.cluster.admission.add_webhook(hanging(10), failure_policy="Ignore", timeout_s=5)
        began = clock.now()
        answers = client.evict(client.pods_on("n").pods, -1)
        assert [answer.status for _, answer in answers] == [201] * 5
        assert clock.now() - began == 5


def test_two_watches_of_one_function_wait_side_by_side(kube, clock):
    """Both last 15 seconds, and so do they together; time stands still again when they are over."""
    with kube.callers.marking(), kube.callers.invocation():
        client = connect(lambda _fresh: Access(kube.url, kube.ca_pem, "admin"))
        kube.cluster.create(lone_pod("app", "n"))
        clock.sleep(3)
        listing = client.pods_on("n")
        began = clock.now()
        with kube.callers.askers(2) as threads:
            watches = [
                threads.submit(client.follow, listing, 15, lambda seen: not seen.pods) for _ in range(2)
            ]
            assert [len(watch.result()[0].pods) for watch in watches] == [1, 1]
        assert clock.now() - began == 15
        client.pods_on("n")
        assert clock.now() - began == 15


@pytest.fixture
def no_guesses(monkeypatch):
    """Pauses so long that only a client's own reports let time pass; a list of those that were needed."""
    for pause in ("SETTLES_S", "WORKS_S", "CLOSES_S"):
        monkeypatch.setattr(callers, pause, 20)
    guessed, after_pause = [], callers._Caller._after_pause

    def noted(caller, *arguments):
        before = caller._idle
        after_pause(caller, *arguments)
        guessed.extend([caller] * (caller._idle is not before))

    monkeypatch.setattr(callers._Caller, "_after_pause", noted)
    return guessed


@pytest.mark.parametrize("of_budgets", [False, True], ids=["one watch", "two watches"])
def test_a_client_that_says_what_it_has_read_needs_no_pause(kube, clock, no_guesses, of_budgets):
    """Most waits of a drain are such watches, and a real pause for each would be most of a test."""
    with kube.callers.marking(), kube.callers.invocation():
        client = connect(lambda _fresh: Access(kube.url, kube.ca_pem, "admin"))
        kube.cluster.create(lone_pod("app", "n"))
        listing = client.pods_on("n")
        listing = client.with_budgets(listing) if of_budgets else listing
        began = clock.now()
        clock.call_at(began + 100, lambda: kube.cluster.remove("Pod", "app", "default"))
        client.follow(listing, 300, lambda view: not view.pods)
        assert clock.now() - began == 100
        client.follow(client.pods_on("n"), 50, lambda _view: False)
        assert clock.now() - began == 150
    assert no_guesses == []


@pytest.mark.parametrize("of_budgets", [False, True], ids=["one watch", "two watches"])
def test_a_client_that_works_on_what_it_has_read_is_busy(kube, clock, api, no_guesses, of_budgets):
    """Otherwise a pod's grace could end while the function still looks at the event before."""
    with kube.callers.marking(), kube.callers.invocation():
        client = connect(lambda _fresh: Access(kube.url, kube.ca_pem, "admin"))
        kube.cluster.create(lone_pod("app", "n"))
        listing = client.pods_on("n")
        listing = client.with_budgets(listing) if of_budgets else listing
        looks = []

        def enough(view):
            at = clock.now()
            # The server has turns in which it could find the function idle.
            for _ in range(5):
                assert api("GET", "/api/v1/nodes/n")[0] == 200
            looks.append(clock.now() - at)
            return not view.pods

        clock.call_at(clock.now() + 100, lambda: kube.cluster.remove("Pod", "app", "default"))
        client.follow(listing, 300, enough)
        assert len(looks) > 1
        assert set(looks) == {0}
    assert no_guesses == []


@pytest.mark.parametrize(("clock", "waits_s"), [(VirtualClock, callers.HUNG_S), (RealClock, (3, 8))])
def test_a_client_in_virtual_time_is_not_hurried_by_the_wall(monkeypatch, clock, waits_s):
    """Fifteen seconds of a storm take a machine longer; the watches broke off, and the drains polled."""
    sent = []
    monkeypatch.setattr(RESTClientObject, "request", lambda *_, **options: sent.append(options))
    clock = clock()
    with Callers(clock).marking():
        RESTClientObject.request(SimpleNamespace(), "GET", "https://cluster", _request_timeout=(3, 8))
    clock.close()
    (options,) = sent
    assert options["_request_timeout"] == waits_s
    assert options["headers"][callers.PATIENCE] == "8"
