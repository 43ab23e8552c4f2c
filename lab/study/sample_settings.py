#!/usr/bin/env python3
"""Samples the settings of the study and measures them: one line of JSON a setting, and what is there is not repeated.

    python -m lab.study.sample_settings fashion --data FOLDER --work FOLDER --questions ab --budget-seconds 500
    python -m lab.study.sample_settings emoji --data emoji.npz --weights unet.safetensors --work DIR --questions ab

Needs COMFYUI_PATH. The classifier is trained first, where --work holds none. lab.study.collect makes the CSV of the
lines.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.loading import ROOT, load_host
from lab.study.classifier import Classifier, described, load, save, train
from lab.study.inside_host import pack
from lab.study.metrics import Moments, clipped, compared, high_frequency, leave_out_means, settled
from lab.study.questions import ARITHMETIC, FEW, MANY, Setting, in_order
from lab.study.sampling import PRECISIONS, Sampled, Sampler

DEMO = ROOT / "lab/demo/model/fashion_unet.safetensors"
DIGITS = 7
SEEN = {"": lambda pictures: pictures, "_settled": settled}  # the pictures as they are, and without faint scatter
NOISE, BLUR = 0.05, 0.5  # what is done to test pictures, to see what the metrics see


class Measure:
    """The classifier and the data that pictures are held against."""

    def __init__(self, network: Classifier, images: torch.Tensor) -> None:
        """`images` are the training data."""
        self.network, self.device = network, network.head.weight.device
        mixed = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(images.device)
        self.real = {name: described(network, change(images[mixed]))[0] for name, change in SEEN.items()}
        self.moments = {name: Moments.of(features) for name, features in self.real.items()}

    def figures(self, pictures: torch.Tensor, classes: torch.Tensor | None) -> dict[str, np.ndarray]:
        """Replicates of every metric; no accuracy where the pictures were asked for no class."""
        pictures = pictures.to(self.device)
        seen = {name: described(self.network, change(pictures)) for name, change in SEEN.items()}
        found = {
            "high_frequency": leave_out_means(high_frequency(pictures.clamp(-1, 1))),
            "clipped": leave_out_means(clipped(pictures)),
        }  # fmt: skip
        if classes is not None:
            found["accuracy"] = leave_out_means((seen[""][1] == classes.to(self.device)).float())
        for name, (features, _) in seen.items():
            figures = compared(features, self.real[name], self.moments[name])
            found |= {f"{metric}{name}": replicates for metric, replicates in figures.items()}
        return found


class Results:
    """The file of results; a line is written once its setting is finished."""

    def __init__(self, file: Path) -> None:
        self.file = file
        lines = file.read_text().splitlines() if file.exists() else []
        self.rows: dict[str, dict[str, Any]] = {row["name"]: row for row in map(json.loads, lines)}

    def add(self, name: str, figures: dict[str, np.ndarray], **more: Any) -> None:
        replicates = {metric: [float(f"{v:.{DIGITS}g}") for v in values] for metric, values in figures.items()}
        self.rows[name] = row = {"name": name, **more, "figures": replicates}
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def cfg_of(self, setting: Setting) -> float | None:
        """The cfg to sample with; None where it waits for a setting that is not there yet."""
        if not setting.cfg_like:
            return setting.cfg
        like = self.rows.get(setting.cfg_like)
        return like and like[f"effective_{setting.cfg_by}"]


def classifier_for(file: Path, data: Path, device: torch.device, steps: int, batch: int) -> tuple[Classifier, float]:
    """The classifier of this data set, trained now if it is not there yet, and its accuracy on the test pictures."""
    from lab.demo.train import load_images

    if not file.exists():
        started = time.perf_counter()
        network = train(*(t.to(device) for t in load_images(data)), steps, batch)
        images, labels = load_images(data, "test")
        accuracy = (described(network, images)[1].cpu() == labels).float().mean().item()
        save(network, accuracy, file)
        print(f"classifier: {accuracy:.1%} of the test pictures, {time.perf_counter() - started:.0f} s", flush=True)
    return load(file, device)


def test_pictures(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Real pictures by name: as they are, with faint noise, and faintly blurred."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return {
        "test pictures": images, f"test pictures with noise {NOISE:g}": images + NOISE * noise,
        f"test pictures with blur {BLUR:g}": pack("sag_core").blur(images, BLUR),
    }  # fmt: skip


def add_floors(results: Results, world: str, measure: Measure, data: Path, counts: set[int], accuracy: float) -> None:
    """The test pictures, measured as if they had been sampled: no setting can be expected to do better."""
    from lab.demo.train import load_images

    images, labels = load_images(data, "test")
    for count in sorted({min(count, len(images)) for count in counts}):
        for kind, pictures in test_pictures(images[:count]).items():
            name = f"{world}, {kind}, {count} pictures"
            if name not in results.rows:
                figures = measure.figures(pictures, labels[:count])
                against = f"{world}, test pictures, {count} pictures"
                results.add(name, figures, world=world, count=count, test_accuracy=accuracy, plain=against)


def sample_all(
    results: Results, sampler: Sampler, measure: Measure, settings: list[Setting], ends: float, precision: str
) -> None:
    """Every setting that is not there yet, until the next one would not be done by `ends`."""
    pace = 0.0  # seconds for one evaluation of one picture, of the last setting
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    for number, setting in enumerate(settings):
        name, cfg = named(setting, precision), results.cfg_of(setting)
        if name in results.rows or cfg is None:
            continue
        work = setting.evaluations * setting.count
        if time.perf_counter() + pace * work > ends:
            print(f"out of time before {number} of {len(settings)}: {name}", flush=True)
            return
        started = time.perf_counter()
        sampled = sampler.sample(setting, cfg)
        classes = sampler.classes[: setting.count] if setting.conditional else None
        figures = measure.figures(sampled.pictures, classes)
        # In other arithmetic than the study's, the same setting in the study's is what it is held against, if it is
        # there.
        twin = name != setting.name and setting.name in results.rows
        plain = setting.name if twin else named(setting.plain, precision)
        results.add(name, figures, **described_setting(setting, sampled), plain=plain, arithmetic=precision,
                    device=device)  # fmt: skip
        pace = (time.perf_counter() - started) / work
        spent = f"{sampled.seconds:.1f} s and {time.perf_counter() - started - sampled.seconds:.1f} s"
        print(f"{number + 1}/{len(settings)} {name}: Fréchet {figures['frechet'][0]:.3f}, {spent}", flush=True)
    print("all settings of these questions are there", flush=True)


def named(setting: Setting, precision: str) -> str:
    """Settings in other arithmetic than the study's own are kept apart."""
    return setting.name if precision == ARITHMETIC else f"{setting.name}, {precision}"


def described_setting(setting: Setting, sampled: Sampled) -> dict[str, Any]:
    measured = {k: v for k, v in vars(sampled).items() if k != "pictures"}
    return {**asdict(setting), **measured}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", choices=["fashion", "emoji"])
    parser.add_argument("--data", type=Path, required=True, help="Fashion-MNIST's folder, or emoji_data.py's .npz")
    parser.add_argument("--weights", type=Path, default=DEMO, help="the model (default: the demo's)")
    parser.add_argument("--work", type=Path, required=True, help="folder of the classifier and the results")
    parser.add_argument("--questions", default="", help="letters, in the order to sample them")
    parser.add_argument("--most", type=int, help="only the first so many settings of each question")
    parser.add_argument("--pictures", type=int, help="so many a setting, for a trial")
    parser.add_argument("--precision", choices=list(PRECISIONS), default=ARITHMETIC)
    parser.add_argument("--batch", type=int, default=2000)
    parser.add_argument("--budget-seconds", type=float, default=float("inf"))
    parser.add_argument("--classifier-steps", type=int, default=1500)
    parser.add_argument("--classifier-batch", type=int, default=512)
    return parser.parse_args()


def main() -> None:
    started, options = time.perf_counter(), arguments()
    if not os.environ.get("COMFYUI_PATH"):
        raise SystemExit("sample.py: set COMFYUI_PATH to a ComfyUI folder.")
    load_host()
    from lab.demo.train import load_images

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    file = options.work / f"{options.world}_classifier.safetensors"
    network, accuracy = classifier_for(file, options.data, device, options.classifier_steps, options.classifier_batch)
    images, labels = load_images(options.data)
    measure = Measure(network, images)
    settings = list(in_order(options.world, options.questions, options.most))
    if options.pictures:
        settings = [replace(s, count=options.pictures) for s in settings]
    results = Results(options.work / f"{options.world}.jsonl")
    add_floors(results, options.world, measure, options.data, {s.count for s in settings} or {FEW, MANY}, accuracy)
    if settings:
        sampler = Sampler(options.weights, labels, MANY, options.precision, options.batch)
        sample_all(results, sampler, measure, settings, started + options.budget_seconds, options.precision)
    print(f"{time.perf_counter() - started:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
