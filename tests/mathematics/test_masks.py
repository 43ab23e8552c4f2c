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
from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.masks import (
    SAMPLINGS_KEPT,
    SHAPES_KEPT,
    MaskStore,
    PackedMask,
    RunEnds,
    RunMasks,
    Sampling,
    StepMask,
    fingerprint,
)
from sag_delayed_activation.sampling.run_log import RunLog

SHAPE = (1, 4, 8, 8)


def mask_of(*rows):
    return torch.tensor(rows, dtype=torch.bool)[None, None]


def run_of(sigmas, schedule, *masks):
    """A run that evaluated `sigmas`, guided by `masks`, of one SAG node each evaluation from the first."""
    run = RunMasks(None if schedule is None else RunEnds(schedule, given=0))
    run.logs.append(RunLog(SigmaWindow(15, 0), list(sigmas)))
    for number, mask in enumerate(masks):
        run.add(StepMask(number, sigmas[number], PackedMask(mask)))
    return run


# packing


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 5, 7), (3, 1, 25, 37), (10, 1, 32, 32)], ids=str)
def test_a_packed_mask_unpacks_to_what_it_was(shape):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) > 0.6
    assert np.array_equal(PackedMask(mask).unpacked(), mask[:, 0].numpy())


def test_thirty_steps_of_sdxl_at_1024_take_60_kib_in_numpy():
    run = run_of([1.0] * 30, None, *[torch.ones(1, 1, 128, 128, dtype=torch.bool)] * 30)
    run.settle()
    masks = [step.mask for step in run.steps]
    assert sum(mask.packed.nbytes for mask in masks) == 30 * 2048  # a sixteenth of 1 MiB
    assert all(type(mask.packed) is np.ndarray and mask.mask is None for mask in masks)


def test_during_a_run_nothing_is_read_off_the_device():
    run = run_of([4.0, 2.0], [4.0, 2.0, 0.0], mask_of([1, 0]), mask_of([0, 1]))
    assert [step.mask.packed.size for step in run.steps] == [0, 0]


def test_at_its_end_all_is_read_and_no_tensor_is_kept():
    run = run_of([4.0], [4.0, 0.0], mask_of([1, 0]))
    run.settle()
    assert run.steps[0].mask.packed.tolist() == [0b10000000] and run.steps[0].mask.mask is None


@pytest.mark.parametrize("most", [4, 5])
def test_a_long_run_packs_its_masks_before_they_fill_the_device(monkeypatch, most):
    monkeypatch.setattr("sag_delayed_activation.sampling.masks.MOST_UNPACKED", most)
    run = run_of([4.0] * 8, None, *[mask_of([1, 0])] * 8)  # two pixels each, so the third and the sixth are too many
    assert [step.mask.mask is None for step in run.steps] == [True] * 6 + [False] * 2


# runs


def sampled(store, schedule, given=0, result=None, shape=SHAPE):
    """A run of `store` that was given and gave latents with these fingerprints."""
    run = store.begin(shape, RunEnds(list(schedule), given))
    run.logs.append(RunLog(SigmaWindow(15, 0), list(schedule[:-1])))
    run.ends.result = result
    return run


WHOLE, FIRST, SECOND = (4.0, 2.0, 1.0, 0.0), (4.0, 2.0), (2.0, 1.0, 0.0)


def test_the_next_run_of_a_shape_takes_the_place_of_one_that_gave_no_latent_and_leaves_other_shapes():
    store, other = MaskStore(), (1, 4, 16, 16)
    first, kept = store.begin(SHAPE), store.begin(other)
    second = store.begin(SHAPE)
    assert list(store.runs.items()) == [(other, [kept]), (SHAPE, [second])] and second is not first  # the newest last


def test_only_the_newest_few_shapes_are_kept():
    store = MaskStore()
    for side in range(1, SHAPES_KEPT + 3):
        store.begin((1, 4, side, side))
    assert [shape[-1] for shape in store.runs] == list(range(3, SHAPES_KEPT + 3))


def test_only_the_newest_few_samplings_of_a_shape_are_kept():
    store = MaskStore()
    runs = [sampled(store, WHOLE, result=seed) for seed in range(1, SAMPLINGS_KEPT + 3)]
    assert store.runs[SHAPE] == runs[2:]


def test_the_runs_of_a_sampling_count_as_one():
    store = MaskStore()
    whole = sampled(store, WHOLE, result=1)
    latents = range(2, 102)
    for latent in latents:
        run = sampled(store, (200.0 - latent, 199.0 - latent), latent, latent + 1)
    assert store.runs[SHAPE] == [whole, run] and len(list(run.backwards())) == len(latents)


def test_a_run_goes_on_from_the_one_that_gave_its_latent():
    store = MaskStore()
    firsts = [sampled(store, FIRST, 0, latent) for latent in (1, 2, 3)]
    assert [sampled(store, SECOND, latent, latent + 10).before for latent in (1, 2, 3)] == firsts
    assert sampled(store, SECOND, 2, 20).before is firsts[1]  # once more, with another cfg


def test_a_run_whose_latent_was_changed_goes_on_from_the_newest_and_from_no_older_one():
    store = MaskStore()
    sampled(store, FIRST, 0, 5)
    newest = sampled(store, FIRST, 0, 1)
    assert sampled(store, SECOND, 77, 2).before is newest
    assert sampled(store, SECOND, 78, 3).before is None


@pytest.mark.parametrize(
    "earlier, result",
    [((4.0, 3.0), 1), ((4.0, 2.0, 0.0), 1), ((0.5, 0.4, 2.0), 1), ((2.0, 2.0), 1), (FIRST, None)],
    ids=["at another sigma", "from 0", "from one that rose", "from one that stood still", "from one that failed"],
)
def test_a_run_does_not_go_on(earlier, result):
    store = MaskStore()
    sampled(store, earlier, 0, result)
    begin = 0.0 if earlier[-1] == 0 else 2.0
    assert sampled(store, (begin, 1.0, 0.0), 1, 2).before is None


def test_parts_of_several_steps_are_joined_where_one_ended_and_the_next_begins():
    store = MaskStore()
    first = sampled(store, (8.0, 4.0, 2.0), 0, 1)
    second = sampled(store, (2.0, 1.0, 0.5), 1, 2)
    third = sampled(store, (0.5, 0.25, 0.0), 2, 3)
    assert third.before is second and second.before is first
    assert Sampling(third).schedule == [8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.0]


def test_a_run_that_failed_gives_back_the_one_it_went_on_from():
    store = MaskStore()
    first = sampled(store, FIRST, 0, 1)
    sampled(store, SECOND, 1)
    assert sampled(store, SECOND, 1, 2).before is first


def test_a_sampling_is_what_its_runs_would_have_been_as_one():
    store = MaskStore()
    for schedule, given, row in ((FIRST, 0, [1, 0]), (SECOND, 1, [0, 1])):
        run = sampled(store, schedule, given, given + 1)
        run.add(StepMask(0, schedule[0], PackedMask(mask_of(row))))
        run.logs[0].acted.append(given)
        run.logs[0].skipped[1] = "a reason"
        run.logs[0].extra_calls = run.logs[0].not_finite = 1
    whole = Sampling(run)
    assert (whole.runs, whole.sigmas, whole.schedule) == (2, [4.0, 2.0, 1.0], [4.0, 2.0, 1.0, 0.0])
    assert [(step.evaluation, step.sigma, whole.step_of(step.evaluation)) for step in whole.steps] == [
        (0, 4.0, 0), (1, 2.0, 1),
    ]  # fmt: skip
    [log] = whole.logs
    assert (log.acted, log.extra_calls, log.not_finite) == ([0, 2], 2, 2)
    assert log.skipped == {1: "a reason", 2: "a reason"}
    assert run.logs[0].acted == [1] and run.steps[0].evaluation == 0  # the run's own stays


def test_the_sampling_of_a_latent_is_the_one_that_gave_it_or_else_the_newest_and_uncertain():
    store, latents = MaskStore(), [torch.full(SHAPE, value) for value in (1.0, 2.0, 3.0, 4.0)]
    first, second = [fingerprint(latent) for latent in latents[:2]]
    sampled(store, FIRST, 0, first)
    sampled(store, SECOND, first, second)
    sampled(store, (8.0, 0.0), 0, 0)
    sampled(store, (9.0, 0.0), 0, fingerprint(latents[2]))
    found = [store.sampling_of(latent) for latent in latents]
    assert [s.sigmas for s in found] == [[4.0], [4.0, 2.0, 1.0], [9.0], [9.0]]
    assert [s.certain for s in found] == [True, True, True, False]
    assert store.sampling_of(torch.zeros(1, 4, 9, 9)) is None


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


def test_an_evaluation_is_the_step_that_begins_at_its_sigma():
    run = run_of([4.0, 2.0001, 1.0], [4.0, 2.0, 1.0, 0.0])
    assert [Sampling(run).step_of(n) for n in range(3)] == [0, 1, 2]


def test_heuns_look_ahead_is_no_step_but_the_next_evaluation_at_that_sigma_is():
    run = run_of([4.0, 2.0, 2.0, 1.0, 1.0], [4.0, 2.0, 1.0, 0.0])
    assert [Sampling(run).step_of(n) for n in range(5)] == [0, None, 1, None, 2]


def test_a_sigma_between_two_steps_and_an_unknown_schedule_name_no_step():
    assert Sampling(run_of([4.0, 3.0], [4.0, 2.0, 0.0])).step_of(1) is None
    assert Sampling(run_of([4.0], None)).step_of(0) is None


def test_nodes_that_guided_an_evaluation_by_one_mask_share_it_and_others_do_not():
    left, right = (PackedMask(mask_of(row)) for row in ([1, 0], [0, 1]))
    run = run_of([4.0, 2.0], None)
    for step in [StepMask(0, 4.0, left), StepMask(0, 4.0, left, 1), StepMask(0, 4.0, right, 2), StepMask(1, 2.0, left)]:
        run.add(step)
    assert [(step.evaluation, step.node) for step in Sampling(run).distinct()] == [(0, 0), (0, 2), (1, 0)]


def test_masks_that_are_still_on_their_way_are_waited_for_before_they_are_compared():
    run = run_of([4.0], None, mask_of([1, 0]))
    run.add(StepMask(0, 4.0, PackedMask(mask_of([0, 1])), 1))
    assert [step.mask.unpacked().tolist() for step in Sampling(run).distinct()] == [
        [[[True, False]]],
        [[[False, True]]],
    ]


# warnings


def one_that_did_nothing(store, schedule=WHOLE, given=0, node=0, **log):
    """The log of this node in a run of `store`, its sigmas all outside the window unless `log` says more."""
    run = store.begin(SHAPE, RunEnds(list(schedule), given))
    run.logs += [RunLog(SigmaWindow(0.5, 0), list(schedule[:-1]), node=number) for number in range(node)]
    run.logs.append(RunLog(SigmaWindow(0.5, 0), list(schedule[:-1]), node=node, **log))
    return run, run.logs[node]


def excused(run_and_log):
    run, log = run_and_log
    return run.excuses(log)


def test_a_node_that_did_nothing_is_not_excused_where_the_whole_sampling_is_over():
    assert not excused(one_that_did_nothing(MaskStore()))
    assert not excused(one_that_did_nothing(MaskStore(), SECOND))
    assert not RunMasks().excuses(RunLog(SigmaWindow(15, 0)))  # on a host that does not tell what a run is given


def test_a_node_that_did_nothing_is_excused_where_the_rest_of_its_sampling_may_act():
    assert excused(one_that_did_nothing(MaskStore(), FIRST, skipped={0: "a reason"}))


@pytest.mark.parametrize("node, is_excused", [(0, True), (1, False)], ids=["itself", "another"])
def test_a_node_that_did_nothing_is_excused_where_it_acted_in_an_earlier_part(node, is_excused):
    store = MaskStore()
    first = sampled(store, FIRST, 0, 1)
    first.logs[0].acted.append(0)
    assert excused(one_that_did_nothing(store, SECOND, 1, node, skipped={0: "a reason"})) is is_excused


@pytest.mark.parametrize(
    "node, skipped, is_excused",
    [(0, {}, True), (1, {}, False), (0, {0: "a reason"}, False)],
    ids=["no sigma lay in its window", "another node", "it was skipped"],
)
def test_a_node_that_did_nothing_is_excused_where_it_acted_in_another_run_and_nothing_went_wrong(
    node, skipped, is_excused
):
    store = MaskStore()
    acted, idle = (sampled(store, WHOLE, 0, result) for result in (1, 2))
    acted.logs[0].acted.append(0)
    acted.finish(acted.logs[0])
    idle.finish(idle.logs[0])  # which takes nothing back
    assert excused(one_that_did_nothing(store, node=node, skipped=skipped)) is is_excused


def test_to_do_nothing_does_not_count_as_having_acted():
    store = MaskStore()
    run, log = one_that_did_nothing(store)
    run.finish(log)
    assert not excused(one_that_did_nothing(store))


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
