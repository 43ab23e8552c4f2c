"""What is measured of a set of pictures, and how sure it is.

Every metric comes as replicates [GROUPS + 1]: the figure of all pictures, then the figures without each of 20 groups
of them. From these follows the delete-a-group jackknife's interval. It is taken and not a bootstrap, since resampling
with replacement repeats pictures: repeats have no distance to their neighbour, which breaks precision and recall, and
lower the rank of a covariance, which lifts the Fréchet distance. Settings share noise and classes picture by picture,
so the difference of two settings has replicates of its own, in which what they share is gone.

Fréchet distance: Heusel et al., arXiv 1706.08500. Precision and recall: Kynkäänniemi et al., arXiv 1904.06991, with
the third neighbour. Jackknife: Efron and Stein, Annals of Statistics 9 (1981).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

GROUPS = 20
NEIGHBOUR = 3
SPARE = 13  # neighbours kept beyond the third: nearly always one of them is the third without a group
HIGH = 0.25  # cycles a pixel: half of the highest frequency that a picture holds
FAINT = 0.1  # 13 of 255 gray levels
CLIPPED = 1.05  # beyond white or black by 6 of 255 gray levels: the plain background scatters by less


def groups_of(count: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """The group of each picture [count], neighbours together: every group has its share of all classes."""
    return torch.arange(count, device=device) * GROUPS // count


def leave_out_means(values: torch.Tensor) -> np.ndarray:
    """Replicates of the mean of `values` [N]."""
    values, groups = values.double(), groups_of(len(values), values.device)
    sums = torch.zeros(GROUPS, dtype=torch.float64, device=values.device).index_add_(0, groups, values)
    sizes = torch.bincount(groups, minlength=GROUPS)
    without = (sums.sum() - sums) / (len(values) - sizes)
    return torch.cat([values.mean()[None], without]).cpu().numpy()


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """The jackknife's 95 % interval around replicates[0]."""
    without = replicates[1:]
    error = ((GROUPS - 1) / GROUPS * ((without - without.mean()) ** 2).sum()) ** 0.5
    reach = stats.t.ppf(0.975, GROUPS - 1) * error
    return replicates[0] - reach, replicates[0] + reach


def corrected(replicates: np.ndarray) -> float:
    """The figure without the part of its bias that falls as 1 / count: sets of different sizes may be compared."""
    return GROUPS * replicates[0] - (GROUPS - 1) * replicates[1:].mean()


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
        parts = features.double().tensor_split((groups_of(len(features)).diff().nonzero()[:, 0] + 1).tolist())
        sizes = torch.tensor([len(p) for p in parts], dtype=torch.float64, device=features.device)
        sums, squares = torch.stack([p.sum(dim=0) for p in parts]), torch.stack([p.T @ p for p in parts])
        counts = torch.cat([sizes.sum()[None], sizes.sum() - sizes])
        sums = torch.cat([sums.sum(dim=0)[None], sums.sum(dim=0) - sums])
        squares = torch.cat([squares.sum(dim=0)[None], squares.sum(dim=0) - squares])
        mean = sums / counts[:, None]
        centred = squares - counts[:, None, None] * mean[:, :, None] * mean[:, None, :]
        return cls(mean, centred / (counts[:, None, None] - 1))


def root(covariance: torch.Tensor) -> torch.Tensor:
    """The symmetric square root of a covariance [dim, dim]."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def frechet(sampled: Moments, real: Moments) -> np.ndarray:
    """|m - n|^2 + tr(C + D - 2 (C D)^(1/2)), for each of the sampled moments."""
    half = root(real.covariance)
    # C D and D^(1/2) C D^(1/2) have the same eigenvalues, and the second is symmetric.
    overlap = torch.linalg.eigvalsh(half @ sampled.covariance @ half).clamp(min=0).sqrt().sum(dim=-1)
    traces = sum(m.covariance.diagonal(dim1=-2, dim2=-1).sum(dim=-1) for m in (sampled, real))
    return ((sampled.mean - real.mean).square().sum(dim=-1) + traces - 2 * overlap).cpu().numpy()


def radii(features: torch.Tensor) -> torch.Tensor:
    """Distance to the third neighbour [GROUPS + 1, N], among all and without each group; -1 for those left out."""
    count, groups = len(features), groups_of(len(features), features.device)
    distances = torch.cdist(features, features).fill_diagonal_(torch.inf)
    near, who = distances.topk(min(NEIGHBOUR + SPARE, count - 1), largest=False)
    found = [near[:, NEIGHBOUR - 1]]
    for group in range(GROUPS):
        rank = (groups[who] != group).cumsum(dim=1)
        third = near.gather(1, (rank >= NEIGHBOUR).int().argmax(dim=1, keepdim=True))[:, 0]
        hemmed_in = rank[:, -1] < NEIGHBOUR  # by its own group: an emoji in all its skin tones
        others = distances[hemmed_in][:, groups != group]
        third[hemmed_in] = others.topk(NEIGHBOUR, largest=False).values[:, -1]
        found.append(torch.where(groups == group, -1.0, third))
    return torch.stack(found)


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


def clipped(pictures: torch.Tensor) -> torch.Tensor:
    """Share of each picture's values that lie beyond white or black, before they are cut off."""
    return (pictures.abs() > CLIPPED).float().flatten(1).mean(dim=1)


def settled(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures [N, C, h, w] whose values within FAINT of black or white lie there: no faint scatter on a background."""
    return torch.where(pictures.abs() > 1 - FAINT, pictures.sign(), pictures)


def compared(sampled: torch.Tensor, real: torch.Tensor, moments: Moments) -> dict[str, np.ndarray]:
    """Replicates of what is measured of features: sampled [N, dim] against real [M, dim] and all real moments."""
    precision, recall = precision_recall(sampled, real[: len(sampled)])
    return {"frechet": frechet(Moments.leaving_out(sampled), moments), "precision": precision, "recall": recall}
