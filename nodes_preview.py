"""The node that shows what guidance did: the masks of the run that gave the samples, drawn over the picture."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .checks import refusal
from .sampling.host_types import Latent
from .sampling.masks import MASK_STORE, MaskStore, RunMasks, StepMask

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

NAME = "SAG mask preview"
NO_NODE = (
    "This MODEL carries no SAG node that acts. Wire in the MODEL that goes into the sampler, from behind SAG delayed "
    "activation; with scale 0 or blur_sigma 0 it does nothing."
)
WIRE = "Wire in the MODEL that goes into the sampler, and samples from that sampler."
NOT_SAMPLED = (
    f"This MODEL was not sampled yet. {WIRE} If they are wired so, ComfyUI has made the MODEL anew and kept the "
    "samples: sample again, with another seed."
)
UNCERTAIN = "newest run, perhaps of another picture"
TAKEN = {"model": "MODEL", "samples": "LATENT", "images": "IMAGE"}
MOST_TILES = 100  # a tile takes 3.5 MB: more would fill the memory before anybody looks at them


class SAGMaskPreview:
    """Shows the masks that the SAG nodes of a MODEL made in the run that gave the samples."""

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
        "masks of the run that made these samples, without sampling anew."
    )
    SEARCH_ALIASES = ["SAG", "attention mask", "mask preview", "show attention", "SAG debug"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The MODEL that goes into the sampler, from behind the SAG nodes."}),
                "samples": ("LATENT", {"tooltip": (
                    "The sampler's result. It picks the run: the one that gave it or, where that is not known, the "
                    "newest of its size."
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
        model: ModelPatcher,
        samples: Latent,
        images: torch.Tensor | None = None,
        prompt: object = None,
        extra_pnginfo: object = None,
    ) -> dict[str, Any]:
        """Tiles [up to MOST_TILES, H, W, 3] and masks [steps * B, h, w]; if there are none, one tile that says why.

        ValueError for what is no MODEL, LATENT or IMAGE.
        """
        import nodes as host_nodes

        from .pictures import latent_picture, notice

        values = {"model": model, "samples": samples} | ({} if images is None else {"images": images})
        if wrong := refusal(NAME, values, TAKEN):
            raise ValueError(wrong)
        latent: torch.Tensor = samples["samples"]
        store: MaskStore | None = model.model_options.get(MASK_STORE)
        run, certain = store.run_of(latent) if store else (None, False)
        if run is None or not run.steps:
            why = reasons(run, certain) if run else no_run_error(store, latent)
            tiles, masks = notice(NAME, why), torch.zeros(1, *latent.shape[-2:])
        else:
            pictures = latent_picture(latent, model.model.latent_format) if images is None else images[..., :3]
            pixels = pictures.float().nan_to_num().cpu().numpy()
            tiles, masks = draw_tiles(run, certain, pixels, *latent.shape[-2:])
        shown = host_nodes.PreviewImage().save_images(tiles, "SAG mask", prompt, extra_pnginfo)
        return {**shown, "result": (tiles, masks)}


def no_run_error(store: MaskStore | None, latent: torch.Tensor) -> str:
    """Why there is no run to show for a latent [B, C, h, w]."""
    if store is None:
        return NO_NODE
    if not store.runs:
        return NOT_SAMPLED
    wanted, made = tuple(latent.shape), list(reversed(store.runs))
    pieces = [shape for shape in made if is_piece(shape, wanted)]
    if pieces:
        return (
            f"This MODEL sampled pieces of {in_words(pieces)}, and no latent of {in_words([wanted])}. If a sampler put "
            f"these samples together from such pieces (tiles), no mask of the whole is kept. If not: {WIRE}"
        )
    return f"No run of this MODEL made a latent of {in_words([wanted])}. It made {in_words(made)}. {WIRE}"


def is_piece(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether a latent of this shape fits into the whole, as a tile of a picture does, or a picture of a batch."""
    return len(shape) == len(whole) and all(side <= most for side, most in zip(shape, whole, strict=True))


def in_words(shapes: list[tuple[int, ...]]) -> str:
    """Such as `1x4x64x64, 1x4x64x48`."""
    return ", ".join("x".join(map(str, shape)) for shape in shapes)


def reasons(run: RunMasks, certain: bool) -> str:
    """Why a run has no masks: what its SAG nodes said of it."""
    said = " ".join(f"{line}." for line in run.lines)
    return said if certain else f"Of the {UNCERTAIN}: {said}"


def draw_tiles(
    run: RunMasks, certain: bool, pictures: np.ndarray, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tiles [up to MOST_TILES, H, W, 3] over pictures [n, H, W, 3], and the run's masks [steps * B, height, width]."""
    from .pictures import resize_masks, tile

    steps = run.distinct()
    masks = [resize_masks(step.mask.unpacked(), height, width) for step in steps]
    chosen = np.linspace(0, len(steps) - 1, min(len(steps), MOST_TILES)).round().astype(int)
    caption = caption_of(run, certain, len(chosen), len(steps))
    guided_at = Counter(step.evaluation for step in steps)
    tiles = []
    for number in chosen:
        step, mask = steps[number], masks[number]
        several = guided_at[step.evaluation] > 1
        tiles.append(tile(pictures, mask, label(run, step, mask.mean(), several), caption))
    return torch.cat(tiles), torch.from_numpy(np.concatenate(masks).astype(np.float32))


def label(run: RunMasks, step: StepMask, covered: float, several: bool) -> str:
    """Two lines, such as `step 4   sigma 1.765` and `38 % masked`, if `covered` is 0.38.

    In the second the node, if `several` acted there.
    """
    number = run.step_of(step.evaluation)
    place = f"evaluation {step.evaluation}" if number is None else f"step {number}"
    parts = [
        f"{covered * 100:.0f} % masked",
        f"node {step.node + 1}" if several else "",
        "reused" if step.reused else "",
    ]
    return f"{place}   sigma {step.sigma:.4g}\n" + "   ".join(filter(None, parts))


def caption_of(run: RunMasks, certain: bool, shown: int, acted: int) -> str:
    """Which run is shown: its length, its first and last sigma, and a word if it may be of another picture."""
    which = f"run of {len(run.sigmas)} evaluations" if certain else UNCERTAIN
    of = f", {shown} of {acted} shown" if shown < acted else ""
    return f"{which}, sigma {run.sigmas[0]:.4g} to {run.sigmas[-1]:.4g}{of}"
