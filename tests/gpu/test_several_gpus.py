"""The host's MultiGPU CFG Split: each prompt is evaluated on a GPU of its own."""

import importlib.util
import os

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices"),
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="needs COMFYUI_PATH"),
]


@pytest.fixture(scope="module")
def tiny():
    from lab.loading import load_host

    load_host()
    if importlib.util.find_spec("comfy.multigpu") is None:
        pytest.skip("needs ComfyUI 0.23: comfy.multigpu")
    from lab.benchmarks.cases import Case, build, workload

    torch.set_grad_enabled(False)
    work = workload(Case("tiny", 256, 2, 4))
    weights = work.model.model.diffusion_model.state_dict()

    def twin():
        """What a loader of the host's would read from the checkpoint again, for the second GPU."""
        other = build("tiny")
        other.model.diffusion_model.load_state_dict(weights)
        return other

    work.model.cached_patcher_init = (twin, ())
    yield work
    torch.set_grad_enabled(True)


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("branch", ["negative", "positive"])
def test_guidance_is_what_it_is_on_one_gpu(tiny, branch, every):
    import comfy.multigpu

    from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced
    from sag_delayed_activation.sampling.masks import MASK_STORE

    (alone,) = SelfAttentionGuidanceAdvanced().patch(tiny.model, 0.5, 2.0, 1000.0, 0.0, branch=branch, every=every)
    split = comfy.multigpu.create_multigpu_deepclones(alone, 2, reuse_loaded=True)
    expected, plain, found = tiny.sample(alone), tiny.sample(tiny.model), tiny.sample(split)
    (runs,) = split.model_options[MASK_STORE].runs.values()
    assert len(runs[-1].steps) == 4 and (expected - plain).norm() > 1e-3 * plain.norm()
    assert (found - expected).norm() < 0.1 * (expected - plain).norm()
