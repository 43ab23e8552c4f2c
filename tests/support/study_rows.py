"""The rows of the study, by what its pages call them. The code that made those of earlier rounds is in the history."""

import pandas as pd

from lab.loading import ROOT

STUDY = ROOT / "docs/study"
FORM = "form detail smoothed by 0.7, detail 0.5"
UNSHARP = {f"unsharp mask {s}": f"scale {s}, steps 13 to 20, form unsharp smoothed by 0.7, detail 1.0" for s in (
    0.1, 0.25, 0.5)}  # fmt: skip
CALLED = {
    "no guidance": "scale 0", "the dose": f"scale 0.5, steps 13 to 20, {FORM}", "SAG": "scale 0.5",
    "CFG as strong": "cfg as norm of (fashion, cfg 2, scale 0.5, 20 steps, 10000 pictures), scale 0",
    "PAG": "scale 2, steps 13 to 20, form pag", **UNSHARP,
    "last 4 steps": f"scale 0.5, steps 16 to 20, {FORM}", "last 2 steps": f"scale 0.5, steps 18 to 20, {FORM}",
    "first third": f"scale 0.5, steps 0 to 7, {FORM}", "middle third": f"scale 0.5, steps 7 to 14, {FORM}",
    "random mask": f"scale 0.5, steps 13 to 20, masking random, {FORM}",
    "inverse mask": f"scale 0.5, steps 13 to 20, masking inverse, {FORM}",
    "no mask": f"scale 0.5, steps 13 to 20, threshold 0.0, {FORM}",
}  # fmt: skip
OF_DIT = {  # what is called otherwise there
    "the dose": f"scale 0.25, steps 13 to 20, {FORM}", "last 4 steps": f"scale 0.25, steps 16 to 20, {FORM}",
    "no mask": f"scale 0.25, steps 13 to 20, threshold 0.0, {FORM}", "small dose": CALLED["the dose"],
}  # fmt: skip
OF_ATTENTION = {
    "cfg 1.5": "photographs, cfg 1.5, scale 0, sampler dpmpp_2m, noise 2, 20 steps, 5000 pictures",
    "cfg 10": "wesnoth, cfg 10, scale 0, sampler dpmpp_2m, noise 2, 20 steps, 2000 pictures",
    "detail": "scale 0.5, steps 13 to 20, detail 0.5", "SAG -0.5 in the middle": "scale -0.5, steps 7 to 14",
    "SEG": "scale 3, steps 7 to 14, form seg 1", "PAG 3": "scale 3, steps 7 to 14, form pag",
    **{called: f"scale {scale}, steps 7 to 14, form unsharp smoothed by 0.7" for called, scale in zip(
        UNSHARP, (0.1, 0.25, 0.5), strict=True)},
}  # fmt: skip
OTHERWISE = {"dit": OF_DIT, "attention": OF_ATTENTION}  # of a CSV
FREE = [*UNSHARP, "30 steps"]
WORLDS = {  # the CSV, and what a name is there
    "wesnoth": ("detail", "wesnoth, cfg 8, {}, 20 steps, 2000 pictures"),
    "fashion": ("detail", "fashion, cfg 2, {}, 20 steps, 10000 pictures"),
    "fashion few": ("detail", "fashion, cfg 2, {}, 20 steps, 2000 pictures"),
    "wesnoth 3": ("detail", "wesnoth, cfg 3, {}, 20 steps, 2000 pictures"),
    "emoji": ("emoji", "emoji, cfg 8, {}, 20 steps, 2000 pictures"),
    "dit wesnoth": ("dit", "wesnoth, cfg 4, {}, 20 steps, 2000 pictures, block 2"),
    "dit fashion": ("dit", "fashion, cfg 1.5, {}, 20 steps, 2000 pictures, block 2"),
    "photographs": ("attention", "photographs, cfg 1.25, {}, sampler dpmpp_2m, noise 2, 20 steps, 5000 pictures"),
    "photographs, Euler": ("attention", "photographs, cfg 1.25, {}, noise 2, 20 steps, 5000 pictures"),
    "units": ("attention", "wesnoth, cfg 8, {}, sampler dpmpp_2m, noise 2, 20 steps, 2000 pictures"),
    "units, Euler": ("attention", "wesnoth, cfg 8, {}, noise 2, 20 steps, 2000 pictures"),
    "paper fashion": ("paper", "fashion, {}, 20 steps, 10000 pictures"),
    "paper few": ("paper", "fashion, {}, 20 steps, 2000 pictures"),
    "paper emoji": ("paper", "emoji, {}, 20 steps, 2000 pictures"),
}
ROWS = {csv: pd.read_csv(STUDY / f"{csv}.csv").set_index("name", drop=False) for csv in dict(WORLDS.values())}


def name(world, called):
    """`called` is one of CALLED, with `30 steps` behind it or alone, or a name's middle in that world, or all of it."""
    csv, pattern = WORLDS[world]
    if called.endswith("30 steps"):
        called, pattern = called.removesuffix(", 30 steps"), pattern.replace("20 steps", "30 steps")
        called = called.replace("30 steps", "no guidance")
    middle = OTHERWISE.get(csv, {}).get(called) or CALLED.get(called, called)
    whole = middle if middle in ROWS[csv].index else pattern.format(middle)
    return whole if whole in ROWS[csv].index else whole.split(", block")[0]


def row(world, called):
    """Its row; KeyError if there is none."""
    return ROWS[WORLDS[world][0]].loc[name(world, called)]
