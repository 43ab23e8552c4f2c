"""Every setting of the advanced node does what it says, and its defaults are the basic node."""

import math

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_custom_sampler import Guider_Basic
from dense_reference import DenseSAG
from tiny_unet import (
    NEGATIVE,
    POSITIVE,
    SHAPE,
    Calls,
    distance,
    first_guidance,
    guidances,
    guided,
    prompt,
    sample,
    tiny_model,
)
from watch import after_cfg

from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced as Node
from sag_delayed_activation.sampling.layers import find_layer, layers_of

DEEP = {"transformer_depth": [1, 2], "transformer_depth_output": [1, 1, 2, 2]}


def basic_guider(model):
    guider = Guider_Basic(model)
    guider.set_conds(POSITIVE)
    return guider


def test_the_page_folds_away_what_is_seldom_set_and_the_order_of_inputs_stays(advanced):
    inputs = Node.INPUT_TYPES()["optional"]
    assert list(inputs) == ["threshold", "branch", "layer", "fade", "rescale", "rescale_mode", "every", "detail"]
    assert [name for name, (_, options) in inputs.items() if not options.get("advanced")] == ["fade", "detail"]


REGIONS = prompt(5, area=(8, 12, 4, 4)) + prompt(6)


@pytest.mark.parametrize("negative", [NEGATIVE, REGIONS], ids=["one negative", "regions"])
def test_as_it_comes_it_is_bit_identical_to_the_basic_node(advanced, sag, model, negative):
    assert torch.equal(sample(advanced(model), negative=negative), sample(sag(model), negative=negative))


# threshold


@pytest.mark.parametrize("threshold", [0.0, 0.9, 1.1])
def test_the_threshold_is_that_of_the_dense_formula(advanced, model, threshold):
    with DenseSAG(model, 0.5, 2.0, threshold=threshold) as dense:
        expected = sample(dense, steps=3)
    assert distance(sample(advanced(model, threshold=threshold), steps=3), expected) < 1e-4
    assert distance(sample(advanced(model), steps=3), expected) > 1e-3


# branch

CFG_1 = [lambda m: sample(m, cfg=1.0), lambda m: guided(basic_guider(m))]


@pytest.mark.parametrize("run", CFG_1, ids=["cfg 1", "basic guider"])
def test_without_a_negative_auto_takes_the_positive_in_its_own_place(advanced, model, run):
    with Calls(model) as calls:
        changed = run(advanced(model))
    assert calls == [[0]] * 8  # the negative is never evaluated
    assert distance(changed, run(model)) > 1e-3


def test_the_positives_guidance_is_what_it_would_be_as_a_negative(advanced, model):
    """Map, blur and the second look depend on one prompt alone, whatever its role."""
    as_negative = guidances(model, advanced, lambda m: sample(m, positive=NEGATIVE, negative=POSITIVE, steps=1))
    as_positive = guidances(model, lambda m: advanced(m, branch="positive"), lambda m: sample(m, steps=1))
    at_cfg_1 = guidances(model, advanced, lambda m: sample(m, steps=1, cfg=1.0))
    assert as_negative[0][0].norm() > 0
    assert distance(as_positive[0][0], as_negative[0][0]) < 1e-4
    assert distance(at_cfg_1[0][0], as_negative[0][0]) < 1e-4


def test_negative_at_cfg_1_does_not_act_and_says_so(advanced, model, lines):
    assert torch.equal(sample(advanced(model, branch="negative"), cfg=1.0), sample(model, cfg=1.0))
    assert "no negative prompt was evaluated" in lines()[0][1] and "set branch to auto" in lines()[0][1]


def test_auto_takes_the_positive_only_where_the_negative_is_not_active(advanced, model):
    late = prompt(5, start_percent=0.5, end_percent=1.0)
    with Calls(model) as calls:
        sample(advanced(model), negative=late)
    alone = [call for call in calls if len(call) == 1]
    assert alone.count([1]) == 2 and [0] in alone  # sigma 0.93 and 0.03 lie in the second half of the timesteps
    assert calls[-2:] == [[1, 0], [1]]


# layer


@pytest.fixture(scope="module")
def deep():
    return tiny_model(depth=2, **DEEP)


@pytest.fixture(scope="module")
def of_the_middle(advanced, deep):
    """The latent of two steps with the layer that is read where nothing is said."""
    return sample(advanced(deep), steps=2)


def test_layers_are_counted_as_users_of_the_pag_pack_know_them(deep):
    layers = layers_of(deep)
    assert list(layers) == ["d0.0", "d1.0", "d1.1", "m0.0", "m0.1", "u0.0", "u0.1", "u1.0", "u1.1", "u2.0", "u3.0"]
    assert layers["d1.1"][1:] == (("input", 3), 1) and layers["u2.0"][1:] == (("output", 2), 0)


@pytest.mark.parametrize(
    "layer, stack, transformer",
    [
        ("d1.1", lambda unet: unet.input_blocks[3][1], 1),
        ("m0.1", lambda unet: unet.middle_block[1], 1),
        ("u0.1", lambda unet: unet.output_blocks[0][1], 1),
        ("d0", lambda unet: unet.input_blocks[1][1], 0),
    ],
)
def test_each_layer_gives_the_dense_formula_on_that_layer(advanced, deep, of_the_middle, layer, stack, transformer):
    with DenseSAG(deep, 0.5, 2.0, stack(deep.model.diffusion_model), transformer) as dense:
        expected = sample(dense, steps=2)
    assert distance(sample(advanced(deep, layer=layer), steps=2), expected) < 1e-4
    assert distance(of_the_middle, expected) > 1e-3


@pytest.mark.parametrize("depth", [-1, -2])
def test_without_middle_attention_auto_reads_the_last_input_block(advanced, depth):
    model = tiny_model(depth)
    changed, named = (sample(advanced(model, layer=layer), steps=2) for layer in ("auto", "d1.0"))
    assert torch.equal(changed, named) and distance(changed, sample(model, steps=2)) > 1e-3


def test_with_middle_attention_auto_is_middle(model):
    assert find_layer(model, "auto") == find_layer(model, "middle") == find_layer(model, "m0")


# The attention layout of the host's own UNets that have none in the middle, on narrow channels.
WITHOUT_MIDDLE = {
    "SSD-1B": (-1, "d3.0", {"num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 2, 2, 4, 4],
                            "transformer_depth_output": [0, 0, 0, 1, 1, 2, 10, 4, 4]}),
    "Segmind Vega": (-1, "d3.0", {"num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 1, 1, 2, 2],
                                  "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2]}),
    "KOALA-700M": (-2, "d1.0", {"num_res_blocks": [1, 1, 1], "transformer_depth": [0, 2, 5],
                                "transformer_depth_output": [0, 0, 2, 2, 5, 5]}),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_MIDDLE)
def test_auto_makes_the_small_relatives_of_sdxl_work(advanced, name):
    depth, layer, shape = WITHOUT_MIDDLE[name]
    model = tiny_model(depth, channel_mult=(1, 2, 4), **shape)
    assert find_layer(model, "auto").name == layer
    assert distance(sample(advanced(model, layer="auto"), steps=1), sample(model, steps=1)) > 1e-3


def test_blocks_whose_first_attention_looks_at_the_prompt_do_not_count():
    """As in the x4 upscaler."""
    layers = layers_of(tiny_model(disable_self_attentions=[True, False]))
    assert [layer.block for layer in layers.values()] == [("input", 3), ("middle", 0), ("output", 0), ("output", 1)]


def test_a_layer_that_is_not_there_is_named_with_those_that_are(advanced, deep):
    with pytest.raises(ValueError, match=r"layer=d2\.0; it has d0\.0, d1\.0 to d1\.1, m0\.0 to m0\.1, u0\.0 to"):
        advanced(deep, layer="d2.0")


# fade

SIGMAS = [14.6146, 2.9183, 0.9324, 0.02917]  # of the four steps


def weight(fade, sigma, high=14.6146, low=0.02917):
    t = math.log(high / sigma) / math.log(high / low)
    return {"in": t, "out": 1 - t, "in and out": 1 - abs(2 * t - 1)}[fade]


@pytest.fixture
def shares(advanced, model):
    """What a fade leaves in each evaluation: guidance of a node that fades over that of one behind it that does not."""

    def measure(run=None, **faded):
        seen, patched = [], model
        for settings in (faded, {**faded, "fade": "none"}):
            patched = advanced(after_cfg(patched, lambda args: note(seen, args)), **settings)
        sample(after_cfg(patched, lambda args: note(seen, args)), **(run or {}))
        steps = zip(seen[::3], seen[1::3], seen[2::3], strict=True)
        return [((first - base).norm() / (second - first).norm()).item() for base, first, second in steps]

    return measure


def note(seen, args):
    seen.append(args["denoised"])
    return args["denoised"]


@pytest.mark.parametrize("fade", ["in", "out", "in and out"])
def test_the_scale_fades_along_the_logarithm_of_sigma(shares, fade):
    assert shares(fade=fade) == pytest.approx([weight(fade, s) for s in SIGMAS], abs=2e-3)


def test_at_full_weight_a_fade_changes_nothing(advanced, model):
    [plain, *_] = guidances(model, advanced)
    [faded, *_] = guidances(model, lambda m: advanced(m, fade="out"))
    assert torch.equal(plain[0], faded[0])


def test_where_the_fade_is_0_no_call_is_made(advanced, model):
    with Calls(model) as calls:
        sample(advanced(model, fade="in and out"))
    assert calls.count([1]) == 2


def test_however_little_a_fade_leaves_that_is_not_0_acts(advanced, model):
    """The window begins 0.06 % above the second step: there the weight is 1e-4."""
    with Calls(model) as calls:
        sample(advanced(model, sigma_start=2.92, fade="in"))
    assert calls == [[1, 0]] + [[1, 0], [1]] * 3


def test_the_fade_is_measured_on_the_window_and_not_on_the_run(shares):
    found = shares(sigma_start=5.0, fade="out")
    assert found[1:] == pytest.approx([weight("out", s, high=5.0) for s in SIGMAS[1:]], abs=2e-3)


def test_a_bound_that_the_run_does_not_reach_still_ends_the_fade(shares):
    found = shares({"start_step": 1}, sigma_start=10.0, sigma_end=0.5, fade="in")
    assert found[:2] == pytest.approx([weight("in", s, high=10.0, low=0.5) for s in SIGMAS[1:3]], abs=2e-3)


@pytest.mark.parametrize("fade", ["in", "out", "in and out"])
def test_a_single_step_in_a_window_that_is_open_on_both_sides_has_the_full_scale(advanced, model, fade):
    assert torch.equal(sample(advanced(model, fade=fade), steps=1), sample(advanced(model), steps=1))


def test_the_sigma_at_which_a_run_leaves_its_noise_is_no_step_of_the_fade(shares):
    found = shares({"last_step": 2}, fade="in")
    assert found == pytest.approx([0.0, 1.0], abs=2e-3)


# rescale


@pytest.mark.parametrize("mode", ["full", "partial"])
def test_rescale_draws_the_contrast_back_sample_by_sample(advanced, model, mode):
    run = {"steps": 1, "shape": (2, *SHAPE[1:])}
    [(g, base, cond)] = guidances(model, lambda m: advanced(m, scale=5.0), lambda m: sample(m, **run))
    settings = {"scale": 5.0, "rescale": 0.7, "rescale_mode": mode}
    [(found, _, _)] = guidances(model, lambda m: advanced(m, **settings), lambda m: sample(m, **run))
    for i in range(2):
        total = (base if mode == "full" else cond)[i] + g[i]
        factor = 0.7 * cond[i].std() / total.std() + 0.3
        assert abs(factor - 1) > 0.01 and distance(found[i], g[i] * factor) < 1e-4


# every


@pytest.mark.parametrize("every, extra", [(1, 6), (2, 3), (4, 2), (8, 1)])
def test_every_nth_active_evaluation_is_computed_and_the_others_reuse_it(advanced, model, lines, every, extra):
    with Calls(model) as calls:
        sample(advanced(model, every=every), steps=6)
    assert calls.count([1]) == extra
    assert f"acted on 6 of 6 model evaluations, from sigma 14.61 to 0.02917, {extra} extra UNet call" in lines()[0][1]


def test_between_computed_evaluations_the_guidance_stays_the_same_in_units_of_the_noise(advanced, model):
    found = [g for g, _, _ in guidances(model, lambda m: advanced(m, every=2))]
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 4)
    # What is compared is (denoised + g) - denoised: g is small beside denoised, so float32 leaves it some digits.
    for n in (0, 2):
        assert distance(found[n + 1], found[n] * sigmas[n + 1] / sigmas[n]) < 1e-2
    assert distance(found[2], found[0] * sigmas[2] / sigmas[0]) > 0.1


def test_nothing_is_reused_from_the_run_before(advanced, model):
    patched = advanced(model, every=8)
    first = sample(patched, steps=3)
    assert torch.equal(sample(patched, steps=3), first)


# detail


@pytest.mark.parametrize("detail", [0.5, 1.0])
def test_detail_is_that_of_the_dense_formula_and_takes_no_more_calls(advanced, model, detail):
    with DenseSAG(model, 0.8, 2.0, detail=detail) as dense:
        expected = sample(dense, steps=3)
    assert distance(expected, sample(advanced(model, 0.8), steps=3)) > 5e-3
    with Calls(model) as calls:
        assert distance(sample(advanced(model, 0.8, detail=detail), steps=3), expected) < 2e-3
    assert calls == [[1, 0], [1]] * 3


def first(model, patch, **run):
    """What guidance is in the first evaluation."""
    return first_guidance(model, patch, lambda m: sample(m, steps=1, **run))


def test_a_negative_scale_turns_all_of_it(advanced, model):
    there, back = (first(model, lambda m, s=s: advanced(m, s, detail=0.7)) for s in (0.5, -0.5))
    assert distance(there, -back) < 1e-4


def test_with_an_empty_mask_there_is_no_detail_to_give_back(advanced, model):
    none, all_of_it = (first(model, lambda m, d=d: advanced(m, threshold=4.0, detail=d)) for d in (0.0, 1.0))
    assert torch.equal(none, all_of_it)


@pytest.mark.parametrize("run", [{"negative": NEGATIVE + REGIONS}, {"cfg": 1.0}], ids=["several negatives", "positive"])
def test_detail_is_given_back_to_several_negatives_and_to_the_positive(advanced, model, run):
    without, given = (first(model, lambda m, d=d: advanced(m, detail=d), **run) for d in (0.0, 0.5))
    assert distance(given, without) > 1e-2


def test_with_every_the_detail_does_not_fall_with_sigma(advanced, model):
    def found(every):
        return [g for g, _, _ in guidances(model, lambda m: advanced(m, 1.0, detail=1.0, every=every), ten_steps)]

    def ten_steps(m):
        return sample(m, steps=10)

    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 10).tolist()
    computed, reused = found(1), found(2)
    all_fell = reused[0] * (sigmas[1] / sigmas[0])
    assert distance(reused[1], computed[1]) < 0.8 * distance(all_fell, computed[1])


# refusals

BAD = [
    ({"threshold": 4.01}, r"threshold must be between 0 and 4, got 4\.01"),
    ({"threshold": math.nan}, "threshold must be a finite number, got nan"),
    ({"rescale": 1.5}, r"rescale must be between 0 and 1, got 1\.5"),
    ({"layer": "d2.2-9"}, r"layer must name one layer, lists and ranges are not read, got 'd2\.2-9'"),
    ({"layer": "d0,m0"}, "layer must name one layer, lists and ranges are not read, got 'd0,m0'"),
    ({"layer": "x1"}, r"layer must be middle, auto or a layer such as d2\.3, m0 or u0\.4, got 'x1'"),
    ({"sigma_start": 1.0, "sigma_end": 2.0}, r"sigma_start=1\.0, sigma_end=2\.0"),
    ({"branch": "both"}, "branch must be one of auto, negative, positive, got 'both'"),
    ({"fade": "slow"}, "fade must be one of none, in, out, in and out, got 'slow'"),
    ({"rescale_mode": "half"}, "rescale_mode must be one of full, partial, got 'half'"),
    ({"every": 0}, "every must be between 1 and 8, got 0"),
    ({"every": 2.5}, r"every must be a whole number, got 2\.5"),
    ({"layer": ""}, r"layer must be middle, auto or a layer such as d2\.3, m0 or u0\.4, got ''"),
    ({"layer": None}, r"layer must be middle, auto or a layer such as d2\.3, m0 or u0\.4, got None"),
    ({"fade": None}, "fade must be one of none, in, out, in and out, got None"),
    ({"detail": "0.5"}, r"detail must be a finite number, got '0\.5'"),
]


@pytest.mark.parametrize("values, message", BAD, ids=str)
def test_bad_values_are_refused_by_name_and_value(advanced, model, values, message):
    with pytest.raises(ValueError, match=message):
        advanced(model, **values)


def test_a_window_upside_down_is_refused_before_the_prompt_runs():
    assert "sigma_start=1.0, sigma_end=2.0" in Node.VALIDATE_INPUTS(sigma_start=1.0, sigma_end=2.0)
