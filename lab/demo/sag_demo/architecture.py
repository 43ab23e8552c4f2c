"""The demo's model: a small class-conditional UNet of ComfyUI's own class, and its place in the host.

One channel, 32 x 32 pixels and ten classes here; the study trains the same UNet with three channels on other pictures,
a deeper one on pictures of 64 x 64, and a wider one on photographs.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from comfy import latent_formats, model_base, model_management, model_patcher, supported_models_base
from safetensors.torch import load_file

CLASSES = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
NEGATIVE = len(CLASSES)  # row of the embedding table that stands for "no class"
TOKENS, CONTEXT_DIM = 4, 64
PREFIX = "model.diffusion_model."
TABLE = "class_embedding.weight"  # (11, TOKENS * CONTEXT_DIM)
FILE = "fashion_unet.safetensors"


class Pixels(latent_formats.LatentFormat):
    """A "latent" that is the image itself, -1 to 1: one channel of gray, or three of colour."""

    scale_factor = 1.0

    def __init__(self, channels: int = 1) -> None:
        self.latent_channels = channels


SHAPES = {  # by the pictures' side; in both the middle has 8 x 8 tokens, and in the deeper one 16 x 16 attend as well
    32: {
        "channel_mult": (1, 2, 2), "num_res_blocks": [2, 1, 2], "transformer_depth": [0, 0, 0, 1, 1],
        "transformer_depth_output": [0, 0, 0, 0, 0, 1, 1, 1],
    },
    64: {
        "channel_mult": (1, 2, 3, 4), "num_res_blocks": [1, 2, 2, 2], "transformer_depth": [0, 0, 0, 1, 1, 1, 1],
        "transformer_depth_output": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1],
    },
}  # fmt: skip
WIDE = {  # for photographs of 32 x 32; 16 x 16 attend as well
    "model_channels": 96, "num_head_channels": 48, "channel_mult": (1, 2, 2), "num_res_blocks": [2, 2, 2],
    "transformer_depth": [0, 0, 1, 1, 1, 1], "transformer_depth_output": [0, 0, 0, 1, 1, 1, 1, 1, 1],
}  # fmt: skip
ONLY_IN_64 = "input_blocks.8."  # the weights of a block that the shallower one has not


class FashionConfig(supported_models_base.BASE):
    """What the host needs to know of the model: its shape, its noise schedule and its latent."""

    unet_config = {
        "model_channels": 32, "transformer_depth_middle": 1, "use_spatial_transformer": True,
        "use_linear_in_transformer": True, "context_dim": CONTEXT_DIM, "legacy": False,
    }  # fmt: skip
    unet_extra_config = {"num_heads": -1, "num_head_channels": 32}
    sampling_settings = {"beta_schedule": "linear", "linear_start": 0.00085, "linear_end": 0.012}
    latent_format = Pixels
    supported_inference_dtypes = [torch.float32]
    memory_usage_factor = 1.0


def build(
    device: str,
    channels: int = 1,
    side: int = 32,
    dtype: torch.dtype = torch.float32,
    dropout: float = 0.0,
    wide: bool = False,
) -> model_base.BaseModel:
    """The host's model around the UNet, its weights not yet set. `dropout` is for training alone."""
    config = FashionConfig(FashionConfig.unet_config)
    config.unet_config |= copy.deepcopy(WIDE if wide else SHAPES[side])  # UNetModel empties the lists that it is given
    config.unet_config |= {"image_size": side, "in_channels": channels, "out_channels": channels, "dtype": dtype,
                           "dropout": dropout}  # fmt: skip
    config.latent_format = Pixels(channels)
    return model_base.BaseModel(config, model_base.ModelType.EPS, device=device)


def load(file: Path, dtype: torch.dtype = torch.float32) -> tuple[model_patcher.ModelPatcher, torch.Tensor]:
    """The trained MODEL, and the prompts [classes + 1, TOKENS, CONTEXT_DIM], the last of which is the negative."""
    weights = {name: tensor.float() for name, tensor in load_file(file).items()}
    table = weights.pop(TABLE).view(-1, TOKENS, CONTEXT_DIM)
    width, channels = weights[f"{PREFIX}input_blocks.0.0.weight"].shape[:2]
    wide = width == WIDE["model_channels"]
    side = 64 if not wide and any(name.startswith(PREFIX + ONLY_IN_64) for name in weights) else 32
    model = build("cpu", channels, side, dtype, wide=wide)
    model.load_model_weights(weights, PREFIX)
    device, offload = model_management.get_torch_device(), model_management.unet_offload_device()
    return model_patcher.ModelPatcher(model, load_device=device, offload_device=offload), table


def initialise(unet: torch.nn.Module) -> None:
    """Fresh weights: the host's layers leave theirs unset, since it always loads them.

    The last convolution of each residual block and the output start at zero, as is usual for diffusion UNets.
    """
    for name, module in unet.named_modules():
        for kind, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1:
                torch.nn.init.kaiming_uniform_(parameter, a=5**0.5)
            else:
                torch.nn.init.constant_(parameter, float(kind == "weight"))  # the norms' scales; biases start at 0
        if name.endswith(("out_layers.3", "proj_out")) or name == "out.2":
            torch.nn.init.zeros_(module.weight)
