"""The stopwatch that runs inside the node's hooks alone, and says in which of them."""

import pytest

from lab.benchmarks import own_time
from lab.benchmarks.own_time import Stopwatch, by_hook


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
    inner = stopwatch.during(lambda: clock(3), "inner")

    def of_the_host():
        clock(100)
        inner()
        clock(100)

    def hook():
        clock(1)
        stopwatch.outside(of_the_host)()
        clock(5)

    stopwatch.outside(of_the_host)()
    assert stopwatch.stretches() == [("inner", 3)]
    stopwatch.during(hook, "outer")()
    assert stopwatch.stretches() == [("inner", 3), ("outer", 1), ("inner", 3), ("outer", 5)]
    assert stopwatch.hook is None


def test_a_hook_that_calls_another_counts_for_itself_alone(clock):
    stopwatch = Stopwatch()
    inner = stopwatch.during(lambda: clock(2), "inner")
    stopwatch.during(lambda: (clock(1), inner(), clock(4)), "outer")()
    assert stopwatch.stretches() == [("outer", 1), ("inner", 2), ("outer", 4)]


def test_it_stops_where_a_hook_fails(clock):
    stopwatch = Stopwatch()

    def hook():
        clock(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        stopwatch.during(hook, "one")()
    clock(10)
    assert stopwatch.stretches() == [("one", 1)] and stopwatch.hook is None


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

    assert stopwatch.around(wrapper, "one")(rest, 2, after="back") == "back"
    assert stopwatch.stretches() == [("one", 2), ("one", 2)]


def test_a_record_has_the_seconds_a_step_of_each_hook_and_of_all():
    found = by_hook([("one", 3.0), ("two", 1.0), ("one", 2.0), ("two", 0.5)], steps=2)
    assert found == {"own_seconds": 3.25, "hooks": {"one": 2.5, "two": 0.75}, "stretches": 2}
