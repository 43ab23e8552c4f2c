#!/usr/bin/env python3
"""Samples what plan.md asks of a DiT and measures it, one line of JSON a setting; what is there is not repeated.

    python -m lab.study.dit.sample fashion --data FOLDER --work WORK --budget-seconds 500
    python -m lab.study.dit.sample wesnoth --data wesnoth.npz --work WORK --share 0/2

WORK holds {world}_dit.safetensors of lab.study.dit.train, and {world}_classifier.safetensors of the study's other part.
Both worlds can be sampled at once, and each by several processes: who needs another's rows waits for them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from lab.loading import load_host
from lab.records import read
from lab.study.classifier import STEPS
from lab.study.dit.questions import SKIP, STAGES, DiTSetting
from lab.study.forms import FORMS
from lab.study.questions import ARITHMETIC, FEW
from lab.study.sample_settings import Measure, Results, add_floors, classifier_for, in_arithmetic, sample_all
from lab.study.sampling import ADVANCED, BLUR_SIGMA, PRECISIONS, Sampler
from lab.study.tables import EYES

PATIENCE = 2.0  # seconds between two looks at what others have written


class DiTSampler(Sampler):
    def load(self, weights: Path, dtype: torch.dtype) -> tuple[Any, torch.Tensor]:
        from lab.study.dit import model

        return model.load(weights, dtype)

    def guided(self, setting: DiTSetting) -> Any:
        """The MODEL with the setting's guidance."""
        from lab.study.dit.guidance import with_guidance
        from sag_delayed_activation.sag_core import SigmaWindow
        from sag_delayed_activation.sampling.settings import AUTO, Settings

        if setting.block is None:
            return self.model
        window = SigmaWindow(*self.window(setting))
        if setting.form == SKIP:
            return self.skipping(setting, window)
        own = {name: getattr(setting, name) for name in setting.varied(ADVANCED)}
        if setting.form in FORMS:
            del own["detail"]  # the form sees to it
        common = {"scale": setting.scale, "blur_sigma": BLUR_SIGMA, "window": window, "branch": AUTO}
        settings = Settings(**common, **own)
        return with_guidance(self.model, settings, setting.block)

    def skipping(self, setting: DiTSetting, window: Any) -> Any:
        """The host's own node, which asks for percents."""
        from comfy_extras.nodes_slg import SkipLayerGuidanceDiT

        start, end = (min(1.0, max(0.0, 1.0 - sigma)) for sigma in (window.start, window.end))
        layer = str(setting.block)
        return SkipLayerGuidanceDiT.execute(self.model, setting.scale, start, end, layer, "")[0]

    def extra_calls(self, model: Any, latent: torch.Tensor, setting: DiTSetting) -> int:
        if setting.form != SKIP:
            return super().extra_calls(model, latent, setting)
        first, end = setting.active or (0, setting.steps)
        return end - first


class Known:
    """What all processes have written into the folder: the distances of a setting, as soon as they are there."""

    def __init__(self, work: Path, precision: str, ends: float) -> None:
        self.work, self.precision, self.ends = work, precision, ends
        self.found: dict[str, tuple[float, ...]] = {}

    def __call__(self, setting: DiTSetting) -> tuple[float, ...]:
        """In both feature spaces; SystemExit if nobody wrote it in time."""
        name = in_arithmetic(setting, self.precision)
        while name not in self.found:
            for row in read(*self.work.glob("dit.*.jsonl")):
                self.found[row["name"]] = tuple(row["figures"][eye][0] for eye in EYES)
            if name not in self.found:
                if time.perf_counter() > self.ends:
                    raise SystemExit(f"nobody sampled {name}")
                time.sleep(PATIENCE)
        return self.found[name]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", choices=list(STAGES))
    parser.add_argument("--data", type=Path, required=True, help="Fashion-MNIST's folder, or the .npz of *_data.py")
    parser.add_argument("--work", type=Path, required=True, help="folder of models, classifiers and results")
    parser.add_argument("--share", default="0/1", help="which of how many processes this is")
    parser.add_argument("--precision", choices=list(PRECISIONS), default=ARITHMETIC)
    parser.add_argument("--batch", type=int, default=2000)
    parser.add_argument("--budget-seconds", type=float, default=float("inf"))
    return parser.parse_args()


def main() -> None:
    started, options = time.perf_counter(), arguments()
    load_host()
    from lab.demo.train import load_images
    from lab.study.imagenet import ImageNetFeatures

    (own, processes), ends = map(int, options.share.split("/")), started + options.budget_seconds
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier, weights = (options.work / f"{options.world}_{kind}.safetensors" for kind in ("classifier", "dit"))
    network, accuracy = classifier_for(classifier, options.data, device, STEPS)
    images, labels = load_images(options.data)
    measure = Measure(network, images, ImageNetFeatures(device))
    results = Results(options.work / f"dit.{options.world}.{own}.jsonl")
    stages, known = STAGES[options.world], Known(options.work, options.precision, ends)
    sampler = DiTSampler(weights, labels, (FEW, *images.shape[1:]), options.precision, options.batch)
    if own == 0:
        add_floors(results, options.world, measure, options.data, {FEW}, accuracy)
    for stage in stages:
        sample_all(results, sampler, measure, stage(known)[own::processes], ends, options.precision)
    print(f"{time.perf_counter() - started:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
