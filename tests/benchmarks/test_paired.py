"""The benchmark's statistics and goals, on times made by hand."""

import numpy as np
import pandas as pd
import pytest

from lab.benchmarks.paired import estimate, half_limit, ratio
from lab.benchmarks.report import at_most


def test_a_slow_repetition_slows_both_sides_of_a_ratio():
    times = pd.DataFrame({"all": [2.0, 20.0, 4.0], "limit": [1.0, 10.0, 2.0]})
    assert ratio(times, lambda t: t["all"], lambda t: t["limit"])[:3] == (2.0, 2.0, 2.0)


def test_half_the_limit_lies_half_way_from_unpatched():
    assert half_limit(pd.DataFrame({"unpatched": [1.0], "limit": [3.0]})).tolist() == [2.0]


def test_the_interval_holds_the_median_and_is_the_same_each_time():
    values = np.random.default_rng(0).normal(1.0, 0.01, 15)
    found = estimate(values)
    assert found.low < found.median < found.high and found == estimate(values)
    assert found.high - found.low < values.max() - values.min()


@pytest.mark.parametrize(
    ("shift", "met", "said"),
    [(-0.05, True, "met"), (0.0, True, "not missed; the interval reaches beyond"), (0.05, False, "missed")],
)
def test_a_goal_is_missed_only_where_the_whole_interval_lies_above(shift, met, said):
    values = 1.005 + shift + np.linspace(-0.01, 0.012, 15)
    goal = at_most("", 1.005, estimate(values))
    assert goal.met is met and goal.row()[-1] == said


def test_one_repetition_is_not_judged():
    assert at_most("", 1.005, estimate(np.array([3.0]))).met is None
