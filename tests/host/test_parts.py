"""Runs that are parts of one sampling: a schedule cut in two by KSampler (Advanced), or into single steps."""


import folder_paths
import pytest
import torch
from tiny_unet import distance, failing, in_stages, sample, stage

from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced
from sag_delayed_activation.nodes_preview import SAGMaskPreview
from sag_delayed_activation.sampling.masks import MASK_STORE, fingerprint

pytestmark = pytest.mark.host
STEPS = 10  # on the normal schedule: sigma 14.61, 6.617, 3.753, 2.296, 1.454, 0.926, 0.5685, 0.3039, 0.1072, 0.02917
WHOLE, HALVES, SINGLE = (0, 10), (0, 5, 10), tuple(range(11))
SMALL = (1, 4, 16, 16)


def advanced(model, sigma_start=15.0, sigma_end=0.0, **more):
    return SelfAttentionGuidanceAdvanced().patch(model, 0.5, 2.0, sigma_start, sigma_end, **more)[0]


# fade


@pytest.mark.parametrize("cuts", [HALVES, SINGLE], ids=["halves", "single steps"])
@pytest.mark.parametrize("fade", ["in", "out", "in and out"])
def test_with_both_bounds_typed_a_fade_is_the_same_however_the_schedule_is_cut(model, fade, cuts):
    window = {"sigma_start": 10.0, "sigma_end": 0.2}
    whole = in_stages(advanced(model, fade=fade, **window), WHOLE, SMALL)
    effect = distance(in_stages(advanced(model, **window), WHOLE, SMALL), whole)
    assert effect > 1e-3
    assert distance(in_stages(advanced(model, fade=fade, **window), cuts, SMALL), whole) < 0.01 * effect


# the log


@pytest.fixture
def levels(lines):
    """The levels of the pack's lines in the log."""
    return lambda: [level for level, _ in lines()]


def test_of_runs_of_single_steps_none_is_warned_of_where_some_acted(sag, model, levels):
    in_stages(sag(model, sigma_start=1.0, sigma_end=0.2), SINGLE, SMALL)
    assert levels() == ["INFO"] * STEPS


def test_a_stage_outside_the_window_is_no_warning_before_one_inside_or_after(sag, model, levels):
    in_stages(sag(model, sigma_start=1.0), HALVES, SMALL)
    in_stages(sag(model, sigma_end=1.0), HALVES, SMALL)
    assert levels() == ["INFO"] * 4


def test_a_sampling_whose_window_no_stage_reached_is_warned_of_once_at_its_end(sag, model, levels):
    in_stages(sag(model, sigma_start=0.02), HALVES, SMALL)
    assert levels() == ["INFO", "WARNING"]


def test_what_kept_a_stage_from_acting_is_a_warning_only_where_every_stage_was_kept(sag, model, levels):
    def at(first_cfg, second_cfg):
        patched = sag(model)
        stage(patched, stage(patched, torch.zeros(SMALL), 0, 5, cfg=first_cfg), 5, 10, cfg=second_cfg)

    at(1.0, 7.0)
    at(7.0, 1.0)
    at(1.0, 1.0)
    assert levels() == ["INFO"] * 4 + ["INFO", "WARNING"]


def test_img2img_below_the_window_is_warned_of_unless_the_model_acted_before(sag, model, levels):
    patched = sag(model, sigma_end=4.0)
    sample(patched, denoise=0.3, shape=SMALL)
    sample(patched, shape=(1, 4, 8, 8))
    sample(patched, denoise=0.3, shape=SMALL)
    assert levels() == ["WARNING", "INFO", "INFO"]


def test_a_model_that_acted_before_is_warned_of_where_something_else_keeps_it_from_acting(sag, model, levels):
    patched = sag(model)
    sample(patched, shape=SMALL)
    sample(patched, cfg=1.0, shape=SMALL)
    assert levels() == ["INFO", "WARNING"]


def test_of_two_nodes_the_one_that_never_acts_is_warned_of_however_often_the_other_did(sag, model, levels):
    patched = sag(sag(model), sigma_start=0.02)
    for _ in range(2):
        sample(patched, shape=SMALL)
    assert sorted(levels()) == ["INFO", "INFO", "WARNING", "WARNING"]


# what a run was given


def test_what_a_run_is_given_and_gives_is_noted(sag, model):
    patched = sag(sag(model))
    given = stage(patched, torch.zeros(SMALL), 0, 5)
    latent = stage(patched, given, 5, 10)
    [run] = patched.model_options[MASK_STORE].runs[SMALL]
    assert len(run.ends.schedule) == 6 and run.ends.schedule[-1] == 0
    assert (run.ends.given, run.ends.result) == (fingerprint(given), fingerprint(latent))


def test_a_run_that_failed_is_known_to_have_given_nothing(sag, model):
    patched = sag(model)
    with pytest.raises(RuntimeError):
        sample(failing(patched, 5, RuntimeError("broken")), shape=SMALL)
    [run] = patched.model_options[MASK_STORE].runs[SMALL]
    assert run.ends.schedule[-1] == 0 and run.ends.result is None


# the preview


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    """Where the host's PreviewImage writes."""
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


@pytest.fixture
def texts(monkeypatch):
    """Every text that is drawn."""
    from sag_delayed_activation.pictures.canvas import Canvas

    drawn, text = [], Canvas.text
    monkeypatch.setattr(Canvas, "text", lambda self, x, y, what, *more, **options: (
        drawn.append(what), text(self, x, y, what, *more, **options)))  # fmt: skip
    return drawn


def show(model, latent):
    """The masks that the node gives."""
    return SAGMaskPreview().show(model, {"samples": latent})["result"][1]


def steps(texts):
    """How the tiles call the steps that they show."""
    return [text.split("   ")[0] for text in texts if " masked" in text]


@pytest.mark.parametrize("cuts, runs", [(HALVES, 2), (SINGLE, 10)], ids=["halves", "single steps"])
def test_the_preview_shows_all_runs_of_a_sampling_numbered_as_one(sag, model, texts, cuts, runs):
    whole, parts = sag(model, sigma_start=5.0), sag(model, sigma_start=5.0)
    expected = show(whole, in_stages(whole, WHOLE, SMALL))
    texts.clear()
    masks = show(parts, in_stages(parts, cuts, SMALL))
    assert steps(texts) == [f"step {n}" for n in range(2, STEPS)]
    assert masks.shape == expected.shape and (masks != expected).float().mean() < 0.02
    assert f"10 evaluations in {runs} runs, sigma 14.61 to 0.02917" in texts


def test_what_the_first_stage_did_is_shown_where_the_second_did_nothing(sag, model, texts):
    patched = sag(model, sigma_end=2.0)
    show(patched, in_stages(patched, HALVES, SMALL))
    assert steps(texts) == ["step 0", "step 1", "step 2", "step 3"]


def test_where_no_stage_acted_one_sentence_says_why(sag, model, texts):
    patched = sag(model, sigma_start=0.02)
    show(patched, in_stages(patched, SINGLE, SMALL))
    said = " ".join(texts)
    assert said.count("none lay in the window") == 1 and "acted on 0 of 10" in said and "14.61 to 0.02917" in said


def test_a_second_stage_that_is_sampled_again_still_goes_on_from_the_first(sag, model, texts):
    """Its cfg was changed; the first stage's latent is cached."""
    patched = sag(model)
    first = stage(patched, torch.zeros(SMALL), 0, 5)
    stage(patched, first, 5, 10)
    show(patched, stage(patched, first, 5, 10, cfg=4.0))
    assert steps(texts) == [f"step {n}" for n in range(STEPS)]


def test_a_second_stage_that_failed_leaves_the_first_to_its_next_try(sag, model, texts):
    patched = sag(model)
    first = stage(patched, torch.zeros(SMALL), 0, 5)
    with pytest.raises(RuntimeError):
        stage(failing(patched, 5, RuntimeError("broken")), first, 5, 10)
    show(patched, stage(patched, first, 5, 10))
    assert steps(texts) == [f"step {n}" for n in range(STEPS)]


def test_the_latent_between_two_stages_shows_the_first_alone(sag, model, texts):
    patched = sag(model)
    first = stage(patched, torch.zeros(SMALL), 0, 5)
    stage(patched, first, 5, 10)
    show(patched, first)
    assert steps(texts) == [f"step {n}" for n in range(5)]


def test_a_stage_goes_on_from_the_run_before_where_the_latent_was_changed_between(sag, model, texts):
    patched = sag(model)
    show(patched, stage(patched, stage(patched, torch.zeros(SMALL), 0, 5) * 1.01, 5, 10))
    assert steps(texts) == [f"step {n}" for n in range(STEPS)]


def test_of_two_first_stages_the_one_whose_latent_was_given_is_gone_on_from(sag, model):
    patched = sag(model)
    firsts = [stage(patched, torch.zeros(SMALL), 0, 5, seed=seed) for seed in (1, 2)]
    expected = show(patched, firsts[0])
    assert torch.equal(show(patched, stage(patched, firsts[0], 5, 10))[:5], expected)
    assert not torch.equal(show(patched, firsts[1]), expected)


def test_a_run_that_begins_elsewhere_is_a_sampling_of_its_own(sag, model, texts):
    patched = sag(model)
    stage(patched, torch.zeros(SMALL), 0, 5)
    show(patched, sample(patched, steps=3, shape=SMALL))
    assert len(steps(texts)) == 3


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m"])
def test_under_samplers_that_look_ahead_the_steps_of_stages_are_those_of_the_whole(sag, model, texts, sampler):
    for cuts in (WHOLE, HALVES):
        patched = sag(model)
        show(patched, in_stages(patched, cuts, SMALL, sampler=sampler))
    half = len(steps(texts)) // 2
    whole, stages = steps(texts)[:half], steps(texts)[half:]
    assert [s for s in stages if "step" in s] == [s for s in whole if "step" in s] == [f"step {n}" for n in range(10)]
