"""The mask preview shows what guidance did in the run that gave the latent, or says why that is nothing."""

import copy
import gc
import itertools
from types import SimpleNamespace

import comfy.sample
import comfy.samplers
import folder_paths
import numpy as np
import pytest
import torch
from comfy_extras.nodes_mask import MaskToImage
from dense_reference import DenseSAG
from neighbours import made_by
from PIL import Image
from tiny_unet import NEGATIVE, POSITIVE, SHAPE, failing, in_stages, noise, sample, stage
from watch import after_cfg

from sag_delayed_activation.nodes_preview import MOST_TILES, SAGMaskPreview, draw_tiles
from sag_delayed_activation.pictures.canvas import Canvas
from sag_delayed_activation.sampling.masks import MASK_STORE, PackedMask, RunMasks, StepMask

STEPS = 4  # on the normal schedule: sigma 14.61, 2.918, 0.9324, 0.02917


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    """Where the host's PreviewImage writes."""
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


@pytest.fixture
def texts(monkeypatch):
    """Every text that is drawn."""
    drawn, text = [], Canvas.text

    def note(self, x, y, what, *more, **options):
        drawn.append(what)
        return text(self, x, y, what, *more, **options)

    monkeypatch.setattr(Canvas, "text", note)
    return drawn


def labels(texts):
    return ["   ".join(pair) for pair in itertools.pairwise(texts) if " masked" in pair[1]]


def steps(texts):
    """How the tiles call the steps that they show."""
    return [label.split("   ")[0] for label in labels(texts)]


def captions(texts):
    return {text for text in texts if ", sigma " in text}


def show(model, latent, images=None):
    """Tiles and masks that the node gives."""
    return SAGMaskPreview().show(model, {"samples": latent}, images)["result"]


def dense_masks(model, **how):
    """The masks of a run, by the reference: [steps * B, h, w]."""
    seen = []

    class Noting(DenseSAG):
        def mask(self, *size):
            seen.append(super().mask(*size))
            return seen[-1]

    with Noting(model, 0.5, 2.0) as reference:
        sample(reference, **how)
    return torch.cat(seen)[:, 0].float()


# what is shown


@pytest.mark.parametrize("shape", [SHAPE, (3, 4, 16, 16), (2, 4, 17, 23)], ids=str)
def test_the_masks_are_those_of_the_dense_formula(sag, model, shape):
    patched = sag(model)
    _, masks = show(patched, sample(patched, shape=shape))
    expected = dense_masks(model, shape=shape)
    assert masks.shape == (STEPS * shape[0], *shape[-2:]) and masks.dtype == torch.float32
    assert 0.1 < expected.mean() < 0.9 and (masks != expected).float().mean() < 0.005  # float32 near the threshold


def test_there_is_one_tile_for_each_step_that_acted_and_one_mask_a_picture(sag, model):
    patched = sag(model, sigma_start=3.0, sigma_end=0.9)
    tiles, masks = show(patched, sample(patched, shape=(3, 4, 16, 16)))
    assert len(tiles) == 2 and len(masks) == 2 * 3
    assert tiles.ndim == 4 and tiles.shape[-1] == 3 and 0 <= tiles.min() and tiles.max() <= 1


def test_each_tile_names_step_sigma_and_coverage_and_the_run(sag, model, texts):
    patched = sag(model, sigma_start=3.0, sigma_end=0.9)
    _, masks = show(patched, sample(patched))
    covered = [f"{100 * mask.mean().item():.0f} % masked" for mask in masks]
    assert labels(texts) == [f"step 1   sigma 2.918   {covered[0]}", f"step 2   sigma 0.9324   {covered[1]}"]
    assert texts.count("run of 4 evaluations, sigma 14.61 to 0.02917") == 2


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "lms", "uni_pc", "ddim"])
def test_every_step_is_found_under_samplers_that_look_once_a_step(sag, model, texts, sampler):
    patched = sag(model)
    show(patched, sample(patched, sampler=sampler))
    assert steps(texts) == [f"step {n}" for n in range(STEPS)]


def test_what_heun_looks_at_inside_a_step_is_no_step(sag, model, texts):
    patched = sag(model)
    show(patched, sample(patched, sampler="heun", steps=3))
    assert steps(texts) == ["step 0", "evaluation 1", "step 1", "evaluation 3", "step 2"]


def test_where_guidance_is_reused_the_tile_says_so_and_shows_the_mask_in_use(advanced, model, texts):
    patched = advanced(model, every=2)
    _, masks = show(patched, sample(patched))
    assert [label.endswith("reused") for label in labels(texts)] == [False, True, False, True]
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[2], masks[3])


def test_a_schedule_of_two_windows_shows_every_step_once(sag, model, texts):
    patched = sag(sag(model, sigma_start=15.0, sigma_end=2.0), sigma_start=3.0, sigma_end=0.0)
    tiles, masks = show(patched, sample(patched))
    assert len(tiles) == len(masks) == STEPS and not any("node" in label for label in labels(texts))


def test_two_nodes_with_masks_of_their_own_show_one_tile_each(sag, advanced, model, texts):
    patched = advanced(sag(model), sigma_start=3.0, sigma_end=2.0, threshold=1.02)
    tiles, masks = show(patched, sample(patched))
    assert [label[label.index("masked") :] for label in labels(texts)] == [
        "masked", "masked   node 1", "masked   node 2", "masked", "masked",
    ]  # fmt: skip
    assert len(tiles) == STEPS + 1 and masks[1].sum() > masks[2].sum() > 0


def test_pictures_are_shown_under_the_masks(sag, model):
    patched = sag(model)
    latent = sample(patched)
    black, white = (show(patched, latent, torch.full((1, 192, 320, 3), grey))[0] for grey in (0.0, 1.0))
    assert white.mean() > black.mean() + 0.2 and not torch.equal(show(patched, latent)[0], black)


@pytest.mark.parametrize("images", [(1, 192, 320, 4), (5, 90, 70, 3), (1, 2048, 64, 3), (1, 1, 1, 3)], ids=str)
def test_pictures_of_any_size_number_and_with_alpha_are_taken(sag, model, images):
    patched = sag(model)
    tiles, masks = show(patched, sample(patched, shape=(2, 4, 16, 16)), torch.rand(images))
    assert len(tiles) == STEPS and masks.shape == (2 * STEPS, 16, 16)


@pytest.mark.filterwarnings("error")
def test_a_picture_that_is_not_a_number_is_shown_black(sag, model):
    patched = sag(model)
    latent = sample(patched)
    blank = [show(patched, latent, torch.full((1, 8, 8, 3), grey))[0] for grey in (0.0, float("nan"))]
    assert torch.equal(*blank)
    show(patched, latent * float("nan"))


def test_a_sampler_that_looks_at_a_smaller_latent_between_gets_all_its_masks_at_one_size(sag, model):
    """Euler SMEA and its like."""

    def dy(denoise, x, sigmas, extra_args=None, callback=None, disable=None):
        for sigma in sigmas[:-1]:
            x = denoise(x, sigma.expand(len(x)), **extra_args)
            denoise(x[..., ::2, ::2], sigma.expand(len(x)), **extra_args)
        return x

    patched = sag(model)
    sampler, sigmas, empty = comfy.samplers.KSAMPLER(dy), torch.tensor([5.0, 1.0, 0.0]), torch.zeros(SHAPE)
    latent = comfy.sample.sample_custom(
        patched, noise(), 7.0, sampler, sigmas, POSITIVE, NEGATIVE, empty, disable_pbar=True
    )
    tiles, masks = show(patched, latent)
    assert len(tiles) == len(masks) == 4 and masks.shape[-2:] == SHAPE[-2:]
    small = masks[1].view(8, 2, 12, 2)
    assert 0 < small.mean() < 1 and torch.equal(small, small[:, :1, :, :1].expand_as(small))


def test_of_thousands_of_steps_some_tiles_are_drawn_and_all_masks_are_given(texts):
    count, run = 1000, RunMasks([])
    run.sigmas = [float(count - n) for n in range(count)]
    for n, sigma in enumerate(run.sigmas):
        run.add(StepMask(n, sigma, PackedMask(torch.zeros(1, 1, 2, 2, dtype=torch.bool))))
    run.settle()
    tiles, masks = draw_tiles(run, True, np.zeros((1, 4, 1, 3), dtype=np.float32), 2, 2)
    assert len(tiles) == MOST_TILES and len(masks) == count
    assert steps(texts)[0] == "evaluation 0" and steps(texts)[-1] == "evaluation 999"
    assert captions(texts) == {f"run of 1000 evaluations, sigma 1000 to 1, {MOST_TILES} of 1000 shown"}


# which run


def picture(model, seed, steps=STEPS):
    """The latent of one seed."""
    return stage(model, torch.zeros(SHAPE), 0, steps, steps, seed=seed)


def test_each_latent_shows_the_masks_of_the_run_that_gave_it_whatever_came_after(sag, model, texts):
    """As when one goes back to an earlier seed, whose latent is cached."""
    patched = sag(model)
    latents, masks = [], []
    for seed in (1, 2, 3):
        latents.append(picture(patched, seed))
        masks.append(show(patched, latents[-1])[1])
    with pytest.raises(RuntimeError):
        sample(failing(patched, 5, RuntimeError("broken")))
    sample(patched, cfg=1.0)
    assert not torch.equal(masks[0], masks[1]) and not torch.equal(masks[1], masks[2])
    assert all(torch.equal(show(patched, latent)[1], own) for latent, own in zip(latents, masks, strict=True))
    assert captions(texts) == {"run of 4 evaluations, sigma 14.61 to 0.02917"}


@pytest.mark.parametrize("change", [torch.clone, torch.Tensor.half], ids=["a copy", "in half precision"])
def test_a_latent_is_known_again_by_its_values(sag, model, change):
    patched = sag(model)
    first, second = (picture(patched, seed, steps=2) for seed in (1, 2))
    masks = [show(patched, latent)[1] for latent in (change(first), second, first)]
    assert torch.equal(masks[0], masks[2]) and not torch.equal(masks[0], masks[1])


def test_where_no_run_is_known_to_have_given_the_latent_the_newest_is_shown_and_said_to_be(sag, model, texts):
    patched = sag(model)
    picture(patched, 1)
    assert len(show(patched, picture(patched, 2, steps=2) * 1.01)[0]) == 2
    assert captions(texts) == {"newest run, perhaps of another picture, sigma 14.61 to 0.02917"}


PARTS = {  # the parts of four steps, the steps that the last one's tiles show, and its first and last evaluation
    "halves": ((0, 2, 4), ["step 0", "step 1"], "run of 2 evaluations, sigma 0.9324 to 0.02917"),
    "single steps": ((0, 1, 2, 3, 4), ["step 0"], "run of 1 evaluations, sigma 0.02917 to 0.02917"),
    "the first half alone": ((0, 2), ["step 0", "step 1"], "run of 2 evaluations, sigma 14.61 to 2.918"),
}


@pytest.mark.parametrize("cuts, shown, caption", PARTS.values(), ids=PARTS)
def test_of_parts_of_a_sampling_the_last_is_shown_with_its_own_steps(sag, model, texts, cuts, shown, caption):
    patched = sag(model)
    show(patched, in_stages(patched, cuts, steps=STEPS))
    assert steps(texts) == shown and captions(texts) == {caption}


def test_the_latent_between_two_stages_still_shows_the_first(sag, model, texts):
    patched = sag(model)
    first = stage(patched, torch.zeros(SHAPE), 0, 2, STEPS, sampler="heun")
    stage(patched, first, 2, 4, STEPS)
    show(patched, first)
    assert steps(texts) == ["step 0", "evaluation 1", "step 1", "evaluation 3"]


def test_one_model_sampled_in_two_sizes_shows_the_run_of_the_samples_size(sag, model):
    patched = sag(model)
    base = sample(patched, shape=(1, 4, 16, 16))
    enlarged = sample(patched, steps=3, denoise=0.5)
    assert len(show(patched, enlarged)[1]) == 3 and len(show(patched, base)[1]) == STEPS


@pytest.mark.parametrize("how", ["the host's clone", "a deep copy"])
def test_clones_and_their_model_share_the_masks_both_ways(sag, model, how):
    patched = sag(model)
    clone = after_cfg(patched, lambda args: args["denoised"])  # another node, behind
    if how == "a deep copy":  # ComfyUI before 0.14, whatever the host under test does
        clone.model_options = copy.deepcopy(patched.model_options)
    latent = sample(clone)
    assert len(show(patched, latent)[0]) == len(show(clone, latent)[0]) == STEPS
    assert len(show(clone, sample(patched, steps=2))[0]) == 2


def test_another_sag_node_behind_begins_masks_of_its_own(sag, model, texts):
    first = sag(model)
    second = sag(first, sigma_start=3.0)
    latent = sample(second)
    show(first, latent)
    assert "not sampled yet" in " ".join(texts)


# nothing to show


def missing_node(sag, model):
    return model, sample(model)


def not_sampled(sag, model):
    return sag(model), torch.zeros(SHAPE)


def rebuilt(sag, model):
    return sag(model), sample(sag(model))


def another_size(sag, model):
    patched = sag(model)
    sample(patched)
    return patched, torch.zeros(2, 4, 8, 9)


def tiles(sag, model):
    """As tiled samplers do it: a run for each piece, narrower ones at the edge."""
    patched = sag(model)
    return patched, torch.cat([sample(patched, shape=(1, 4, 16, width)) for width in (16, 16, 12)], dim=-1)


def one_by_one(sag, model):
    patched = sag(model)
    return patched, torch.cat([sample(patched) for _ in range(2)])


def no_negative(sag, model):
    patched = sag(model)
    sample(patched)
    return patched, sample(patched, cfg=1.0)


def outside(sag, model):
    patched = sag(model, sigma_start=1.0)
    sample(patched)
    return patched, sample(patched, steps=1)  # at sigma 14.61 alone


def outside_and_changed(sag, model):
    patched, latent = outside(sag, model)
    return patched, latent * 1.01


def failed(sag, model):
    patched = sag(model)
    with pytest.raises(RuntimeError):
        sample(failing(patched, 5, RuntimeError("broken")))
    return patched, torch.zeros(SHAPE)


@pytest.mark.parametrize(
    "case, why",
    [
        (missing_node, "carries no SAG node that acts"),
        (not_sampled, "was not sampled yet. Wire in the MODEL that goes into the sampler"),
        (failed, "was not sampled yet."),
        (rebuilt, "has made the MODEL anew and kept the samples: sample again, with another seed."),
        (another_size, "No run of this MODEL made a latent of 2x4x8x9. It made 1x4x16x24."),
        (tiles, "This MODEL sampled pieces of 1x4x16x12, 1x4x16x16, and no latent of 1x4x16x44. If a sampler put"),
        (one_by_one, "This MODEL sampled pieces of 1x4x16x24, and no latent of 2x4x16x24."),
        (no_negative, "4 because no negative prompt was evaluated"),
        (outside, "none lay in the window from 1 to 0, sampled were 14.61 to 14.61"),
        (outside_and_changed, "Of the newest run, perhaps of another picture: SAG delayed activation: choose a window"),
    ],
)
def test_where_there_is_nothing_to_show_a_picture_says_why(sag, model, texts, case, why):
    patched, latent = case(sag, model)
    tiles, masks = show(patched, latent)
    assert why in " ".join(texts)
    assert tiles.shape[0] == 1 and tiles.max() > 0.5 and torch.equal(masks, torch.zeros(1, *latent.shape[-2:]))


@pytest.mark.parametrize("shape", [(1, 4, 3, 16, 16), (1, 128)], ids=["video", "sound"])
def test_a_latent_that_is_no_picture_is_answered_in_words(sag, model, texts, shape):
    latent = SimpleNamespace(shape=torch.Size(shape))  # all that may be asked of it, nested ones too
    patched = sag(model)
    sample(patched)
    tiles, _ = show(patched, latent)
    assert len(tiles) == 1 and f"No run of this MODEL made a latent of {'x'.join(map(str, shape))}" in " ".join(texts)


# what is kept


def tensors():
    """All that are alive, by their id."""
    gc.collect()
    return {id(found): found for found in gc.get_objects() if issubclass(type(found), torch.Tensor)}


def test_only_numpy_outlives_a_run(sag, model):
    patched = sag(model)
    sample(patched)
    before = tensors()  # held here, since the host may drop a MODEL of other tests meanwhile
    for steps in (4, 8):
        sample(patched, steps=steps)
    assert tensors().keys() == before.keys()
    run = patched.model_options[MASK_STORE].runs[SHAPE][-1]
    assert len(run.steps) == 8 and all(step.mask.packed.nbytes == 16 * 24 / 8 for step in run.steps)
    assert all(step.mask.mask is None for step in run.steps)


def test_the_model_that_was_given_keeps_no_masks(sag, model):
    sample(sag(model))
    assert MASK_STORE not in model.model_options


# in the page


def test_the_page_gets_the_hosts_own_previews_of_the_tiles(sag, model, temp_folder):
    patched = sag(model)
    out = SAGMaskPreview().show(patched, {"samples": sample(patched)}, prompt={"1": {}}, extra_pnginfo={"workflow": 7})
    shown, tiles = out["ui"]["images"], out["result"][0]
    assert len(shown) == STEPS and {entry["type"] for entry in shown} == {"temp"}
    with Image.open(temp_folder / shown[1]["subfolder"] / shown[1]["filename"]) as picture:
        assert picture.info["workflow"] == "7"
        assert np.abs(np.asarray(picture) / 255 - tiles[1].numpy()).max() < 1.01 / 255


def test_it_is_an_output_node_whose_outputs_are_the_hosts_own_kinds():
    assert SAGMaskPreview.OUTPUT_NODE and SAGMaskPreview.RETURN_TYPES == ("IMAGE", "MASK")
    inputs = SAGMaskPreview.INPUT_TYPES()
    kinds = {name: kind for group in ("required", "optional") for name, (kind, _) in inputs[group].items()}
    assert kinds == {"model": "MODEL", "samples": "LATENT", "images": "IMAGE"}
    assert list(inputs["optional"]) == ["images"]
    import nodes  # the host's

    assert inputs["hidden"] == nodes.PreviewImage.INPUT_TYPES()["hidden"]


def test_the_masks_go_where_the_hosts_masks_go(sag, model):
    patched = sag(model)
    _, masks = show(patched, sample(patched))
    assert made_by(MaskToImage, masks).shape == (STEPS, *SHAPE[-2:], 3)
