"""From a schedule to the window that holds the steps asked for, and back, on schedules made by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from sag_delayed_activation import sigma_window
from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling import schedule

HALVES = [16.0, 8.0, 4.0, 2.0, 1.0, 0.0]  # five steps, each a log gap of ln 2 below the one before


def bounds(sigmas, active):
    window = sigma_window.window_around(sigmas, active)
    return window.start, window.end


@pytest.mark.parametrize(
    "start, end, steps",
    [(0, 5, [0, 1, 2, 3, 4]), (1, 3, [1, 2]), (3, 10000, [3, 4]), (4, 5, [4]), (5, 6, []), (3, 3, [])],
)
def test_steps_by_number_stop_before_the_end_and_at_the_schedules(start, end, steps):
    assert list(sigma_window.steps_by_number(HALVES, start, end)) == steps


@pytest.mark.parametrize(
    "high, low, steps",
    [(8.0, 2.0, [1, 2, 3]), (7.99, 2.01, [2]), (math.inf, 0.0, [0, 1, 2, 3, 4]), (3.9, 2.1, []), (0.5, 0.0, [])],
)
def test_steps_by_sigma_are_those_between_the_bounds_both_inclusive(high, low, steps):
    assert list(sigma_window.steps_by_sigma(HALVES, high, low)) == steps


@pytest.mark.parametrize("count, first", [(1, 0), (2, 1), (3, 2), (4, 2), (6, 4), (7, 4)])
def test_the_last_third_is_rounded_up(count, first):
    assert sigma_window.last_third([1.0] * count + [0.0]) == range(first, count)


def test_each_bound_lies_a_quarter_of_the_log_gap_above_the_first_step_of_its_side():
    sigmas = [16.0, 8.0, 2.0, 0.1, 0.0]
    assert bounds(sigmas, range(1, 2)) == pytest.approx((8.0 * 2**0.25, 2.0 * 4**0.25))
    assert bounds(sigmas, range(2, 3)) == pytest.approx((2.0 * 4**0.25, 0.1 * 20**0.25))


def test_above_the_first_step_the_gap_below_it_counts_and_below_the_last_nothing_does():
    assert bounds([16.0, 4.0, 2.0, 0.0], range(3)) == (pytest.approx(16.0 * 4**0.25), 0.0)
    assert bounds([16.0, 4.0, 0.0], range(1)) == pytest.approx((16.0 * 4**0.25, 4.0 * 4**0.25))
    assert bounds([3.0, 0.0], range(1)) == (pytest.approx(3.0 * 2**0.25), 0.0)


@pytest.mark.parametrize("active", [range(a, b) for a in range(5) for b in range(a + 1, 6)], ids=str)
def test_a_window_holds_the_steps_that_it_was_made_for_and_the_bounds_to_type_hold_them_too(active):
    window = sigma_window.window_around(HALVES, active)
    assert sigma_window.steps_inside(HALVES, window) == list(active)
    typed = SigmaWindow(*map(float, sigma_window.bounds_to_type(HALVES, window)))
    assert sigma_window.steps_inside(HALVES, typed) == list(active)


@pytest.mark.parametrize("second", [2000.0, 1000.0])
def test_a_window_below_the_first_of_two_sigmas_above_1000_is_refused_and_not_unbounded(second):
    with pytest.raises(ValueError, match="1000 or more means no upper bound"):
        sigma_window.window_around([4518.0, second, 10.0, 0.0], range(1, 3))


def test_a_window_below_a_sigma_above_1000_begins_below_1000():
    window = sigma_window.window_around([45180.0, 900.0, 10.0, 0.0], range(1, 3))
    assert sigma_window.steps_inside([45180.0, 900.0, 10.0, 0.0], window) == [1, 2]


def test_two_steps_at_one_sigma_cannot_be_parted_and_are_refused():
    with pytest.raises(ValueError, match=r"holds steps 1 to 2 \(sigma 2 to 2\) alone"):
        sigma_window.window_around([4.0, 2.0, 2.0, 2.0, 0.0], range(1, 3))


def test_two_steps_at_one_sigma_above_1000_are_refused_for_that_and_not_for_the_bound():
    for sigmas, active in (([4518.0, 4518.0, 10.0, 0.0], range(1)), ([4518.0, 2000.0, 2000.0, 0.0], range(2))):
        with pytest.raises(ValueError, match="a neighbouring step has the same sigma"):
            sigma_window.window_around(sigmas, active)


def test_a_step_at_a_bound_counts_though_float32_rounds_it_to_the_other_side():
    sigmas = [4.0, 2.0 * (1 + 3e-7), 1.0 * (1 - 3e-7), 0.5, 0.0]
    assert sigma_window.steps_by_sigma(sigmas, 2.0, 1.0) == range(1, 3)


def test_bounds_are_shown_with_two_decimals_where_these_hold_the_same_steps():
    sigmas = [14.6146, 5.1, 1.7, 0.3, 0.0]
    assert sigma_window.bounds_to_type(sigmas, sigma_window.window_around(sigmas, range(1, 3))) == ("6.64", "0.46")
    assert sigma_window.bounds_to_type(sigmas, SigmaWindow(20.0, 0.0)) == ("20", "0")
    assert sigma_window.bounds_to_type([4518.0, 3.0, 0.0], SigmaWindow(18535.9, 0.0)) == ("1000", "0")
    assert sigma_window.bounds_to_type([0.03, 0.02, 0.01, 0.0], SigmaWindow(0.0234, 0.02)) == ("0.02", "0.02")


def test_bounds_that_need_more_digits_get_them_and_the_word_link():
    sigmas = [0.0334, 0.0324, 0.0314, 0.0304, 0.0]
    assert sigma_window.bounds_to_type(sigmas, SigmaWindow(0.03264, 0.03114)) == ("0.033 (link)", "0.031 (link)")


def test_bounds_to_type_leave_what_lies_inside_a_step_on_its_side():
    """Of 0.117, rounded to 0.12, seeds_3 would evaluate the last of the step from 0.14 to 0.11 below the window."""
    sigmas = [0.2, 0.14, 0.11, 0.0]
    window = sigma_window.window_around(sigmas, range(2))
    assert sigma_window.bounds_to_type(sigmas, window)[1] == "0.12"
    assert sigma_window.bounds_to_type(sigma_window.with_inner_evaluations(sigmas), window)[1] == "0.117 (link)"


def test_the_deepest_that_a_sampler_evaluates_inside_a_step_lies_two_thirds_down_its_log_gap():
    found = sigma_window.with_inner_evaluations([8.0, 1.0, 0.125, 0.0])
    assert found == pytest.approx([8.0, 2.0, 1.0, 0.25, 0.125, 0.0])


# of a model


@pytest.mark.parametrize(
    "preset, bounds", [("all", (math.inf, 0.0)), ("late", (3.0, 0.0)), ("interval 0.28 to 5.42", (5.42, 0.28))]
)
def test_the_bounds_of_a_preset(preset, bounds):
    assert schedule.preset_bounds(SimpleNamespace(sigma_max=torch.tensor(12.0)), preset) == bounds


def test_the_hundredths_of_the_way_begin_and_end_at_the_models_own_sigmas():
    flow = SimpleNamespace(percent_to_sigma=lambda percent: 1.0 - percent, sigma_max=0.999, sigma_min=0.001)
    percents = schedule.percents_of(flow)
    assert percents[0] == 0.999 and percents[-1] == 0.001
    assert percents[1:-1] == [1.0 - hundredth / 100 for hundredth in range(1, 100)]


def test_percent_0_is_the_start_whatever_sigma_the_host_gives_for_it():
    flow = SimpleNamespace(percent_to_sigma=lambda percent: 1.0 - percent)
    assert schedule.percent_to_sigma(flow, 0.0) == math.inf
    assert schedule.percent_to_sigma(flow, 0.25) == 0.75


def test_a_percent_that_the_host_gives_as_a_tensor_is_a_float_here():
    cascade = SimpleNamespace(percent_to_sigma=lambda percent: torch.tensor(1.5))
    assert isinstance(schedule.percent_to_sigma(cascade, 0.5), float)
