"""The node that shows what guidance did: the masks of the last run, over the picture."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch

from .sampling import MASK_STORE, RunMasks, StepMask

NAME = "SAG mask preview"
NO_NODE = (
    "This MODEL carries no SAG node that acts. Wire in the MODEL that goes into the sampler, from behind SAG delayed "
    "activation; with scale 0 or blur_sigma 0 it does nothing."
)
WIRE = "Wire in the MODEL that goes into the sampler, and samples from that sampler."
NOT_SAMPLED = f"This MODEL was not sampled yet. {WIRE}"
MOST_TILES = 100  # a tile takes 3.5 MB: more would fill the memory before anybody looks at them


class SAGMaskPreview:
    """Shows the masks that the SAG nodes of a MODEL made in its last run."""

    CATEGORY = "model_patches"
    FUNCTION = "show"
    OUTPUT_NODE = True
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("tiles", "masks")
    OUTPUT_TOOLTIPS = (
        "One picture for each step that acted; of more than 100, 100 of them.",
        "The same masks at the latent's size: for each step one a picture of the batch.",
    )
    DESCRIPTION = (
        "Shows where guidance acted: for each step the mask over the picture, with the step, its sigma and how much of "
        "the picture is covered. What is lit was blurred. Add it to a finished workflow and run again: it shows the "
        "last run's masks, without sampling anew."
    )
    SEARCH_ALIASES = ["SAG", "attention mask", "mask preview", "show attention", "SAG debug"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The MODEL that goes into the sampler, from behind the SAG nodes."}),
                "samples": ("LATENT", {"tooltip": (
                    "The sampler's result. Where one MODEL was sampled in several sizes, it picks the run: the newest "
                    "of this size."
                )}),
            },
            "optional": {
                "images": ("IMAGE", {"tooltip": (
                    "The decoded pictures, to see the masks on them. Without, a rough picture is made of the latent."
                )}),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }  # fmt: skip

    def show(
        self,
        model: Any,
        samples: dict[str, Any],
        images: torch.Tensor | None = None,
        prompt: Any = None,
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        """Tiles [steps, H, W, 3] and masks [steps * B, h, w]; or one tile that says why there are none."""
        import nodes as host_nodes

        from .pictures import latent_picture, notice

        latent = samples["samples"]
        run, why = run_of(model, tuple(latent.shape))
        if run is None or not run.steps:
            tiles, masks = notice(NAME, why if run is None else reasons(run)), torch.zeros(1, *latent.shape[-2:])
        else:
            pictures = latent_picture(latent, model.model.latent_format) if images is None else images[..., :3]
            tiles, masks = draw_tiles(run, pictures.float().nan_to_num().cpu().numpy(), *latent.shape[-2:])
        shown = host_nodes.PreviewImage().save_images(tiles, "SAG mask", prompt, extra_pnginfo)
        return {"ui": shown["ui"], "result": (tiles, masks)}


def run_of(model: Any, shape: tuple[int, ...]) -> tuple[RunMasks | None, str]:
    """The newest run of this latent shape, or why there is none."""
    store = model.model_options.get(MASK_STORE)
    if store is None:
        return None, NO_NODE
    if not store.runs:
        return None, NOT_SAMPLED
    if shape not in store.runs:
        sizes = ", ".join("x".join(map(str, known)) for known in reversed(store.runs))
        return None, f"No run of this MODEL made a latent of {'x'.join(map(str, shape))}. It made {sizes}. {WIRE}"
    return store.runs[shape], ""


def reasons(run: RunMasks) -> str:
    """What the nodes of a run without masks say for themselves."""
    return " ".join(f"{log.summary()}." for log in run.logs)


def draw_tiles(run: RunMasks, pictures: np.ndarray, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tiles [steps, H, W, 3] and masks [steps * B, height, width] of a run; pictures are [n, H, W, 3]."""
    from .pictures import resize_masks, tile

    steps = run.distinct()
    masks = [resize_masks(step.mask.unpacked(), height, width) for step in steps]
    chosen = np.linspace(0, len(steps) - 1, min(len(steps), MOST_TILES)).round().astype(int)
    caption = caption_of(run, len(chosen), len(steps))
    guided_at = Counter(step.evaluation for step in steps)
    tiles = []
    for number in chosen:
        step, mask = steps[number], masks[number]
        several = guided_at[step.evaluation] > 1
        tiles.append(tile(pictures, mask, label(run, step, mask.mean(), several), caption))
    return torch.cat(tiles), torch.from_numpy(np.concatenate(masks).astype(np.float32))


def label(run: RunMasks, step: StepMask, covered: float, several: bool) -> str:
    """Step, sigma and coverage, as in `step 4   sigma 1.765   38 % masked`; the node where `several` acted there."""
    number = run.step_of(step.evaluation)
    parts = [
        f"evaluation {step.evaluation}" if number is None else f"step {number}",
        f"sigma {step.sigma:.4g}",
        f"{covered * 100:.0f} % masked",
        f"node {step.node + 1}" if several else "",
        "reused" if step.reused else "",
    ]
    return "   ".join(filter(None, parts))


def caption_of(run: RunMasks, shown: int, acted: int) -> str:
    """Which run it is, since one MODEL may have been sampled twice: its sigmas, first to last."""
    sigmas = run.sigmas()
    of = f", {shown} of {acted} shown" if shown < acted else ""
    return f"run of {len(sigmas)} evaluations, sigma {sigmas[0]:.4g} to {sigmas[-1]:.4g}{of}"
