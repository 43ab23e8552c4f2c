"""The classifier in whose features pictures are compared: a small residual network, trained on the same data."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

FEATURES = 128
SEED, RATE, DECAY, SMOOTHING, SHIFT = 2210, 3e-3, 5e-2, 0.1, 2
STEPS, BATCH = 1500, 512
ACCURACY = "test_accuracy"  # stored beside the weights


class Residual(nn.Module):
    """Two convolutions around a skip; the side is halved where the width grows."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.path = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.path(x) + self.skip(x))


class Classifier(nn.Module):
    """Pictures [N, C, h, w] from -1 to 1, to scores [N, classes]."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            Residual(32, 32), Residual(32, 64), Residual(64, 64), Residual(64, FEATURES), Residual(FEATURES, FEATURES),
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, classes)

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        """[N, FEATURES]: what the last layer sees."""
        return self.body(pictures).mean(dim=(-2, -1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(pictures))


def jitter(pictures: torch.Tensor) -> torch.Tensor:
    """Half of the batch mirrored, and all of it shifted by up to SHIFT pixels, each batch by one shift."""
    mirrored = torch.rand(len(pictures), 1, 1, 1, device=pictures.device) < 0.5
    pictures = torch.where(mirrored, pictures.flip(-1), pictures)
    down, right = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    height, width = pictures.shape[-2:]
    return F.pad(pictures, [SHIFT] * 4, mode="replicate")[..., down : down + height, right : right + width]


def train(images: torch.Tensor, labels: torch.Tensor, steps: int = STEPS) -> Classifier:
    """AdamW with one cycle of the rate, in bf16 where there is a GPU."""
    torch.manual_seed(SEED)
    network = Classifier(images.shape[1], int(labels.max()) + 1).to(images.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(0, len(images), (BATCH,), device=images.device)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            loss = F.cross_entropy(network(jitter(images[chosen])), labels[chosen], label_smoothing=SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        cycle.step()
    return network.eval().requires_grad_(False)


def describe(network: Classifier, pictures: torch.Tensor, at_once: int = 2000) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [N, FEATURES] and predicted classes [N] of pictures on any device, on the network's own."""
    device = network.head.weight.device
    features = torch.cat([network.features(part.to(device).clamp(-1, 1)) for part in pictures.split(at_once)])
    return features, network.head(features).argmax(dim=1)


def save(network: Classifier, accuracy: float, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({**network.state_dict(), ACCURACY: torch.tensor(accuracy)}, file)


def load(file: Path, device: torch.device) -> tuple[Classifier, float]:
    """The network, and its accuracy on the test pictures."""
    weights = load_file(file)
    accuracy = weights.pop(ACCURACY).item()
    network = Classifier(weights["body.0.weight"].shape[1], len(weights["head.bias"]))
    network.load_state_dict(weights)
    return network.to(device).eval().requires_grad_(False), accuracy
