"""Nothing is left behind, and runs do not meet."""

import gc
import threading

import comfy.model_management
import pytest
import torch
from tiny_unet import distance, sample, tiny_model

pytestmark = pytest.mark.host


def failing_at(model, call, error):
    """Makes the model's n-th UNet call raise; undone by deleting `model.model.diffusion_model.forward`."""
    unet, count = model.model.diffusion_model, [0]
    forward = unet.forward

    def broken(*args, **options):
        count[0] += 1
        if count[0] == call:
            raise error
        return forward(*args, **options)

    unet.forward = broken


@pytest.mark.parametrize("call", [1, 2, 3, 4], ids=lambda n: f"call {n}")
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("broken"),
        comfy.model_management.OOM_EXCEPTION("Allocation on device"),
        comfy.model_management.InterruptProcessingException(),
    ],
    ids=["error", "out of memory", "interrupt"],
)
def test_after_a_failure_in_any_call_the_next_run_is_as_fresh(sag, model, call, error):
    patched = sag(model)
    fresh = sample(patched)
    failing_at(model, call, error)
    try:
        with pytest.raises(type(error)) as caught:
            sample(patched)
        assert caught.value is error
    finally:
        del model.model.diffusion_model.forward
    assert torch.equal(sample(patched), fresh)


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
    other.wrappers = getattr(patched, "wrappers", None)  # where hosts from 0.3.7 to 0.3.50 have the node's
    alone = [sample(patched, cfg=cfg) for cfg in (3.0, 9.0)]
    results = [None, None]

    def work(i, cfg):
        with torch.inference_mode():
            results[i] = sample((patched, other)[i], cfg=cfg)

    threads = [threading.Thread(target=work, args=(i, cfg)) for i, cfg in enumerate((3.0, 9.0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for latent, expected in zip(results, alone, strict=True):
        assert latent is not None and distance(latent, expected) < 1e-5


def tensors():
    return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())


def test_after_a_run_no_tensor_is_alive(sag, model):
    patched = sag(model)
    sample(patched)
    gc.collect()
    before = tensors()
    for _ in range(3):
        sample(patched)
    gc.collect()
    assert tensors() == before


def test_a_run_frees_its_maps_without_the_garbage_collector(sag, model):
    from sag_delayed_activation.sampling import recorder
    from sag_delayed_activation.sampling.run import Run

    def alive():
        return [o for o in gc.get_objects() if type(o) in (recorder.Evaluation, recorder.PromptAttention, Run)]

    gc.collect()
    before = alive()  # earlier tests' tracebacks may hold some
    gc.disable()
    try:
        sample(sag(model))
        assert len(alive()) == len(before)
    finally:
        gc.enable()
