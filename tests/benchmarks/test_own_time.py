"""The stopwatch that runs inside the node's hooks alone."""

import pytest

from lab.benchmarks import own_time
from lab.benchmarks.own_time import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to go on: `clock(seconds)`."""
    now = [0.0]
    monkeypatch.setattr(own_time, "mark", lambda number: now[0])
    monkeypatch.setattr(own_time, "cuda", lambda: False)

    def passes(seconds):
        now[0] += seconds

    return passes


def test_it_runs_in_a_hook_pauses_in_the_host_and_runs_again_where_the_host_calls_a_hook(clock):
    stopwatch = Stopwatch()
    inner = stopwatch.inside(lambda: clock(3))

    @stopwatch.outside
    def of_the_host():
        clock(100)
        inner()
        clock(100)

    @stopwatch.inside
    def hook():
        clock(1)
        of_the_host()
        clock(5)

    of_the_host()
    assert stopwatch.stretches() == [3]
    hook()
    assert stopwatch.stretches() == [3, 1, 3, 5] and not stopwatch.running


def test_a_hook_that_calls_another_is_one_stretch(clock):
    stopwatch = Stopwatch()
    inner = stopwatch.inside(lambda: clock(2))
    stopwatch.inside(lambda: (clock(1), inner()))()
    assert stopwatch.stretches() == [3]


def test_it_stops_where_a_hook_fails(clock):
    stopwatch = Stopwatch()

    @stopwatch.inside
    def hook():
        clock(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        hook()
    clock(10)
    assert stopwatch.stretches() == [1] and not stopwatch.running


def test_of_a_wrapper_the_rest_of_the_host_s_work_is_left_out(clock):
    stopwatch = Stopwatch()

    def wrapper(rest, seconds, after):
        clock(seconds)
        found = rest(after)
        clock(seconds)
        return found

    def rest(after):
        clock(100)
        return after

    assert stopwatch.around(wrapper)(rest, 2, after="back") == "back"
    assert stopwatch.stretches() == [2, 2]
