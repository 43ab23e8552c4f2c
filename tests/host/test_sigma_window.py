"""The helper that answers "which sigmas do I type", against the host's own schedules and samplers."""

import json
import math
import re

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
from tiny_unet import Calls, sample, tiny_model
from window_cases import CASES

from sag_delayed_activation import sigma_window
from sag_delayed_activation.nodes_window import ONCE_A_STEP, OWN_STEPS, SAGSigmaWindow
from sag_delayed_activation.pictures.schedule_plot import HEIGHT, WIDTH, Axes, plot, sigma_ticks, step_ticks
from sag_delayed_activation.sag_core import SigmaWindow

SCHEDULERS, SAMPLERS = comfy.samplers.SCHEDULER_NAMES, comfy.samplers.SAMPLER_NAMES
DROPPING = sorted(comfy.samplers.KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS)
SMALL = (1, 4, 8, 8)
KINDS = ["EPS", pytest.param("FLOW"), "ZSNR"]


@pytest.fixture(scope="module")
def models(model):
    return {
        "EPS": model,
        "FLOW": tiny_model(kind="FLOW"),
        "ZSNR": ModelSamplingDiscrete().patch(model, "v_prediction", True)[0],
    }


@pytest.fixture
def find(model):
    """The node, its preset custom and its unit step unless told otherwise."""

    def run(start=0, end=10000, unit="step", preset="custom", scheduler="normal", steps=20, denoise=1.0, **more):
        return SAGSigmaWindow().find(
            preset, unit, start, end, more.pop("model", model), scheduler, steps, denoise, **more
        )["result"]

    return run


@pytest.fixture
def titles(monkeypatch):
    """Every text that is drawn."""
    from sag_delayed_activation.pictures.schedule_plot import Canvas

    drawn, text = [], Canvas.text
    monkeypatch.setattr(Canvas, "text", lambda self, x, y, what, *more, **options: (
        drawn.append(what), text(self, x, y, what, *more, **options)))  # fmt: skip
    return drawn


def held(found):
    """The steps that the SAG nodes' own window holds on the node's outputs."""
    start, end, sigmas, _ = found
    return [i for i, sigma in enumerate(sigmas.tolist()[:-1]) if sigma in SigmaWindow(start, end)]


def evaluated_sigmas(model, **settings):
    """The sigmas at which the host's sampling evaluates the model."""
    seen, listening = [], model.clone()

    def note(apply_model, options):
        seen.append(float(options["timestep"][0]))
        return apply_model(options["input"], options["timestep"], **options["c"])

    listening.set_model_unet_function_wrapper(note)
    sample(listening, cfg=1.0, **settings)
    return seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_window_holds_just_the_steps_asked_for(find, models, scheduler, kind):
    for steps, start, end in [(20, 0, 20), (20, 0, 1), (20, 5, 12), (20, 19, 20), (30, 1, 29), (8, 3, 4), (2, 1, 2)]:
        inputs = {"scheduler": scheduler, "steps": steps, "model": models[kind]}
        if start > 0 and find(**inputs)[2][start] >= 1000:  # zero-terminal-SNR only
            with pytest.raises(ValueError, match=f"can begin at steps {start} to .* 1000 or more means no upper bound"):
                find(start, end, **inputs)
        else:
            assert held(find(start, end, **inputs)) == list(range(start, end))


def test_the_count_is_the_schedules_and_not_the_inputs(find):
    found = find(0, scheduler="ddim_uniform", steps=30)
    assert held(found) == list(range(31)) and len(found[2]) == 32


@pytest.mark.parametrize("sampler", ["euler", "uni_pc", "dpm_2"])
@pytest.mark.parametrize("denoise", [1.0, 0.45])
def test_the_schedule_is_the_one_that_ksampler_runs(find, model, sampler, denoise):
    sigmas = find(steps=4, sampler_name=sampler, denoise=denoise)[2]
    seen = evaluated_sigmas(model, steps=4, sampler=sampler, denoise=denoise)
    assert seen[0] == pytest.approx(sigmas[0].item(), rel=1e-3) and len(sigmas) == 5
    if sampler == "euler":
        assert torch.allclose(torch.tensor(seen), sigmas[:-1], rtol=1e-3)


@pytest.mark.parametrize("sampler", DROPPING)
def test_samplers_that_drop_a_sigma_end_higher(find, sampler):
    plain, dropping = find(steps=10)[2], find(steps=10, sampler_name=sampler)[2]
    host = comfy.samplers.calculate_sigmas(tiny_model().get_model_object("model_sampling"), "normal", 11)
    assert len(dropping) == len(plain) == 11
    assert torch.equal(dropping, torch.cat([host[:-2], host[-1:]])) and dropping[-2] > 2 * plain[-2]


def test_denoise_takes_the_end_of_a_longer_schedule(find, model):
    sigmas = find(steps=6, denoise=0.3)[2]
    longer = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 20)
    assert torch.equal(sigmas, longer[-7:])
    assert held(find(2, 4, steps=6, denoise=0.3)) == [2, 3]


def test_each_bound_lies_a_quarter_of_the_log_gap_above_the_first_step_of_its_side(find):
    start, end, sigmas, _ = find(5, 12)
    above, first, last, below = (math.log(sigmas[i]) for i in (4, 5, 11, 12))
    assert math.log(start) == pytest.approx(first + 0.25 * (above - first))
    assert math.log(end) == pytest.approx(below + 0.25 * (last - below))


def test_above_the_first_step_the_gap_below_it_counts_and_below_the_last_nothing_does(find):
    start, end, sigmas, _ = find()
    assert start == pytest.approx(sigmas[0].item() * (sigmas[0] / sigmas[1]).item() ** 0.25)
    assert end == 0


def test_a_schedule_of_one_step_is_held_with_room_above(find):
    start, end, sigmas, _ = find(steps=1, scheduler="simple")
    assert start > 1.1 * sigmas[0] and end == 0


def inside_steps(model, schedule, **settings):
    """The sigmas that a sampler evaluates on its way from one step to the next, each with the number of that step."""
    steps = schedule.tolist()[:-1]
    seen = [s for s in evaluated_sigmas(model, **settings) if not any(math.isclose(s, t, rel_tol=1e-3) for t in steps)]
    return [(sum(step > sigma for step in steps) - 1, sigma) for sigma in seen]


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("sampler", [s for s in ("dpm_2", "dpmpp_sde", "seeds_2", "seeds_3") if s in SAMPLERS])
def test_what_a_sampler_evaluates_inside_a_step_is_guided_just_where_the_step_is(find, models, sampler, kind):
    settings = {"steps": 6, "scheduler": "simple"}
    start, end, sigmas, _ = find(2, 4, sampler_name=sampler, model=models[kind], **settings)
    inner = inside_steps(models[kind], sigmas, sampler=sampler, shape=SMALL, **settings)
    assert {step for step, _ in inner} >= {1, 2, 3, 4}, "the sampler evaluates nothing there"
    assert {step for step, sigma in inner if end <= sigma <= start} == {2, 3}
    assert {step for step, sigma in inner if not end <= sigma <= start}.isdisjoint({2, 3})


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if s not in OWN_STEPS])
def test_the_title_counts_the_extra_calls_of_every_sampler_or_says_at_least(find, sag, model, titles, sampler):
    start, end, *_ = find(1, 3, steps=4, sampler_name=sampler)
    with Calls(model) as calls:
        sample(sag(model, sigma_start=start, sigma_end=end), steps=4, sampler=sampler, shape=SMALL)
    few = "" if calls.count([1]) == 2 else "at least "
    assert calls.count([1]) >= 2 and f"2 of 4 steps active, {few}2 extra UNet calls" in titles


@pytest.fixture
def another_packs_sampler():
    """As packs make theirs known."""
    SAMPLERS.append("of another pack")
    yield SAMPLERS[-1]
    SAMPLERS.remove("of another pack")


def test_of_a_sampler_that_it_does_not_know_the_title_says_at_least(find, titles, another_packs_sampler):
    find(1, 3, steps=4, sampler_name=another_packs_sampler)
    assert "2 of 4 steps active, at least 2 extra UNet calls" in titles


@pytest.mark.parametrize("sampler", OWN_STEPS)
def test_of_a_sampler_with_steps_of_its_own_the_title_promises_no_number_of_calls(find, titles, sampler):
    find(1, 3, steps=4, sampler_name=sampler)
    assert "2 of 4 steps active, extra UNet calls unknown" in titles


@pytest.mark.parametrize("kind", KINDS)
def test_percents_mean_what_the_host_means(find, models, kind):
    percent_to_sigma = models[kind].get_model_object("model_sampling").percent_to_sigma
    found = find(0.2, 0.7, unit="percent", model=models[kind])
    high, low = percent_to_sigma(0.2), percent_to_sigma(0.7)
    assert held(found) == [i for i, sigma in enumerate(found[2][:-1]) if low <= sigma <= high]
    assert held(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps, first", [(1, 0), (2, 1), (3, 2), (19, 12), (20, 13), (21, 14)])
def test_the_last_third_are_the_last_steps_of_the_schedule_rounded_up(find, models, kind, steps, first):
    found = find(math.nan, -3.0, preset="last third", scheduler="karras", model=models[kind], steps=steps)
    assert held(found) == list(range(first, steps))


def test_new_presets_come_last_so_that_saved_workflows_keep_theirs():
    assert SAGSigmaWindow.INPUT_TYPES()["required"]["preset"][0] == [
        "custom", "all", "late", "interval 0.28 to 5.42", "last third",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_percent_0_to_1_is_every_step(find, models, scheduler, kind):
    found = find(0.0, 1.0, unit="percent", scheduler=scheduler, model=models[kind])
    assert held(found) == list(range(len(found[2]) - 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "preset, bounds",
    [("all", (math.inf, 0)), ("late", (None, 0)), ("interval 0.28 to 5.42", (5.42, 0.28))],
    ids=str,
)
def test_presets_override_unit_start_and_end(find, models, preset, bounds, kind):
    sigma_max = float(models[kind].get_model_object("model_sampling").sigma_max)
    high, low = bounds[0] or sigma_max / 4, bounds[1]
    found = find(math.nan, -3.0, unit="percent", preset=preset, scheduler="karras", model=models[kind])
    assert held(found) == [i for i, sigma in enumerate(found[2][:-1]) if low <= sigma <= high]
    assert held(found)


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_what_the_plot_says_to_type_holds_the_same_steps(find, models, scheduler, kind):
    start, end, sigmas, _ = find(7, 13, scheduler=scheduler, model=models[kind])
    typed = [float(text.split()[0]) for text in sigma_window.bounds_to_type(sigmas.tolist(), SigmaWindow(start, end))]
    assert sigma_window.steps_inside(sigmas.tolist(), SigmaWindow(*typed)) == list(range(7, 13))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["inputs"]))
def test_the_node_takes_and_refuses_what_the_table_says(find, titles, case):
    """The strip does the same: tests/browser/test_strip_window.py."""
    inputs = {"start": 0.0, "end": 10000.0, **case["inputs"]}
    if "refused" in case:
        with pytest.raises(ValueError, match=f"^SAG sigma window: {re.escape(case['refused'])}$"):
            find(**inputs)
        return
    first, last = case["active"]
    found = find(**inputs)
    assert held(found) == list(range(first, last + 1))
    (title,) = (text for text in titles if " active, " in text)
    assert re.match(rf"{last - first + 1} of .* active, {case['calls']} extra UNet calls?$", title)


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({"end": math.nan}, "end must be a finite number, got nan"),
        ({"unit": None}, "unit must be one of step, percent, got None"),
        ({"preset": ["custom"]}, r"preset must be one of .*, got \['custom'\]"),
        ({"steps": 2.5}, "steps must be a whole number, got 2.5"),
        ({"denoise": "1"}, "denoise must be a finite number, got '1'"),
        ({"scheduler": "fast"}, "scheduler must be one of .*normal.*, got 'fast'"),
        ({"sampler_name": torch.zeros(3)}, r"sampler_name must be one of .*euler.*, got tensor\(.*\)"),
        ({"model": None}, "model must be of type MODEL, got None"),
    ],
    ids=str,
)
def test_what_only_a_link_can_bring_is_refused_with_its_value(find, inputs, message):
    with pytest.raises(ValueError, match=f"^SAG sigma window: {message}$"):
        find(**inputs)


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({"start": 20}, "unit=step, start=20, end=10000 holds none of the 20 steps of this schedule, .* 14.61 to 0.02"),
        ({"preset": "interval 0.28 to 5.42", "denoise": 0.05, "scheduler": "karras"}, "preset=interval .* holds none"),
        ({"scheduler": "kl_optimal", "steps": 1}, "no schedule for scheduler=kl_optimal, steps=1, denoise=1.0"),
        ({"denoise": 0.0}, "no schedule for .* denoise=0.0"),
    ],
    ids=str,
)
def test_an_empty_window_or_schedule_is_refused_with_the_inputs_that_made_it(find, inputs, message):
    with pytest.raises(ValueError, match=f"^SAG sigma window: .*{message}"):
        find(**inputs)


def test_inputs_and_outputs_stand_in_their_order_with_a_tooltip_each():
    inputs = SAGSigmaWindow.INPUT_TYPES()
    assert list(inputs["required"]) == [
        "preset", "unit", "start", "end", "model", "scheduler", "steps", "denoise",
    ]  # fmt: skip
    assert list(inputs["optional"]) == ["sampler_name"]
    assert SAGSigmaWindow.RETURN_TYPES == ("FLOAT", "FLOAT", "SIGMAS", "IMAGE")
    texts = [options["tooltip"] for group in inputs.values() for _, options in group.values()]
    texts += [*SAGSigmaWindow.OUTPUT_TOOLTIPS, SAGSigmaWindow.DESCRIPTION]
    assert len(texts) == 9 + 4 + 1 and all(texts) and not set("".join(texts)) & set("|@{}")


def test_the_model_that_was_given_stays_as_it_is(find, model):
    before = repr(model.model_options), repr(model.object_patches), model.model.model_sampling.sigmas.clone()
    find(3, 9)
    assert (repr(model.model_options), repr(model.object_patches)) == before[:2]
    assert torch.equal(model.model.model_sampling.sigmas, before[2])


def test_the_sigmas_of_a_patched_model_count(find, models):
    assert find(model=models["ZSNR"])[2][0] > 4500 > 20 > find()[2][0]


# The picture


@pytest.mark.parametrize("kind", KINDS)
def test_the_plot_is_an_image_of_the_host(find, models, kind):
    image = find(5, 12, model=models[kind])[3]
    assert image.shape == (1, HEIGHT, WIDTH, 3) and image.dtype == torch.float32
    assert 0 <= image.min() < 0.2 and 0.9 < image.max() <= 1


@pytest.mark.parametrize(
    "inputs, texts",
    [
        ({"start": 9}, ["11 of 20 steps active, 11 extra UNet calls", "sigma_start 1.85", "sigma_end 0"]),
        ({"start": 0, "end": 1}, ["1 of 20 steps active, 1 extra UNet call"]),
        ({"sampler_name": "heun"}, ["20 of 20 steps active, at least 20 extra UNet calls"]),
        ({"sampler_name": "dpm_fast", "denoise": 0.5},
         ["dpm_fast (takes steps of its own), normal, steps 20, denoise 0.5"]),
    ],
    ids=str,
)  # fmt: skip
def test_the_plot_says_bounds_active_steps_and_extra_calls(find, titles, inputs, texts):
    find(**inputs)
    assert set(texts) <= set(titles)


def test_only_the_window_is_shaded_and_only_active_steps_are_marked():
    sigmas, window = [16.0, 8.0, 4.0, 2.0, 1.0, 0.0], SigmaWindow(9.0, 3.0)
    image, axes = plot(sigmas, window, range(1, 3), "title", ("9", "3"), "")[0], Axes(sigmas[:-1])

    def colour(step, sigma):
        return (image[round(axes.y(sigma)), round(axes.x(step))] * 255).round().int().tolist()

    marked = [colour(i, sigma) == [0xFF, 0xC0, 0x4D] for i, sigma in enumerate(sigmas[:-1])]
    shaded = [colour(4.3, sigma) == [0x4A, 0x3A, 0x1C] for sigma in (14.0, 7.0, 3.5, 1.5)]
    assert marked == [False, True, True, False, False]
    assert shaded == [False, True, True, False]


def test_one_active_step_of_a_thousand_is_found():
    sigmas = [16.0 * 0.99**n for n in range(1000)] + [0.0]
    image, axes = plot(sigmas, SigmaWindow(0.11, 0.1), range(500, 501), "", ("", ""), "")[0], Axes(sigmas[:-1])
    x, y = round(axes.x(500)), round(axes.y(sigmas[500]))
    marked = (image[y - 20 : y + 20, x - 20 : x + 20] * 255).round() == torch.tensor([0xFF, 0xC0, 0x4D])
    assert marked.all(dim=-1).sum() > 50


@pytest.mark.parametrize("low, high", [(0.03, 15.0), (0.03, 4518.0), (0.05, 1.0), (0.9994, 1.0006), (14.0, 14.7)])
def test_the_sigma_axis_has_a_few_round_labels_inside(low, high):
    ticks = sigma_ticks(low, high)
    assert all(low <= tick <= high for tick in ticks) and 1 <= len(ticks) <= 12


def test_the_step_axis_has_at_most_eleven_labels():
    for count in (1, 2, 11, 12, 31, 999, 10000):
        assert 1 <= len(step_ticks(count)) <= 11


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_told_the_models_own_schedule_and_the_active_steps(models, kind):
    found = SAGSigmaWindow().find("custom", "step", 5, 12, models[kind], "normal", 20, 1.0)
    (told,) = json.loads(json.dumps(found["ui"], allow_nan=False))["sag_window"]
    assert told["sigmas"] == found["result"][2].tolist() and told["active"] == [5, 11]
    assert (told["scheduler"], told["steps"], told["denoise"], told["sampler_name"]) == ("normal", 20, 1.0, "euler")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_told_what_the_host_makes_of_each_hundredth_of_the_way(models, kind):
    told = SAGSigmaWindow().find("all", "step", 0, 1, models[kind], "karras", 4, 1.0)["ui"]["sag_window"][0]["percents"]
    model_sampling = models[kind].get_model_object("model_sampling")
    assert told[1:-1] == [float(model_sampling.percent_to_sigma(hundredth / 100)) for hundredth in range(1, 100)]
    assert (told[0], told[-1]) == (model_sampling.sigma_max, model_sampling.sigma_min)
    assert told == sorted(told, reverse=True)


def test_the_page_is_told_which_samplers_evaluate_the_model_once_a_step():
    options = SAGSigmaWindow.INPUT_TYPES()["optional"]["sampler_name"][1]
    assert json.loads(json.dumps(options["once_a_step"])) == sorted(ONCE_A_STEP)
