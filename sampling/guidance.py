"""What a kind of guidance gives for one evaluation, and what that is worth at a sigma nearby."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ..sag_core import zero_nonfinite
from .masks import PackedMask


class Guidance(NamedTuple):
    """What a kind of guidance computed for one evaluation. Scale multiplies the sum of the first two."""

    falling: torch.Tensor  # the part that falls with sigma [B, C, h, w], in units of x0
    staying: torch.Tensor | None  # the part that does not [B, C, h, w]; None: 0
    mask: torch.Tensor  # boolean [B, 1, h, w]
    unet_calls: int  # that it took


class FiniteGuidance(NamedTuple):
    """The same, 0 for pictures of the batch where it was not finite, and the sigma that it was computed at."""

    falling: torch.Tensor
    staying: torch.Tensor | None
    mask: PackedMask
    finite: torch.Tensor  # boolean [B]
    sigma: float

    @classmethod
    def of(cls, guidance: Guidance, sigma: float) -> FiniteGuidance:
        """A picture is left out whole where either part of its guidance is not finite."""
        parts = [guidance.falling] if guidance.staying is None else [guidance.falling, guidance.staying]
        (falling, *staying), finite = zero_nonfinite(*parts)
        return cls(falling, staying[0] if staying else None, PackedMask(guidance.mask), finite, sigma)

    def at(self, sigma: float) -> torch.Tensor:
        """What scale multiplies [B, C, h, w], at the sigma that it was computed at or at one nearby.

        The part that falls is the same in units of the noise, in which the paper states it: in units of x0 it falls
        with sigma. Kept as it is, it would be far too much at the last steps.
        """
        is_own = sigma == self.sigma or not self.sigma  # at sigma 0 there is no noise to measure it by
        falling = self.falling if is_own else self.falling * (sigma / self.sigma)
        return falling if self.staying is None else falling + self.staying
