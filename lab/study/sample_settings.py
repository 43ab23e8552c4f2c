#!/usr/bin/env python3
"""Samples the settings of the study and measures them: one line of JSON a setting, and what is there is not repeated.

    python -m lab.study.sample_settings fashion --data FOLDER --work FOLDER --questions choose
    python -m lab.study.sample_settings photographs --data FILE --weights FILE --work FOLDER --questions decide beside

`decide` and `beside` ask about the dose that the rows of `choose` say, of both worlds, in --work. Needs COMFYUI_PATH.
The classifier is trained first, where --work holds none. On two GPUs, run it once on each, with --share 0/2 and
--share 1/2. lab.study.report makes the CSV of the lines.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.loading import ROOT, load_host
from lab.records import Records, read
from lab.study.classifier import STEPS, Classifier, describe, load, save, train
from lab.study.imagenet import ImageNetFeatures
from lab.study.metrics import COPIED, Moments, compare, high_frequency, leave_out_means, nearest
from lab.study.questions import EYES, WORLDS, Distances, Setting, chosen, in_order
from lab.study.sampling import Sampler

DEMO = ROOT / "lab/demo/model/fashion_unet.safetensors"
DIGITS = 7
STRIP = 16  # pictures of each setting that are kept, the first ones
REFERENCE = 10_000  # training pictures that others are held against, at most


class Measure:
    """The real pictures that others are held against, and the features in which that is done."""

    def __init__(self, network: Classifier, images: torch.Tensor, imagenet: ImageNetFeatures | None = None) -> None:
        """`images` are the training data, in no order."""
        self.network, self.device = network, network.head.weight.device
        self.images = images[:REFERENCE].to(self.device)
        self.frequency = high_frequency(self.images).double().mean().item()
        self.features = {"": lambda pictures: describe(network, pictures)[0]}
        if imagenet is not None:
            self.features["_imagenet"] = imagenet
        self.real = {name: see(self.images) for name, see in self.features.items()}
        self.moments = {name: Moments.of(features) for name, features in self.real.items()}

    def figures(self, pictures: torch.Tensor, classes: torch.Tensor) -> dict[str, list[float]]:
        """Replicates of every metric of pictures that were asked for these classes."""
        pictures = pictures.to(self.device)
        shown, frequency = pictures.clamp(-1, 1), leave_out_means(high_frequency(pictures.clamp(-1, 1)))
        distances = nearest(shown, self.images)
        found = {
            "high_frequency": frequency, "high_frequency_off": np.abs(frequency - self.frequency),
            "nearest": leave_out_means(distances), "copied": leave_out_means((distances < COPIED).float()),
        }  # fmt: skip
        predicted = describe(self.network, pictures)[1]
        found["accuracy"] = leave_out_means((predicted == classes.to(self.device)).float())
        for name, see in self.features.items():
            figures = compare(see(pictures), self.real[name], self.moments[name])
            found |= {f"{metric}{name}": replicates for metric, replicates in figures.items()}
        return {metric: rounded(replicates) for metric, replicates in found.items()}


def rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


class Results(Records):
    """The file of results, its rows found by name, and beside it the first pictures of each setting."""

    def keep(self, name: str, pictures: torch.Tensor) -> None:
        """As uint8 [STRIP, C, h, w], in an .npz beside the file."""
        file = self.file.with_suffix(".npz")
        kept = dict(np.load(file)) if file.exists() else {}
        levels = ((pictures[:STRIP].clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
        np.savez_compressed(file, **kept | {name: levels})

    def named(self, name: str) -> dict[str, Any] | None:
        return next((row for row in self.rows if row["name"] == name), None)


def classifier_for(file: Path, data: Path, device: torch.device, steps: int) -> tuple[Classifier, float]:
    """The classifier of this data set, trained now if it is not there yet, and its accuracy on the test pictures."""
    from lab.demo.train import load_images

    if not file.exists():
        network = train(*(t.to(device) for t in load_images(data)), steps)
        images, labels = load_images(data, "test")
        save(network, (describe(network, images)[1].cpu() == labels).float().mean().item(), file)
    network, accuracy = load(file, device)
    print(f"classifier: {accuracy:.1%} of the test pictures", flush=True)
    return network, accuracy


def add_floors(results: Results, world: str, measure: Measure, data: Path, counts: set[int], accuracy: float) -> None:
    """The test pictures, measured as if they had been sampled: no setting can be expected to do better."""
    from lab.demo.train import load_images

    images, labels = load_images(data, "test")
    for count in sorted({min(count, len(images)) for count in counts}):
        name = f"{world}, test pictures, {count} pictures"
        if not results.named(name):
            figures = measure.figures(images[:count], labels[:count])
            results.add(name=name, world=world, count=count, test_accuracy=accuracy, plain=name, figures=figures)


def sample_all(results: Results, sampler: Sampler, measure: Measure, settings: Iterable[Setting]) -> None:
    """Every setting that is not there yet."""
    for setting in settings:
        name, started = setting.name, time.perf_counter()
        if results.named(name):
            continue
        sampled = sampler.sample(setting)
        figures = measure.figures(sampled.pictures, sampler.classes[: setting.count])
        of_run = {key: value for key, value in vars(sampled).items() if key != "pictures"}
        results.add(
            name=name, **asdict(setting) | of_run, plain=setting.plain.name, figures=figures,
            device=torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        )  # fmt: skip
        results.keep(name, sampled.pictures)
        distances = [f"{figures[metric][0]:.3f}" for metric in figures if metric.startswith("frechet")]
        spent = f"{sampled.seconds:.1f} of {time.perf_counter() - started:.1f} s"
        print(f"{name}: Fréchet {', '.join(distances)}; {spent}", flush=True)


def distances(work: Path) -> Distances:
    """Of every row of every world that was sampled so far: a dose is chosen by them."""
    rows = read(*sorted(work.glob("*.jsonl")))
    return {row["name"]: {eye: row["figures"][eye][0] for eye in EYES} for row in rows}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--data", type=Path, required=True, help="Fashion-MNIST's folder, or the .npz of *_data.py")
    parser.add_argument("--weights", type=Path, default=DEMO, help="the model (default: the demo's)")
    parser.add_argument("--work", type=Path, required=True, help="folder of the classifier and the results")
    parser.add_argument("--questions", nargs="*", default=[], help="in the order to sample them")
    parser.add_argument("--share", default="0/1", help="which of how many processes this is")
    parser.add_argument("--batch", type=int, default=2000)
    parser.add_argument("--classifier-steps", type=int, default=STEPS)
    return parser.parse_args()


def main() -> None:
    started, options = time.perf_counter(), arguments()
    load_host()
    from lab.demo.train import load_images

    own, processes = map(int, options.share.split("/"))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    file = options.work / f"{options.world}_classifier.safetensors"
    network, accuracy = classifier_for(file, options.data, device, options.classifier_steps)
    if not options.questions:
        return
    images, labels = load_images(options.data)
    measure = Measure(network, images, ImageNetFeatures(device))
    dose = chosen(distances(options.work)) if {"decide", "beside"} & {*options.questions} else None
    settings = in_order(options.world, options.questions, dose)
    results = Results(options.work / f"{options.world}.{own}.jsonl")
    if own == 0:
        add_floors(results, options.world, measure, options.data, {s.count for s in settings}, accuracy)
    shape = (max(s.count for s in settings), *images.shape[1:])
    torch.set_float32_matmul_precision("high")  # of neighbours' distances; the UNet runs in float16
    sampler = Sampler(options.weights, labels, shape, options.batch)
    sample_all(results, sampler, measure, settings[own::processes])
    print(f"{time.perf_counter() - started:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
