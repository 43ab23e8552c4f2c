"""Where a run begins and ends, what is left of it, and that runs do not meet."""

import contextlib
import gc
import math
import re
import threading
from types import SimpleNamespace

import comfy.samplers
import pytest
import torch
from comfy.model_patcher import create_model_options_clone
from comfy_execution.utils import CurrentNodeContext
from neighbours import hooked
from tiny_unet import (
    NEGATIVE,
    POSITIVE,
    SHAPE,
    Calls,
    bare,
    distance,
    first_guidance,
    guided,
    noise,
    sample,
    tiny_model,
)
from watch import after_cfg, recorded

from sag_delayed_activation.sampling import recorder, run
from sag_delayed_activation.sampling.masks import MASK_STORE
from sag_delayed_activation.sampling.run_log import say_once_that_runs_are_not_told


def fail(*_, **__):
    raise RuntimeError("broken")


# what is left


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(references):
    return [reference for reference in references if reference() is not None]


def kept():
    kinds = (recorder.Evaluation, recorder.PromptAttention, run.Run, run.NodeRun)
    return sum(type(found) in kinds for found in gc.get_objects())


failing_in_a_later_layer = hooked(lambda m: m.set_model_output_block_patch(fail))
failing_before_guidance = hooked(lambda m: m.set_model_sampler_post_cfg_function(fail))
ENDINGS = {
    "as usual": lambda sag, model: sample(sag(model)),
    "by an error in a later layer": lambda sag, model: sample(sag(failing_in_a_later_layer(model))),
    "by an error after CFG": lambda sag, model: sample(sag(failing_before_guidance(model))),
    "under a guider that calls nothing after CFG": lambda sag, model: bare(sag(model)),
}


@pytest.mark.parametrize("sampled", ENDINGS.values(), ids=ENDINGS)
def test_however_a_run_ends_nothing_of_it_is_alive_without_the_garbage_collector(sag, model, no_collector, sampled):
    before = kept()  # earlier tests' tracebacks may hold some
    with recorded() as references, contextlib.suppress(RuntimeError):
        sampled(sag, model)
    assert references and not alive(references) and kept() == before


def test_an_error_in_a_later_layer_frees_all_even_while_somebody_holds_the_error(sag, model):
    with recorded() as references, pytest.raises(RuntimeError) as held:
        sample(sag(failing_in_a_later_layer(model)))
    assert references and held.traceback and not alive(references)


def test_an_evaluation_is_over_once_guidance_was_asked_for_in_the_window_or_outside(sag, model, no_collector):
    """What it recorded would else lie beside what the next evaluation needs."""
    left = []
    with recorded() as references:
        behind = after_cfg(sag(model, sigma_start=3.0), lambda args: left.append(alive(references)) or args["denoised"])
        sample(behind)
    assert len(references) == 8 and left == [[]] * 4


# its line


def test_the_line_is_there_when_the_run_ends_and_written_by_its_own_thread(sag, model, lines, caplog):
    worker = threading.Thread(target=lambda: sample(sag(model)), name="worker")
    worker.start()
    worker.join()
    [(_, line)] = lines()
    assert "acted on 4 of 4" in line and {r.threadName for r in caplog.records if r.getMessage() == line} == {"worker"}


def test_the_line_is_there_after_an_error_while_somebody_holds_the_error(sag, model, lines):
    with pytest.raises(RuntimeError) as held:
        sample(after_cfg(sag(model), fail))
    assert held and ["acted on 1 of 1" in line for _, line in lines()] == [True]


def test_a_guider_that_calls_nothing_after_cfg_is_told(sag, model, lines):
    bare(sag(model))
    [(level, line)] = lines()
    assert level == "WARNING" and "sample with another guider; acted on no step: the guider" in line


IN_PROMPTS = {"one": (["a", "a", "a"], 1), "three": (["a", "b", "a"], 3), "none, as in a script": ([None] * 3, 3)}


@pytest.mark.parametrize("sigma_start, level", [(15.0, "INFO"), (0.01, "WARNING")], ids=["information", "a warning"])
@pytest.mark.parametrize("prompts, times", IN_PROMPTS.values(), ids=IN_PROMPTS)
def test_a_nodes_line_that_follows_itself_within_one_prompt_is_logged_once(
    sag, model, lines, prompts, times, sigma_start, level
):
    """As of a picture in tiles, each of which is a run of its own."""
    patched = sag(sag(model, sigma_start=sigma_start), sigma_start=sigma_start)
    for prompt in prompts:
        with CurrentNodeContext(prompt, "7") if prompt else contextlib.nullcontext():
            sample(patched.clone(), steps=2, shape=(1, 4, 8, 8))
    assert [found for found, _ in lines()] == [level] * 2 * times  # of two nodes


def test_a_line_between_two_that_are_alike_makes_each_of_them_news(sag, model, lines):
    patched = sag(model)
    with CurrentNodeContext("a", "7"):
        for steps in (2, 3, 2):
            sample(patched, steps=steps, shape=(1, 4, 8, 8))
    assert [re.search(r"acted on (\d) of", line)[1] for _, line in lines()] == ["2", "3", "2"]


# samplings inside it


def guider_of(patched, kind=comfy.samplers.CFGGuider):
    guider = kind(patched)
    guider.set_conds(POSITIVE, NEGATIVE)
    guider.set_cfg(7.0)
    return guider


def two_samplings(patched, options, after):
    """One of a step, and in it or `after` it one of two steps, in the `options` of the first or of its own."""

    def sampler(denoise, x, sigmas, extra_args=None, **_):
        latent = denoise(x, sigmas[0] * torch.ones(len(x)), **extra_args)
        if options == "the same":
            second.model_options = first.model_options
        if not after:
            guided(second, steps=2)
        return latent

    first, second = guider_of(patched), guider_of(patched)
    sigmas = torch.tensor([5.0, 0.0])
    first.sample(noise(), torch.zeros(SHAPE), comfy.samplers.KSAMPLER(sampler), sigmas, disable_pbar=True, seed=3)
    if after:
        guided(second, steps=2)


TWO = [("the same", False, [3]), ("its own", False, [2, 1]), ("the same", True, [1, 2])]


@pytest.mark.parametrize("options, after, counts", TWO, ids=["inside", "inside, with options of its own", "after it"])
def test_the_outermost_sampling_of_a_runs_options_begins_and_ends_it_for_all_nodes(
    sag, model, lines, options, after, counts
):
    patched = sag(sag(model))
    two_samplings(patched, options, after)
    said = [int(re.search(r"acted on (\d) of", line)[1]) for _, line in lines()]
    assert said == [count for count in counts for _node in range(2)]
    runs = patched.model_options[MASK_STORE].runs[SHAPE]
    assert [(len(of.sigmas), {step.node for step in of.steps}) for of in runs] == [(count, {0, 1}) for count in counts]


# a guider that goes round its beginning


class GoingRound(comfy.samplers.CFGGuider):
    """Samples without the wrappers that the host calls round a run."""

    def sample(self, *args, **more):
        self.conds = {name: [dict(each) for each in conds] for name, conds in self.original_conds.items()}
        own, self.model_options = self.model_options, create_model_options_clone(self.model_options)
        try:
            return self.outer_sample(*args, **more)
        finally:
            self.model_options = own


def going_round(patched):
    latent = guided(guider_of(patched, GoingRound))
    for replace in patched.model_options["transformer_options"]["patches_replace"]["attn1"].values():
        replace.cleanup()  # as hosts from 0.17 on do, whoever began the run
    return latent


def test_a_guider_that_goes_round_the_beginning_is_guided_and_one_line_in_all_says_what_is_not_told(sag, model, lines):
    say_once_that_runs_are_not_told.cache_clear()
    patched, expected = sag(model), sample(sag(model))
    assert all(torch.equal(going_round(patched), expected) for _ in range(2))
    assert patched.model_options[MASK_STORE].runs == {}
    [_, (level, line)] = lines()
    assert level == "INFO" and line.startswith("SAG delayed activation: a guider begins its runs in a way of its own.")


def test_there_every_counts_as_1(advanced, model):
    with Calls(model) as calls:
        latent = going_round(advanced(model, every=4))
    assert calls.count([1]) == 4 and torch.equal(latent, sample(advanced(model)))


def test_there_an_open_fade_spans_the_models_own_sigmas(advanced, model):
    """And not those of the run, of which the fade would leave nothing at the first step."""

    def late(patched):
        sigmas, euler = torch.tensor([4.0, 1.0, 0.0]), comfy.samplers.sampler_object("euler")
        guider_of(patched, GoingRound).sample(noise(), torch.zeros(SHAPE), euler, sigmas, disable_pbar=True, seed=3)

    faded, full = (first_guidance(model, lambda m, f=f: advanced(m, fade=f), late).norm() for f in ("in", "none"))
    sampling = model.get_model_object("model_sampling")
    largest, smallest = float(sampling.sigma_max), float(sampling.sigma_min)
    share = math.log(largest / 4) / math.log(largest / smallest)
    assert (faded / full).item() == pytest.approx(share, abs=2e-3)


def test_the_hosts_cleanup_is_handed_on_to_the_attention_that_was_there_before(sag, model, lines):
    cleaned = []
    earlier = SimpleNamespace(cleanup=lambda: cleaned.append(True))
    recorder.AttentionRecorder("a key", 0, earlier).cleanup()
    recorder.AttentionRecorder("a key", 0, lambda *_: None).cleanup()
    assert cleaned == [True] and lines() == []


# runs do not meet


def test_one_patched_model_serves_other_sizes_and_batches(sag, model):
    patched = sag(model)
    first = sample(patched)
    sample(patched, shape=(2, 4, 16, 16))
    sample(patched, shape=(1, 4, 33, 17))
    assert torch.equal(sample(patched), first)


def test_two_samplers_in_two_threads_do_not_meet(sag):
    """Each thread has a UNet of its own, since the host's is not made for two; the node's hooks are shared."""
    patched, other = sag(tiny_model()), tiny_model()
    other.model_options = patched.model_options
    alone, results = [sample(patched, cfg=cfg) for cfg in (3.0, 9.0)], {}

    def work(model, cfg):
        with torch.inference_mode():
            results[cfg] = sample(model, cfg=cfg)

    threads = [threading.Thread(target=work, args=both) for both in ((patched, 3.0), (other, 9.0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(distance(results[cfg], latent) < 1e-5 for cfg, latent in zip((3.0, 9.0), alone, strict=True))
