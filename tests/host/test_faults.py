"""Whatever fails, and wherever: the host's own error comes through, and the next run is as a fresh one."""

import comfy.model_management
import comfy.samplers
import pytest
import torch
from comfy.model_management import OOM_EXCEPTION, InterruptProcessingException
from tiny_unet import SHAPE, Calls, failing, sample

from sag_delayed_activation.sampling import branch, guidance, host, masks, recorder, self_attention

PLACES = {  # the pack's own work in a run, in the order in which it is done
    "the recorder": (host.HostAttention, "__call__"),
    "the weights of the prompts": (branch, "active_regions"),
    "the attention received": (recorder, "attention_received"),
    "the blur": (self_attention, "degrade"),
    "the mask for the preview": (guidance, "PackedMask"),
}
ERRORS = [RuntimeError("broken"), OOM_EXCEPTION("out of memory"), InterruptProcessingException()]
every_error = pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
every_call = pytest.mark.parametrize("call", [1, 2, 3, 4], ids=lambda n: f"call {n}")


@pytest.fixture(scope="module")
def patched(sag, model):
    return sag(model)


@pytest.fixture(scope="module")
def fresh(patched):
    """Its latent, before anything failed."""
    return sample(patched)


@pytest.fixture
def broken(monkeypatch):
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


@every_error
@pytest.mark.parametrize("place", PLACES)
def test_an_error_in_the_packs_own_work_comes_through_and_is_gone(
    patched, fresh, model, broken, monkeypatch, place, error
):
    options = repr(model.model_options)
    broken(*PLACES[place], error)
    with pytest.raises(type(error)) as caught:
        sample(patched)
    assert caught.value is error
    monkeypatch.undo()
    assert torch.equal(sample(patched), fresh) and repr(model.model_options) == options


@every_error
@every_call
def test_so_does_one_in_any_call_of_the_unet(patched, fresh, call, error):
    with pytest.raises(type(error)) as caught:
        sample(failing(patched, call, error))
    assert caught.value is error and torch.equal(sample(patched), fresh)


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


@every_call
def test_a_nan_in_a_call_does_not_reach_the_next_run(patched, fresh, spoil, monkeypatch, call):
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
    caplog.clear()
    assert torch.equal(sample(sag(model)), without)
    [(level, line)] = lines()
    assert level == "WARNING" and "on 1 of them guidance was not finite for some picture and left out" in line


def test_a_nan_in_the_extra_call_costs_the_other_pictures_of_the_batch_nothing(patched, spoil):
    shape = (3, *SHAPE[1:])
    fresh = sample(patched, shape=shape)
    spoil(2, batch=3)
    latent = sample(patched, shape=shape)
    assert torch.equal(latent[:2], fresh[:2]) and not torch.equal(latent[2], fresh[2])
    assert latent.isfinite().all()


def test_a_nan_of_the_models_own_stays_in_the_picture(patched, spoil):
    spoil(1)
    assert sample(patched).isnan().any()


def test_a_run_that_ends_in_its_first_guidance_says_so(patched, broken, said):
    broken(self_attention, "degrade", RuntimeError("broken"), at=1)
    with pytest.raises(RuntimeError):
        sample(patched)
    assert "acted on 0 of 1 model evaluations: the run ended before guidance was computed" in said()


def test_a_device_that_fails_altogether_does_not_take_the_line_with_it(patched, broken, said):
    """As after a sticky CUDA error: nothing that is on its way to the CPU arrives any more."""
    broken(masks.PackedMask, "pack", RuntimeError("device lost"), at=1)
    sample(patched)
    assert "acted on 4 of 4" in said()


def test_an_interrupt_that_the_user_asks_for_in_the_extra_call_ends_the_run(patched, fresh, model, monkeypatch):
    """As the server's /interrupt does: the host looks for it in its callbacks, between two calls."""
    unet = model.model.diffusion_model
    forward = unet.forward

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
