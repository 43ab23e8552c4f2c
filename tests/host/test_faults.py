"""Whatever fails, and wherever: the host's own error comes through, and the next run is as a fresh one."""

import comfy.model_management
import comfy.samplers
import pytest
import torch
from comfy.model_management import OOM_EXCEPTION, InterruptProcessingException
from tiny_unet import SHAPE, Calls, sample

from sag_delayed_activation.sampling import branch, hooks, host, masks, recorder, self_attention

pytestmark = pytest.mark.host
PLACES = {  # the pack's own work in a run, in the order in which it is done
    "the recorder": (host.HostAttention, "__call__"),
    "the weights of the prompts": (branch, "active_regions"),
    "the attention received": (recorder, "attention_received"),
    "the blur": (self_attention, "degrade"),
    "the mask for the preview": (hooks, "PackedMask"),
}
ERRORS = [RuntimeError("broken"), OOM_EXCEPTION("out of memory"), InterruptProcessingException()]


@pytest.fixture
def failing(monkeypatch):
    """Makes a function of a module raise the second time, or another, that it is called."""

    def fail(module, name, error, at=2):
        original, called = getattr(module, name), []

        def broken(*args, **options):
            called.append(name)
            if len(called) == at:
                raise error
            return original(*args, **options)

        monkeypatch.setattr(module, name, broken)

    return fail


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("place", PLACES)
def test_an_error_in_the_packs_own_work_comes_through_and_is_gone(sag, model, failing, monkeypatch, place, error):
    patched = sag(model)
    fresh, options = sample(patched), repr(model.model_options)
    failing(*PLACES[place], error)
    with pytest.raises(type(error)) as caught:
        sample(patched)
    assert caught.value is error
    monkeypatch.undo()
    assert torch.equal(sample(patched), fresh) and repr(model.model_options) == options


@pytest.fixture
def spoil(model, monkeypatch):
    """Makes the UNet's call of that number, from 1, predict NaN for the batch's last picture."""
    forward = model.model.diffusion_model.forward

    def spoil(call, batch=1):
        left = [call]

        def spoilt(x, *args, **options):
            predicted = forward(x, *args, **options)
            left[0] -= 1
            if left[0] == 0:
                predicted[batch - 1 :: batch] = float("nan")
            return predicted

        monkeypatch.setattr(model.model.diffusion_model, "forward", spoilt)

    return spoil


@pytest.mark.parametrize("call", [1, 2, 3, 4], ids=lambda n: f"call {n}")
def test_a_nan_in_a_call_does_not_reach_the_next_run(sag, model, spoil, monkeypatch, call):
    patched = sag(model)
    fresh = sample(patched)
    spoil(call)
    assert not torch.equal(sample(patched), fresh)
    monkeypatch.undo()
    assert torch.equal(sample(patched), fresh)


@pytest.mark.parametrize("call, step", [(2, 0), (6, 2)])
def test_a_nan_in_the_extra_call_is_left_out_and_the_log_says_so(sag, model, spoil, caplog, lines, call, step):
    sampling = model.get_model_object("model_sampling")
    before, own, after = [1000.0, *comfy.samplers.calculate_sigmas(sampling, "normal", 4).tolist()][step : step + 3]
    above = sag(model, sigma_start=1000.0, sigma_end=(before + own) / 2)
    without = sample(sag(above, sigma_start=(own + after) / 2))
    spoil(call)
    lines()
    caplog.clear()
    assert torch.equal(sample(sag(model)), without)
    warned = [text for level, text in lines() if level == "WARNING"]
    assert len(warned) == 1 and "on 1 of them guidance was not finite for some picture and left out" in warned[0]


def test_a_run_that_ends_in_its_first_guidance_says_so(sag, model, failing, said):
    broken = RuntimeError("broken")
    failing(self_attention, "degrade", broken, at=1)
    with pytest.raises(RuntimeError):
        sample(sag(model))
    broken.with_traceback(None)  # who holds it holds the run, whose end an old host does not tell
    assert "acted on 0 of 1 model evaluations: the run ended before guidance was computed" in said()


def test_a_device_that_fails_altogether_does_not_take_the_line_with_it(sag, model, monkeypatch, said):
    """As after a sticky CUDA error: nothing that is on its way to the CPU arrives any more."""

    def lost(mask):
        raise RuntimeError("device lost")

    monkeypatch.setattr(masks.PackedMask, "pack", lost)
    sample(sag(model))
    assert "acted on 4 of 4" in said()


def test_a_nan_in_the_extra_call_costs_the_other_pictures_of_the_batch_nothing(sag, model, spoil):
    shape = (3, *SHAPE[1:])
    fresh = sample(sag(model), shape=shape)
    spoil(2, batch=3)
    latent = sample(sag(model), shape=shape)
    assert torch.equal(latent[:2], fresh[:2]) and not torch.equal(latent[2], fresh[2])
    assert latent.isfinite().all()


def test_a_nan_of_the_models_own_stays_in_the_picture(sag, model, spoil):
    spoil(1)
    assert sample(sag(model)).isnan().any()


def test_an_interrupt_that_the_user_asks_for_in_the_extra_call_ends_the_run(sag, model, monkeypatch):
    """As the server's /interrupt does: the host looks for it in its callbacks, between two calls."""
    patched, unet = sag(model), model.model.diffusion_model
    fresh, forward = sample(patched), unet.forward

    def asked(*args, **options):
        if list(options["transformer_options"]["cond_or_uncond"]) == [1]:
            comfy.model_management.interrupt_current_processing()
        return forward(*args, **options)

    def look(*_):
        comfy.model_management.throw_exception_if_processing_interrupted()

    monkeypatch.setattr(unet, "forward", asked)
    with pytest.raises(InterruptProcessingException):
        sample(patched, callback=look)
    monkeypatch.undo()
    with Calls(model) as calls:
        assert torch.equal(sample(patched), fresh)
    assert len(calls) == 8
