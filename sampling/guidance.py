"""The guidance of one evaluation, and what it is at the sigma of a later one."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ..sag_core import zero_nonfinite
from .masks import PackedMask


class Guidance(NamedTuple):
    """Guidance as it was computed for one evaluation. The scale multiplies `falling + staying`."""

    falling: torch.Tensor  # the part that falls with sigma [B, C, h, w]
    staying: torch.Tensor | None  # the part that does not [B, C, h, w]; None: 0
    mask: torch.Tensor  # boolean [B, 1, h, w]
    unet_calls: int  # how many it took


class FiniteGuidance(NamedTuple):
    """Guidance that is 0 for each picture of the batch for which it was not finite."""

    falling: torch.Tensor
    staying: torch.Tensor | None
    mask: PackedMask
    finite: torch.Tensor  # boolean [B]: for which pictures it was finite
    sigma: float  # at which it was computed

    @classmethod
    def of(cls, guidance: Guidance, sigma: float) -> FiniteGuidance:
        """`guidance`, computed at `sigma`; both parts are 0 for a picture for which either is not finite."""
        parts = [guidance.falling] if guidance.staying is None else [guidance.falling, guidance.staying]
        (falling, *staying), finite = zero_nonfinite(*parts)
        return cls(falling, staying[0] if staying else None, PackedMask(guidance.mask), finite, sigma)

    def at(self, sigma: float) -> torch.Tensor:
        """What the scale multiplies, [B, C, h, w], at the sigma at which it was computed or at one nearby.

        The paper states guidance in units of the noise, where the falling part is taken to stay the same. In units of
        x0 it falls with sigma: unchanged, it would be far too much at the last steps.
        """
        is_own = sigma == self.sigma or not self.sigma  # at sigma 0 there is no noise to measure it by
        falling = self.falling if is_own else self.falling * (sigma / self.sigma)
        return falling if self.staying is None else falling + self.staying
