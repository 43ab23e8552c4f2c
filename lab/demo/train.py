#!/usr/bin/env python3
"""Trains the demo's model on Fashion-MNIST: a class-conditional UNet of ComfyUI's own class.

    COMFYUI_PATH=/path/to/ComfyUI python -m lab.demo.train --data FOLDER --out lab/demo/model

Needs torch, safetensors and a GPU (minutes); the data are Debian's package dataset-fashion-mnist. The noise is the
host's own schedule, the network predicts it (EPS), and 15 % of the labels are dropped for the negative prompt.
The study's other models are trained the same way, with an .npz of other pictures as --data. A
training in several pieces: --share 0 0.5, then --share 0.5 1 --start with the first's weights.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from lab.loading import load_host

SEED = 2210
DROPPED = 0.15
RATE, WARM_UP, KEPT = 1e-3, 200, 0.999  # the usual rate, steps to get there; how much of an average a step keeps
IDX_FILES = {"train": "train", "test": "t10k"}


def load_images(data: Path, split: str = "train") -> tuple[torch.Tensor, torch.Tensor]:
    """Images [N, C, h, w] from -1 (black) to 1 (white), and their classes [N].

    `data` is Fashion-MNIST's folder, its 28 x 28 pixels padded with black to 32 x 32, or an .npz of uint8
    {split}_images [N, C, h, w] and {split}_labels.
    """
    if data.suffix == ".npz":
        arrays = np.load(data)
        pixels, labels = (torch.from_numpy(arrays[f"{split}_{name}"]) for name in ("images", "labels"))
        return pixels.float() / 127.5 - 1, labels.long()
    stem = IDX_FILES[split]
    pixels = np.frombuffer(gzip.open(data / f"{stem}-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
    labels = np.frombuffer(gzip.open(data / f"{stem}-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)
    images = torch.from_numpy(pixels.copy()).view(-1, 1, 28, 28).float() / 127.5 - 1
    return F.pad(images, [2] * 4, value=-1.0), torch.from_numpy(labels.copy()).long()


def embed(table: torch.nn.Embedding, labels: torch.Tensor) -> torch.Tensor:
    """The classes' prompts [N, TOKENS, CONTEXT_DIM]; some of them are dropped, and get the negative instead."""
    from lab.demo.sag_demo import architecture

    dropped = torch.rand(len(labels), device=labels.device) < DROPPED
    kept = torch.where(dropped, table.num_embeddings - 1, labels)  # the last one is the negative
    return table(kept).view(-1, architecture.TOKENS, architecture.CONTEXT_DIM)


def noise_loss(model: Any, schedule: torch.Tensor, x0: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the predicted noise, as the host scales its input and reads its timestep."""
    t = torch.randint(0, len(schedule), (len(x0),), device=x0.device)
    sigma, noise = schedule[t].view(-1, 1, 1, 1), torch.randn_like(x0)
    x = (x0 + sigma * noise) / (sigma**2 + 1).sqrt()
    options: dict[str, Any] = {}  # the host writes into them; into its own default, and torch would compile twice
    predicted = model.diffusion_model(x, t.float(), context=context, transformer_options=options)
    return F.mse_loss(predicted.float(), noise)


def train(loss_of, network, table, images, labels, options: argparse.Namespace) -> tuple[torch.nn.Module, ...]:
    """AdamW; the moving averages. Over the steps, or over the seconds if that is sooner, goes a share of a cosine."""
    batch, (first, last) = options.batch, options.share
    parameters = [*network.parameters(), *table.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=options.rate, weight_decay=1e-3)
    averages = copy.deepcopy(network).requires_grad_(False), copy.deepcopy(table).requires_grad_(False)
    averaged = [p for average in averages for p in average.parameters()]
    device, started, step, done = images.device.type, time.time(), 0, first
    while done < last:
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
        chosen = torch.randint(0, len(images), (batch,), device=images.device)
        shown = images[chosen]
        if options.mirror:
            shown = torch.where(torch.rand(batch, 1, 1, 1, device=images.device) < 0.5, shown.flip(-1), shown)
        with torch.autocast(device, torch.bfloat16, enabled=images.is_cuda):
            loss = loss_of(shown, embed(table, labels[chosen]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(averaged, parameters, 1 - min(options.kept, (step + 1) / (step + 10)))
        if step % 250 == 0:
            print(f"step {step}: loss {loss.item():.4f}, {time.time() - started:.0f} s", flush=True)
        step += 1
        done = first + (last - first) * max(step / options.steps, (time.time() - started) / options.seconds)
    print(f"{step} steps of {batch}, loss {loss.item():.4f}, {time.time() - started:.0f} s", flush=True)
    return averages


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--file", help="name of the weights in --out (default: the demo's)")
    parser.add_argument("--steps", type=int, default=3500)
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long, if that is sooner")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=RATE, help="the learning rate at its highest")
    parser.add_argument("--kept", type=float, default=KEPT, help="how much of an average a step keeps")
    parser.add_argument("--share", type=float, nargs=2, default=(0.0, 1.0), help="of the cosine, where this is a piece")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--wide", action="store_true", help="the UNet for photographs")
    parser.add_argument("--mirror", action="store_true", help="show every second picture mirrored")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--dtype", choices=["bfloat16", "float16"], default="bfloat16", help="of the weights kept")
    return parser.parse_args()


def train_as_asked(options: argparse.Namespace, build: Callable, initialise: Callable, loss: Callable) -> None:
    """A new model of `build(device, channels, side)`, its loss being `loss(model, schedule, x0, context)`."""
    from safetensors.torch import load_file, save_file

    from lab.demo.sag_demo import architecture

    torch.manual_seed(SEED + round(1000 * options.share[0]))
    torch.backends.cudnn.benchmark = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = (t.to(device) for t in load_images(options.data))
    model = build(device, images.shape[1], images.shape[-1])
    network, table = model.diffusion_model.train(), torch.nn.Embedding(
        int(labels.max()) + 2, architecture.TOKENS * architecture.CONTEXT_DIM, device=device
    )  # fmt: skip
    initialise(network)
    if options.start:
        start = load_file(options.start)
        table.load_state_dict({"weight": start.pop(architecture.TABLE).float()})
        network.load_state_dict({n.removeprefix(architecture.PREFIX): w.float() for n, w in start.items()})
    if options.compile:
        network.compile()
    print(f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} million parameters", flush=True)
    loss_of = partial(loss, model, model.model_sampling.sigmas.to(device))
    network, table = train(loss_of, network, table, images, labels, options)
    weights = {f"{architecture.PREFIX}{n}": w for n, w in network.state_dict().items()}
    weights[architecture.TABLE] = table.weight.detach()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / (options.file or architecture.FILE)
    dtype = getattr(torch, options.dtype)
    save_file({n: w.to(dtype).contiguous().cpu() for n, w in weights.items()}, file)


def main() -> None:
    options = arguments()
    load_host()
    from lab.demo.sag_demo import architecture

    build = partial(architecture.build, dropout=options.dropout, wide=options.wide)
    train_as_asked(options, build, architecture.initialise, noise_loss)


if __name__ == "__main__":
    main()
