"""Where a fade begins and ends, and what it leaves of the scale between."""

import pytest

from sag_delayed_activation.sag_core import FADES, SigmaWindow, fade_span, fade_weight

SD = (14.6146, 0.02917)  # largest and smallest sigma of SD1.x
STEPS = [14.6, 5.0, 2.0, 1.0, 0.3]


@pytest.mark.parametrize("steps", [STEPS, STEPS[:2], STEPS[2:3], [0.5]], ids=str)
def test_with_two_bounds_inside_the_models_sigmas_a_fade_is_the_same_in_every_run(steps):
    assert fade_span(SigmaWindow(10.0, 0.5), SD, steps) == (10.0, 0.5)


def test_a_bound_at_the_models_own_extreme_lies_inside():
    assert fade_span(SigmaWindow(*SD), SD, STEPS[1:3]) == SD


@pytest.mark.parametrize("start, end", [(15.0, 0.0), (1000.0, 0.0), (999999999.9, 0.01)])
def test_where_the_window_is_open_the_runs_own_steps_end_the_fade(start, end):
    assert fade_span(SigmaWindow(start, end), SD, STEPS) == (14.6, 0.3)
    assert fade_span(SigmaWindow(start, end), SD, STEPS[1:3]) == (5.0, 2.0)


def test_each_end_is_open_for_itself():
    assert fade_span(SigmaWindow(15.0, 0.5), SD, STEPS) == (14.6, 0.5)
    assert fade_span(SigmaWindow(10.0, 0.0), SD, STEPS) == (10.0, 0.3)


def test_a_start_of_1000_is_open_where_the_model_goes_higher():
    assert fade_span(SigmaWindow(1000.0, 0.5), (4518.0, 0.03), [4518.0, 20.0]) == (4518.0, 0.5)
    assert fade_span(SigmaWindow(999.0, 0.5), (4518.0, 0.03), [4518.0, 20.0]) == (999.0, 0.5)


def test_an_end_of_0_is_open_even_where_the_model_reaches_it():
    assert fade_span(SigmaWindow(0.8, 0.0), (1.0, 0.0), [1.0, 0.5]) == (0.8, 0.5)


@pytest.mark.parametrize(
    "fade, weights",
    [("none", [1, 1, 1, 1]), ("in", [0, 0.25, 0.5, 1]), ("out", [1, 0.75, 0.5, 0]), ("in and out", [0, 0.5, 1, 0])],
)
def test_the_weight_goes_along_the_logarithm_of_sigma(fade, weights):
    assert [fade_weight(fade, sigma, 8.0, 0.5) for sigma in (8.0, 4.0, 2.0, 0.5)] == pytest.approx(weights)


@pytest.mark.parametrize("fade", FADES)
def test_outside_its_span_a_fade_stays_what_it_is_at_the_nearer_end(fade):
    beyond = [fade_weight(fade, sigma, 16.0, 1.0) for sigma in (99.0, 0.01, 0.0)]
    assert beyond == pytest.approx([fade_weight(fade, sigma, 16.0, 1.0) for sigma in (16.0, 1.0, 1.0)])


@pytest.mark.parametrize("fade", FADES)
def test_where_a_fade_has_no_length_nothing_is_left_out(fade):
    assert fade_weight(fade, 2.0, 2.0, 2.0) == fade_weight(fade, 2.0, 1.0, 3.0) == 1.0


def test_an_unknown_fade_and_a_span_down_to_0_are_refused():
    with pytest.raises(ValueError, match="fade must be one of none, in, out, in and out, got slow"):
        fade_weight("slow", 1.0, 2.0, 1.0)
    with pytest.raises(ValueError, match="low must be above 0, got 0.0"):
        fade_weight("in", 1.0, 2.0, 0.0)
