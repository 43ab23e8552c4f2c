"""The benchmark's statistics, on times made by hand."""

import numpy as np
import pandas as pd

from lab.benchmarks.cases import VARIANTS
from lab.benchmarks.report import RATIOS, by_case, estimate, shown


def samples(case, times):
    """Records of repetitions, each with the seconds of some variants."""
    return [
        {"case": case, "repetition": n, "variant": variant, "seconds": seconds}
        for n, of in enumerate(times)
        for variant, seconds in of.items()
    ]


def test_a_slow_repetition_slows_both_sides_of_a_ratio():
    times = pd.DataFrame({"all": [2.0, 20.0, 4.0], "limit": [1.0, 10.0, 2.0]})
    assert estimate(RATIOS["all steps / limit"](times)) == (2.0, 2.0, 2.0)


def test_half_the_limit_lies_half_way_from_unpatched():
    times = pd.DataFrame({"half": [4.0], "unpatched": [1.0], "limit": [3.0]})
    assert RATIOS["half / (unpatched + half the limit's extra)"](times).tolist() == [2.0]


def test_the_interval_holds_the_median_and_is_the_same_each_time():
    values = np.random.default_rng(0).normal(1.0, 0.01, 15)
    found = estimate(values)
    assert found.low < found.median < found.high and found == estimate(values)
    assert found.high - found.low < values.max() - values.min()


def test_two_repetitions_have_a_median_and_no_interval():
    assert shown([1.0, 2.0, np.nan]) == "1.5000" and shown([1.0, 2.0, 3.0], "{:.1f}") == "2.0 (1.0 to 3.0)"


def test_a_repetition_that_was_begun_twice_counts_once_and_out_of_memory_is_no_time():
    cut_off = samples("a", [{"unpatched": 1.0}])
    whole = samples("a", [{"unpatched": 2.0, "all": None}, {"unpatched": 4.0, "all": None}])
    found = by_case(pd.DataFrame([*cut_off, *whole, *samples("b", [{"unpatched": 9.0}])]))
    assert list(found) == ["a", "b"] and list(found["a"]) == list(VARIANTS)
    assert found["a"]["unpatched"].tolist() == [2.0, 4.0] and found["a"]["all"].isna().all()
