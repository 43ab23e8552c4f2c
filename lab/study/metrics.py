"""What is measured of a set of pictures, and how sure it is.

Every metric comes as replicates [GROUPS + 1]: the figure of all pictures, then the figures without each of 20 groups
of them. From these follows the delete-a-group jackknife's interval. It is taken and not a bootstrap, since resampling
with replacement repeats pictures: repeats have no distance to their neighbour, which breaks precision and recall, and
lower the rank of a covariance, which lifts the Fréchet distance. Settings share noise and classes picture by picture,
so the difference of two settings has replicates of its own, in which what they share is gone.

Fréchet distance: Heusel et al., arXiv 1706.08500. Precision and recall: Kynkäänniemi et al., arXiv 1904.06991, with
the third neighbour. Jackknife: Efron and Stein, Annals of Statistics 9 (1981). No library gives replicates, and to
call one 21 times would take hours. A test holds the whole figures against torch-fidelity's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

GROUPS = 20
NEIGHBOUR = 3
HIGH = 0.25  # cycles a pixel: half of the highest frequency that a picture holds
COPIED = 0.1  # from a training picture by no more than 13 of 255 gray levels: of unseen units of Wesnoth none is


def groups_of(count: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """The group of each picture [count], neighbours together: every group has its share of all classes."""
    return torch.arange(count, device=device) * GROUPS // count


def leave_out_sums(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of `values` [N, ...] over all, then without each group [GROUPS + 1, ...], and how many each sum holds."""
    groups = groups_of(len(values), values.device)
    sums = values.new_zeros(GROUPS, *values.shape[1:], dtype=torch.float64).index_add_(0, groups, values.double())
    sizes = torch.bincount(groups, minlength=GROUPS).double()
    return tuple(torch.cat([own.sum(dim=0, keepdim=True), own.sum(dim=0) - own]) for own in (sums, sizes))


def leave_out_means(values: torch.Tensor) -> np.ndarray:
    """Replicates of the mean of `values` [N]."""
    sums, sizes = leave_out_sums(values)
    return (sums / sizes).cpu().numpy()


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """The jackknife's 95 % interval around replicates[0]."""
    error = ((GROUPS - 1) * replicates[1:].var()) ** 0.5
    reach = stats.t.ppf(0.975, GROUPS - 1) * error
    return replicates[0] - reach, replicates[0] + reach


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of features, float64; several of them along the first dimension."""

    mean: torch.Tensor  # [..., dim]
    covariance: torch.Tensor  # [..., dim, dim]

    @classmethod
    def of(cls, features: torch.Tensor) -> Moments:
        """Of features [N, dim]."""
        features = features.double()
        return cls(features.mean(dim=0), features.T.cov())

    @classmethod
    def leaving_out(cls, features: torch.Tensor) -> Moments:
        """Of all features, then without each group: [GROUPS + 1, ...]."""
        groups = groups_of(len(features))
        sums, counts = leave_out_sums(features)
        squares = torch.stack([own.T @ own for own in (features[groups == g].double() for g in range(GROUPS))])
        squares = torch.cat([squares.sum(dim=0, keepdim=True), squares.sum(dim=0) - squares])
        mean = sums / counts[:, None]
        centred = squares - counts[:, None, None] * mean[:, :, None] * mean[:, None, :]
        return cls(mean, centred / (counts[:, None, None] - 1))


def frechet(sampled: Moments, real: Moments) -> np.ndarray:
    """|m - n|^2 + tr(C + D - 2 (C D)^(1/2)), for each of the sampled moments."""
    values, vectors = torch.linalg.eigh(real.covariance)
    half = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    # C D and D^(1/2) C D^(1/2) have the same eigenvalues, and the second is symmetric.
    products = (half @ sampled.covariance @ half).view(-1, *half.shape)  # one by one: GPUs are slow on large batches
    overlap = torch.stack([torch.linalg.eigvalsh(product).clamp(min=0).sqrt().sum() for product in products])
    traces = sum(m.covariance.diagonal(dim1=-2, dim2=-1).sum(dim=-1) for m in (sampled, real))
    return ((sampled.mean - real.mean).square().sum(dim=-1) + traces - 2 * overlap.view_as(traces)).cpu().numpy()


def radii(features: torch.Tensor) -> torch.Tensor:
    """Distance to the third neighbour [GROUPS + 1, N], among all and without each group; -1 for those left out."""
    groups = groups_of(len(features), features.device)
    distances = torch.cdist(features, features).fill_diagonal_(torch.inf)

    def third(left_out: torch.Tensor) -> torch.Tensor:
        others = distances.masked_fill(left_out, torch.inf)
        return others.topk(NEIGHBOUR, largest=False).values[:, -1].masked_fill(left_out, -1.0)

    return torch.stack([third(groups == group) for group in (-1, *range(GROUPS))])  # -1: no group


def precision_recall(sampled: torch.Tensor, real: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Replicates of the share of sampled [N, dim] among the real [M, dim], and of the real among the sampled."""
    distances = torch.cdist(sampled, real)  # [N, M]
    precision = leave_out_means((distances <= radii(real)[0]).any(dim=1))
    covered = [(distances <= radius[:, None]).any(dim=0).double().mean() for radius in radii(sampled)]
    return precision, torch.stack(covered).cpu().numpy()


def high_frequency(pictures: torch.Tensor) -> torch.Tensor:
    """Mean square of what lies above a quarter cycle a pixel, of each picture [N, C, h, w]."""
    height, width = pictures.shape[-2:]
    spectrum = torch.fft.fft2(pictures.float()).abs().square() / (height * width) ** 2
    rows, columns = (torch.fft.fftfreq(n, device=pictures.device) for n in (height, width))
    high = rows[:, None].hypot(columns[None, :]) > HIGH
    return (spectrum * high).sum(dim=(-2, -1)).mean(dim=1)


def nearest(pictures: torch.Tensor, images: torch.Tensor, at_once: int = 500) -> torch.Tensor:
    """Root mean square distance of each picture [N, C, h, w] to the nearest of the images or of their mirror images."""
    known = torch.cat([images, images.flip(-1)]).flatten(1)
    distances = [torch.cdist(part, known).min(dim=1).values for part in pictures.flatten(1).split(at_once)]
    return torch.cat(distances) / known.shape[1] ** 0.5


def compare(sampled: torch.Tensor, real: torch.Tensor, moments: Moments) -> dict[str, np.ndarray]:
    """Replicates of what is measured of features: sampled [N, dim] against real [M, dim] and all real moments."""
    precision, recall = precision_recall(sampled, real[: len(sampled)])
    return {"frechet": frechet(Moments.leaving_out(sampled), moments), "precision": precision, "recall": recall}
