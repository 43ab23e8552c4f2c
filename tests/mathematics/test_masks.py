"""The masks that are kept for the preview, and the pictures of them; no host is needed."""

import copy

import numpy as np
import pytest
import torch

from sag_delayed_activation.pictures.mask_tiles import (
    LABEL_HEIGHT,
    LONGEST,
    NARROWEST,
    draw_mask,
    latent_picture,
    notice,
    outline,
    resize_masks,
    tile,
    tile_grid,
)
from sag_delayed_activation.sampling.masks import (
    RUNS_KEPT,
    SHAPES_KEPT,
    MaskStore,
    PackedMask,
    RunMasks,
    StepMask,
    fingerprint,
)

SHAPE = (1, 4, 8, 8)


def mask_of(*rows):
    return torch.tensor(rows, dtype=torch.bool)[None, None]


def run_of(sigmas, *masks, schedule=(4.0, 2.0, 1.0, 0.0)):
    """A run that evaluated `sigmas`, guided by `masks`, of one SAG node each evaluation from the first."""
    run = RunMasks(list(schedule))
    run.sigmas = list(sigmas)
    for number, mask in enumerate(masks):
        run.add(StepMask(number, sigmas[number], PackedMask(mask)))
    return run


# packing


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 5, 7), (3, 1, 25, 37), (10, 1, 32, 32)], ids=str)
def test_a_packed_mask_unpacks_to_what_it_was(shape):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) > 0.6
    assert np.array_equal(PackedMask(mask).unpacked(), mask[:, 0].numpy())


def test_thirty_steps_of_sdxl_at_1024_take_60_kib_in_numpy():
    run = run_of([1.0] * 30, *[torch.ones(1, 1, 128, 128, dtype=torch.bool)] * 30)
    run.settle()
    masks = [step.mask for step in run.steps]
    assert sum(mask.packed.nbytes for mask in masks) == 30 * 2048  # a sixteenth of 1 MiB
    assert all(type(mask.packed) is np.ndarray and mask.mask is None for mask in masks)


def test_during_a_run_nothing_is_read_off_the_device():
    run = run_of([4.0, 2.0], mask_of([1, 0]), mask_of([0, 1]))
    assert [step.mask.packed.size for step in run.steps] == [0, 0]


def test_at_its_end_all_is_read_and_no_tensor_is_kept():
    run = run_of([4.0], mask_of([1, 0]))
    run.settle()
    assert run.steps[0].mask.packed.tolist() == [0b10000000] and run.steps[0].mask.mask is None


@pytest.mark.parametrize("most", [4, 5])
def test_a_long_run_packs_its_masks_before_they_fill_the_device(monkeypatch, most):
    monkeypatch.setattr("sag_delayed_activation.sampling.masks.MOST_UNPACKED", most)
    run = run_of([4.0] * 8, *[mask_of([1, 0])] * 8)  # two pixels each, so the third and the sixth are too many
    assert [step.mask.mask is None for step in run.steps] == [True] * 6 + [False] * 2


# runs


def kept(store, latent, *sigmas):
    run = run_of(sigmas)
    store.keep(run, latent)
    return run


def test_the_run_of_a_latent_is_the_newest_that_gave_it_or_else_the_newest_of_its_shape_and_uncertain():
    store, latents = MaskStore(), [torch.full(SHAPE, value) for value in (1.0, 2.0, 3.0, 4.0)]
    runs = [kept(store, latents[which], float(which)) for which in (0, 1, 1, 2)]
    assert [store.run_of(latent) for latent in latents] == [
        (runs[0], True), (runs[2], True), (runs[3], True), (runs[3], False),
    ]  # fmt: skip
    assert store.run_of(torch.zeros(1, 4, 9, 9)) == (None, False)


def test_only_the_newest_few_shapes_are_kept():
    store = MaskStore()
    for side in range(1, SHAPES_KEPT + 3):
        kept(store, torch.zeros(1, 4, side, side))
    kept(store, torch.zeros(1, 4, 3, 3))  # which makes it the newest
    assert [shape[-1] for shape in store.runs] == [*range(4, SHAPES_KEPT + 3), 3]


def test_only_the_newest_few_runs_of_a_shape_are_kept():
    store = MaskStore()
    runs = [kept(store, torch.full(SHAPE, float(seed))) for seed in range(RUNS_KEPT + 2)]
    assert store.runs[SHAPE] == runs[2:]


def test_a_fingerprint_goes_by_values_alone_and_by_every_one_of_them():
    latent = torch.randn(2, 4, 5, 7, generator=torch.Generator().manual_seed(0))
    own, other = fingerprint(latent), latent.clone()
    other[1, 2, 3, 4] += 0.01
    turned = latent.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
    assert own == fingerprint(latent.half()) == fingerprint(latent.double()) == fingerprint(turned)
    assert fingerprint(other) != own


def test_a_deep_copy_of_a_models_options_reaches_the_same_masks():
    options = {"masks": MaskStore()}
    assert copy.deepcopy(options)["masks"] is options["masks"]


def test_a_line_is_no_news_right_after_itself_from_one_node_at_one_level_in_one_prompt():
    store, line = MaskStore(), ("node", "prompt", False, "text")
    assert store.is_news(*line) and not store.is_news(*line)
    for differs in (("another", False, "text"), ("prompt", True, "text"), ("prompt", False, "another")):
        assert store.is_news("node", *differs) and store.is_news(*line)
    assert store.is_news("another", *line[1:]) and not store.is_news(*line)


def test_where_there_is_no_prompt_every_line_is_news():
    store = MaskStore()
    assert all(store.is_news("node", None, False, "text") for _ in range(3))


@pytest.mark.parametrize(
    "sigmas, steps",
    [
        ([4.0, 2.0001, 1.0], [0, 1, 2]),
        ([4.0, 2.0, 2.0, 1.0, 1.0], [0, None, 1, None, 2]),  # heun looks ahead to the next step, which then begins
        ([4.0, 3.0], [0, None]),
    ],
)
def test_an_evaluation_is_the_step_that_begins_at_its_sigma(sigmas, steps):
    run = run_of(sigmas)
    assert [run.step_of(n) for n in range(len(sigmas))] == steps


def test_nodes_that_guided_an_evaluation_by_one_mask_share_it_and_others_do_not():
    left, right = (PackedMask(mask_of(row)) for row in ([1, 0], [0, 1]))
    run = run_of([4.0, 2.0])
    for step in [StepMask(0, 4.0, left), StepMask(0, 4.0, left, 1), StepMask(0, 4.0, right, 2), StepMask(1, 2.0, left)]:
        run.add(step)
    run.settle()
    assert [(step.evaluation, step.node) for step in run.distinct()] == [(0, 0), (0, 2), (1, 0)]


# pictures


def test_inside_the_mask_the_picture_is_tinted_and_outside_grey_and_dark():
    picture = np.zeros((1, 2, 3), dtype=np.float32)
    picture[0, :, 0] = 1.0  # red
    shown = np.asarray(draw_mask(picture, np.array([[True, False]]), 80, 40)).astype(int)
    assert shown[20, 20].tolist() == [255, 48, 19]  # three quarters red, one quarter of the mask's colour
    assert shown[20, 60].max() - shown[20, 60].min() == 0 and shown[20, 60].max() < 40


def test_the_mask_lies_on_the_picture_as_it_lies_in_the_latent():
    mask = np.array([[False, False, True], [False, False, False]])
    shown = np.asarray(draw_mask(np.ones((2, 3, 3)), mask, 90, 60)).astype(int).mean(axis=-1)
    assert [[shown[y, x] > 200 for x in (15, 45, 75)] for y in (15, 45)] == mask.tolist()


def test_the_mask_shows_on_black_and_on_white():
    for grey in (0.0, 1.0):
        shown = np.asarray(draw_mask(np.full((1, 2, 3), grey), np.array([[True, False]]), 80, 40)).astype(int)
        assert shown[20, 20].mean() - shown[20, 60].mean() > 40


def test_the_outline_runs_inside_the_mask_and_not_along_the_frame():
    inside = np.zeros((20, 20), dtype=bool)
    inside[5:, :10] = True
    edge = outline(inside)
    assert edge[5, 4] and edge[6, 4] and not edge[7, 4] and not edge[4, 4]
    assert edge[12, 9] and not edge[19, 0] and not edge[12, 0]


def test_a_mask_of_a_smaller_latent_is_enlarged_to_its_place():
    small = np.array([[[True, False], [False, True]]])
    assert np.array_equal(resize_masks(small, 4, 6), small.repeat(2, axis=1).repeat(3, axis=2))
    assert np.array_equal(resize_masks(small, 2, 2), small)


@pytest.mark.parametrize("count, grid", [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (10, (3, 4)), (25, (5, 5))])
def test_a_batch_is_laid_out_as_square_as_it_goes(count, grid):
    assert tile_grid(count) == grid


@pytest.mark.parametrize(
    "height, width, batch, shape",
    [
        (64, 64, 1, (LONGEST + LABEL_HEIGHT, LONGEST)),
        (512, 1024, 1, (LONGEST // 2 + LABEL_HEIGHT, LONGEST)),
        (2048, 256, 1, (LONGEST + LABEL_HEIGHT, NARROWEST)),
        (2048, 1, 1, (LONGEST + LABEL_HEIGHT, NARROWEST)),
        (28, 28, 10, (3 * 128 + 2 * 4 + LABEL_HEIGHT, 4 * 128 + 3 * 4)),
    ],
    ids=str,
)
def test_a_tile_has_room_for_its_label_whatever_the_picture(height, width, batch, shape):
    image = tile(np.zeros((1, height, width, 3)), np.zeros((batch, 8, 8), dtype=bool), "label", "caption")
    assert image.shape == (1, *shape, 3) and image.dtype == torch.float32 and 0 <= image.min() <= image.max() <= 1


def test_each_picture_of_a_batch_has_its_own_mask():
    white, masks = np.ones((4, 8, 8, 3)), np.zeros((4, 8, 8), dtype=bool)
    masks[2] = True
    image = tile(white, masks, "", "")[0]
    bright = [float(image[y, x].mean()) > 0.8 for y in (128, 384) for x in (128, 384)]
    assert bright == [False, False, True, False]


def test_the_pictures_of_a_batch_are_taken_in_turn_where_there_are_fewer_of_them_than_masks():
    pictures = np.stack([np.ones((8, 8, 3)), np.zeros((8, 8, 3))])
    image = tile(pictures, np.ones((3, 8, 8), dtype=bool), "", "")[0]
    assert float(image[384, 128].mean()) == pytest.approx(float(image[128, 128].mean()))
    assert float(image[128, 384].mean()) < 0.3


def test_a_notice_grows_with_its_text():
    short, long = notice("title", "word"), notice("title", "many words " * 40)
    assert short.shape[-1] == 3 and short.max() > 0.9 and long.shape[1] > short.shape[1] + 200


class Format:
    """A latent format with two channels: the first is red, the second green and blue."""

    latent_rgb_factors = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    latent_rgb_factors_bias = [0.0, 0.0, 1.0]

    def process_in(self, latent):
        return latent * 0.5


def test_the_picture_of_a_latent_is_by_the_formats_factors():
    latent = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    assert latent_picture(latent, Format()).flatten().tolist() == [0.75, 0.25, 0.75]


def test_without_factors_that_fit_the_picture_is_grey_from_darkest_to_brightest():
    latent = torch.stack([torch.tensor([[1.0, 2.0, 5.0]]).expand(3, 1, 3)] * 2)
    for latent_format in (Format(), object()):
        assert torch.equal(latent_picture(latent, latent_format)[1, 0, :, 2], torch.tensor([0.0, 0.25, 1.0]))
