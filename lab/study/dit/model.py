"""A small DiT in the host: MMDiT, the class of SD3, for pictures of 32 x 32 or 64 x 64 instead of latents.

MMDiT, and not NextDiT, since the host's SkipLayerGuidanceDiT reaches its blocks, and is what guidance is held against.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from comfy import model_base, model_management, model_patcher, supported_models_base
from comfy.ldm.modules.diffusionmodules.mmdit import OpenAISignatureMMDITWrapper
from safetensors.torch import load_file

from lab.demo.sag_demo.architecture import CONTEXT_DIM, PREFIX, TABLE, TOKENS, Pixels
from lab.study.dit.questions import BLOCKS

HEADS, HEAD_DIM = 4, 64  # the second is the host's own choice
PATCHES = {32: 2, 64: 4}  # pixels along a patch, by the pictures' side: 16 x 16 tokens in both


class PictureDiT(supported_models_base.BASE):
    """What the host needs to know of the model. Flow-matching, its schedule not shifted."""

    unet_config = {
        "depth": HEADS, "num_blocks": BLOCKS, "qk_norm": "rms",
        "context_embedder_config": {
            "target": "torch.nn.Linear", "params": {"in_features": CONTEXT_DIM, "out_features": HEADS * HEAD_DIM},
        },
    }  # fmt: skip
    unet_extra_config: dict = {}
    sampling_settings = {"shift": 1.0}
    latent_format = Pixels
    supported_inference_dtypes = [torch.float32]
    memory_usage_factor = 1.0


def build(device: str, channels: int, side: int, dtype: torch.dtype = torch.float32) -> model_base.BaseModel:
    """The host's model around the DiT, its weights not yet set."""
    config = PictureDiT(PictureDiT.unet_config)
    own = {"input_size": side, "patch_size": PATCHES[side], "in_channels": channels, "dtype": dtype}
    config.unet_config = config.unet_config | own
    config.latent_format = Pixels(channels)
    return model_base.BaseModel(config, model_base.ModelType.FLOW, device, OpenAISignatureMMDITWrapper)


def load(file: Path, dtype: torch.dtype = torch.float32) -> tuple[model_patcher.ModelPatcher, torch.Tensor]:
    """The trained MODEL, and the prompts [classes + 1, TOKENS, CONTEXT_DIM], the last of which is the negative."""
    weights = {name: tensor.float() for name, tensor in load_file(file).items()}
    table = weights.pop(TABLE).view(-1, TOKENS, CONTEXT_DIM)
    _, channels, patch, _ = weights[f"{PREFIX}x_embedder.proj.weight"].shape
    side = next(side for side, own in PATCHES.items() if own == patch)
    model = build("cpu", channels, side, dtype)
    model.load_model_weights(weights, PREFIX)
    device, offload = model_management.get_torch_device(), model_management.unet_offload_device()
    return model_patcher.ModelPatcher(model, load_device=device, offload_device=offload), table


def initialise(dit: torch.nn.Module) -> None:
    """Fresh weights: the host's layers leave theirs unset. Modulations and the output start at zero (adaLN-Zero)."""
    for name, module in dit.named_modules():
        for kind, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1:
                torch.nn.init.xavier_uniform_(parameter.view(len(parameter), -1))
            else:
                torch.nn.init.constant_(parameter, float(kind == "weight"))  # the norms' scales; biases start at 0
        if name.endswith("adaLN_modulation.1") or name == "final_layer.linear":
            torch.nn.init.zeros_(module.weight)


def velocity_loss(
    model: model_base.BaseModel, schedule: torch.Tensor, x0: torch.Tensor, context: torch.Tensor
) -> torch.Tensor:
    """Mean squared error of the predicted `noise - x0`, as the host reads it off a flow model.

    Sigma is drawn as for SD3 (arXiv 2403.03206): the sigmoid of a normal number.
    """
    sigma, noise = torch.randn(len(x0), device=x0.device).sigmoid(), torch.randn_like(x0)
    share = sigma.view(-1, 1, 1, 1)
    timestep = sigma * model.model_sampling.multiplier
    predicted = model.diffusion_model((1 - share) * x0 + share * noise, timestep, context=context)
    return F.mse_loss(predicted.float(), noise - x0)
