"""UNets of every family that the host knows, in small, and patches that look at the extra call."""

import comfy.controlnet
import pytest
import torch
from dense_reference import DenseSAG
from tiny_unet import SHAPE, Calls, distance, prompt, sample, tiny_model

FAMILIES = {
    "SD2, attention in float32": {"attn_precision": torch.float32, "use_linear_in_transformer": True},
    "SDXL refiner, depth 4": {"depth": 4, "use_linear_in_transformer": True},
    "SDXL, depth 10": {"depth": 10, "use_linear_in_transformer": True},
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_families_of_unets_equal_the_reference(sag, family):
    model = tiny_model(**family)
    with DenseSAG(model, 0.8, 1.7) as reference:
        expected = sample(reference, steps=3)
    assert distance(expected, sample(model, steps=3)) > 5e-3
    assert distance(sample(sag(model, 0.8, 1.7), steps=3), expected) < 2e-3


def test_the_temporal_attention_of_svd_is_not_recorded(sag):
    """Its block calls the same patch a second time, with frames for tokens."""
    frames = (4, *SHAPE[1:])
    model = tiny_model(
        use_temporal_attention=True, use_temporal_resblock=True, extra_ff_mix_layer=True, merge_factor=0.0,
        merge_strategy="learned_with_images",
        video_kernel_size=[3, 1, 1], use_linear_in_transformer=True, adm_in_channels=None,
    )  # fmt: skip
    model.model.diffusion_model.default_num_video_frames = 4
    with DenseSAG(model, 0.8, 1.7) as reference:
        expected = sample(reference, shape=frames, steps=2)
    assert distance(expected, sample(model, shape=frames, steps=2)) > 5e-3
    assert distance(sample(sag(model, 0.8, 1.7), shape=frames, steps=2), expected) < 2e-3


def test_bfloat16_acts_and_stays_close_to_float32(sag):
    model = tiny_model(dtype=torch.bfloat16)
    plain, latent = sample(model), sample(sag(model))
    assert torch.isfinite(latent).all() and distance(latent, plain) > 1e-2


class CountingControl(comfy.controlnet.ControlBase):
    """A ControlNet's shape: adds a residual to the middle block, and notes the latents that it was asked about."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        self.seen.append(x_noisy)
        return {"input": [], "middle": [torch.full((x_noisy.shape[0], 64, 8, 12), 0.5)], "output": []}

    def pre_run(self, model, percent_to_timestep_function):
        pass

    def cleanup(self):
        pass

    def copy(self):
        return self

    def get_models(self):
        return []


def test_a_controlnet_controls_the_extra_call_too(sag, model):
    control = CountingControl()
    positive, negative = prompt(1, control=control), prompt(2, control=control)
    plain = sample(model, positive=positive, negative=negative)
    assert distance(plain, sample(model)) > 1e-3
    control.seen.clear()
    with Calls(model) as calls:
        assert distance(sample(sag(model), positive=positive, negative=negative), plain) > 1e-2
    assert calls == [[1, 0], [1]] * 4 and [len(x) for x in control.seen] == [2, 1] * 4


def test_an_inpainting_unet_keeps_its_extra_channels_in_the_extra_call(sag):
    """The host adds mask and image to the UNet's input, five channels, from the prompt's conds."""
    model = tiny_model(in_channels=9)
    model.model.set_inpaint()
    mask = torch.zeros(1, 1, *SHAPE[2:])
    mask[..., 12:] = 1.0
    settings = {"concat_latent_image": torch.randn(SHAPE), "concat_mask": mask}
    conds = {"positive": prompt(1, **settings), "negative": prompt(2, **settings)}
    with Calls(model) as calls:
        latent = sample(sag(model), **conds)
    assert calls == [[1, 0], [1]] * 4
    assert distance(latent, sample(model, **conds)) > 1e-2
