"""What a node keeps during a run, and its end; no host is needed."""

import logging

import pytest
import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling import run as run_module
from sag_delayed_activation.sampling.host import RunScope
from sag_delayed_activation.sampling.masks import PackedMask, RunMasks
from sag_delayed_activation.sampling.run import CachedGuidance, Run, end_runs, note_given, note_result

WINDOW = SigmaWindow(15, 0)


def computed(sigma=2.0, value=3.0, detail=None):
    """Guidance of two pictures, of the second of which nothing was finite."""
    finite, total = torch.tensor([True, False]), torch.full((2, 1, 5, 5), value)
    total = torch.where(finite.view(2, 1, 1, 1), total if detail is None else total + detail, 0)
    return CachedGuidance(total, PackedMask(torch.ones(2, 1, 5, 5, dtype=torch.bool)), finite, sigma, detail)


@pytest.fixture(autouse=True)
def host_tells_the_end(monkeypatch):
    monkeypatch.setattr(run_module, "wrappers_exist", lambda: True)


@pytest.fixture
def run():
    begun = Run(WINDOW, RunMasks())
    begun.log.sigmas.append(2.0)
    yield begun
    begun.end()


@pytest.fixture
def records(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


# guidance to use again


def each_picture(guidance):
    assert guidance.std(dim=(1, 2, 3)).max() == 0
    return guidance[:, 0, 0, 0].tolist()


def test_guidance_falls_with_sigma():
    assert each_picture(computed().difference_at(1.0)) == [1.5, 0.0]


def test_between_computed_evaluations_only_the_papers_part_falls_with_sigma():
    detail = torch.full((2, 1, 5, 5), 1.0)
    assert each_picture(computed(detail=detail).difference_at(1.0)) == [2.5, 0.0]


def test_what_is_not_finite_in_the_detail_of_a_picture_left_out_stays_out():
    detail = torch.tensor([1.0, torch.inf]).view(2, 1, 1, 1).expand(2, 1, 5, 5)
    assert each_picture(computed(detail=detail).difference_at(1.0)) == [2.5, 0.0]


def test_guidance_computed_at_sigma_0_stays_as_it_is():
    assert each_picture(computed(sigma=0.0).difference_at(0.0)) == [3.0, 0.0]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_guidance_serves_for_as_many_evaluations_as_every_says_the_first_among_them(run, every):
    guidance = computed()
    assert run.reuse(every, guidance.total.shape) is None
    run.keep(guidance)
    again = [run.reuse(every, guidance.total.shape) for _ in range(every)]
    assert [found is guidance for found in again] == [True] * (every - 1) + [False]


def test_guidance_kept_anew_serves_anew(run):
    run.keep(computed())
    run.reuse(2, computed().total.shape)
    run.keep(computed())
    assert run.reuse(2, computed().total.shape) is not None


def test_guidance_serves_no_latent_of_another_shape(run):
    run.keep(computed())
    assert run.reuse(9, torch.Size((2, 1, 5, 6))) is None


# what was done


def test_where_guidance_acted_is_noted_and_nothing_is_read_off_the_device(run):
    run.log.sigmas.append(1.0)
    run.acted(1.0, computed(), reused=True)
    [step] = run.masks.steps
    assert (step.evaluation, step.sigma, step.node, step.reused) == (1, 1.0, 0, True) and run.log.acted == [1]
    assert len(run.log.finite) == 1 and step.mask.mask is not None


def test_before_0_3_7_nobody_tells_the_end_and_all_is_read_at_once(run, monkeypatch):
    monkeypatch.setattr(run_module, "wrappers_exist", lambda: False)
    run.acted(2.0, computed(), reused=False)
    assert (run.log.finite, run.log.not_finite, run.masks.steps[0].mask.mask) == ([], 1, None)


def test_the_nodes_of_a_run_are_numbered_in_their_order_and_each_ends_once(records):
    scope, masks = RunScope(), RunMasks()
    runs = [Run(WINDOW, masks) for _ in range(2)]
    for number, run in enumerate(runs):
        run.log.sigmas.append(2.0)
        scope.entries[number] = run
    runs[1].acted(2.0, computed(), reused=False)
    runs[1].keep(computed())
    end_runs(scope)
    end_runs(scope)
    assert [run.log.node for run in runs] == [0, 1] and runs[1].cached is None
    assert ["acted on 0 of 1" in records()[0][1], "acted on 1 of 1" in records()[1][1]] == [True, True]
    assert len(records()) == 2 and masks.nodes_that_acted == {1}


def test_where_the_device_itself_failed_the_line_is_still_written(run, records, monkeypatch):
    def fail():
        raise RuntimeError("the device is gone")

    run.acted(2.0, computed(), reused=False)
    monkeypatch.setattr(run.masks, "settle", fail)
    run.end()
    assert [level for level, _ in records()] == ["INFO"] and run.log.finite == []


def test_a_run_that_is_forgotten_leaves_its_line_aside_for_the_next():
    run = Run(WINDOW, RunMasks())
    log = run.log
    del run
    assert run_module.LINES_PUT_ASIDE.pop()[0] is log


def test_what_a_run_is_given_and_gives_is_noted_once_however_many_nodes_it_has():
    scope, latents = RunScope(), [torch.full((1, 4, 5, 7), float(value)) for value in range(4)]
    note_given(scope, torch.tensor([2.0, 1.0, 0.0]), latents[0])
    note_given(scope, torch.tensor([3.0]), latents[1])
    ends = scope.entries[run_module.ENDS_OF_RUN]
    assert (ends.schedule, ends.given, ends.result) == ([2.0, 1.0, 0.0], run_module.fingerprint(latents[0]), None)
    note_result(scope, latents[2])
    note_result(scope, latents[3])
    assert ends.result == run_module.fingerprint(latents[2])
