"""Makes a checkpoint of a full-size model with random weights, as a file that the host's own loader takes.

    python random_checkpoint.py SD15 v1-5-pruned-emaonly-fp16.safetensors    # 2.1 GB
    python random_checkpoint.py SDXL sd_xl_base_1.0.safetensors              # 7 GB

Names and shapes are the host's: its model, text encoder and autoencoder are built without memory, and its own rules for
saving name the tensors. A process of its own, so that the memory goes back when it is done.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What the host's loader reads from the shapes of a checkpoint.
COMMON = {"image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "use_spatial_transformer": True,
          "legacy": False, "use_temporal_attention": False}  # fmt: skip
UNETS = {
    "SD15": {
        "channel_mult": [1, 2, 4, 4], "num_res_blocks": [2, 2, 2, 2], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
        "transformer_depth_middle": 1, "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        "context_dim": 768, "use_linear_in_transformer": False, "adm_in_channels": None,
    },
    "SDXL": {
        "channel_mult": [1, 2, 4], "num_res_blocks": [2, 2, 2], "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_middle": 10, "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
        "context_dim": 2048, "use_linear_in_transformer": True, "adm_in_channels": 2816, "num_classes": "sequential",
    },
}  # fmt: skip
UNETS["SMALL"] = UNETS["SD15"] | {  # in the host's eyes an SD1.5
    "channel_mult": [1, 1, 1], "num_res_blocks": [1, 1, 1], "transformer_depth": [1, 1, 0],
    "transformer_depth_output": [1, 1, 1, 1, 0, 0],
}  # fmt: skip
HOSTS_NAME = {"SMALL": "SD15"}
VAE = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
       "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}  # fmt: skip


def make_checkpoint(architecture: str, file: Path) -> None:
    """Write the checkpoint, and its folder where there is none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(filter(None, [os.environ["COMFYUI_PATH"], os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, __file__, architecture, str(file)], env=environment, check=True)


@contextmanager
def small_checkpoints(base: Path, architecture: str) -> Iterator[None]:
    """What the examples load, in a server's folder while it lasts: pytest keeps the folder, and this is up to 2 GB.

    SDXL's examples get the small checkpoint too: all but the model's size is tried so, and that in tests/big.
    """
    small = base / "models/checkpoints/v1-5-pruned-emaonly-fp16.safetensors"
    make_checkpoint(architecture, small)
    (small.parent / "sd_xl_base_1.0.safetensors").hardlink_to(small)
    yield
    for file in small.parent.iterdir():
        file.unlink()


def shapes_of(architecture: str) -> dict:
    """The tensors of such a checkpoint, by name, on the meta device: they have a shape and no values."""
    import comfy.supported_models
    import torch
    from comfy.ldm.models.autoencoder import AutoencoderKL

    with torch.device("meta"):
        kind = getattr(comfy.supported_models, HOSTS_NAME.get(architecture, architecture))
        config = kind(COMMON | UNETS[architecture] | {"dtype": torch.float16})
        model = config.get_model({}, device="meta")
        clip = config.clip_target().clip(device="meta", dtype=torch.float16)
        vae = AutoencoderKL(ddconfig=VAE, embed_dim=4)
        parts = {"clip_state_dict": clip.state_dict(), "vae_state_dict": vae.state_dict()}
        if "unet_state_dict" in inspect.signature(model.state_dict_for_saving).parameters:  # newer hosts ask for it
            parts["unet_state_dict"] = model.diffusion_model.state_dict()
        return model.state_dict_for_saving(**parts)


def weights(name: str, shape, dice):
    """Weights that keep a signal's size through every layer: 1 / sqrt(inputs) for matrices, 1 for norms, no bias."""
    import torch

    if len(shape) > 1:
        return torch.randn(shape, generator=dice).mul_(shape[1:].numel() ** -0.5).half()
    return torch.full(shape, 0.0 if name.endswith("bias") else 1.0, dtype=torch.float16)


def main(architecture: str, file: str) -> None:
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    import torch
    from safetensors.torch import save_file

    dice = torch.Generator().manual_seed(0)
    save_file({name: weights(name, like.shape, dice) for name, like in shapes_of(architecture).items()}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
