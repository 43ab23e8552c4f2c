"""A UNet that is compiled into CUDA graphs: what was recorded lies where the graph's next replay writes."""

import os

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="needs COMFYUI_PATH"),
]


@pytest.fixture(scope="module")
def demo():
    """The demo's MODEL, its ten prompts and its negative."""
    from lab.loading import ROOT, load_host, load_pack

    load_host()
    torch.set_grad_enabled(False)
    yield load_pack("sag_demo", ROOT / "lab/demo/sag_demo").NODE_CLASS_MAPPINGS["SAG demo: model"]().load()
    torch.set_grad_enabled(True)


def through_the_node(model):
    from comfy_extras.nodes_torch_compile import TorchCompileModel

    return TorchCompileModel.execute(model, "cudagraphs")[0]


def with_sag(model):
    from sag_delayed_activation.nodes import SelfAttentionGuidanceCustom

    return SelfAttentionGuidanceCustom().patch(model, 1.5, 2.0, 1000.0, 0.0)[0]


def sampled(demo, model, apart):
    """The latent, and the masks of all steps, boolean [steps, B, h, w]."""
    import comfy.sample
    import numpy as np

    from sag_delayed_activation.sampling.masks import MASK_STORE

    ((prompts, _),), negative = demo[1:]
    positive = prompts[:4].repeat(1, 5 if apart else 1, 1)  # five times as long: the host cannot join it with the other
    noise = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(7))
    for _ in range(2):  # the first sample warms up and records the graphs
        latent = comfy.sample.sample(
            model, noise, 8, 2.0, "euler", "normal", [[positive, {}]], negative,
            torch.zeros_like(noise), disable_pbar=True, seed=7,
        )  # fmt: skip
    (runs,) = model.model_options[MASK_STORE].runs.values()
    return latent, np.stack([step.mask.unpacked() for step in runs[-1].steps])


@pytest.mark.parametrize("apart", [False, True], ids=["one call", "a call for each prompt"])
@pytest.mark.parametrize("first", ["SAG", "compile"])
def test_the_masks_are_those_of_the_model_that_is_not_compiled(demo, first, apart):
    torch._dynamo.reset()
    latent, masks = sampled(demo, with_sag(demo[0]), apart)
    compiled = through_the_node(with_sag(demo[0])) if first == "SAG" else with_sag(through_the_node(demo[0]))
    found, found_masks = sampled(demo, compiled, apart)
    assert found_masks.shape == masks.shape == (8, 4, 32, 32)
    assert (found_masks == masks).mean() > 0.97
    assert (found - latent).norm() / latent.norm() < 0.05
