"""What guidance is worth at a sigma nearby, and for pictures of which it is not finite; no host is needed."""

import pytest
import torch

from sag_delayed_activation.sampling.guidance import FiniteGuidance, Guidance

MASK = torch.ones(2, 1, 5, 5, dtype=torch.bool)


def full(*pictures):
    """A tensor [B, 1, 5, 5], each picture full of its number."""
    return torch.tensor(pictures).view(-1, 1, 1, 1).expand(-1, 1, 5, 5)


def at(guidance, sigma):
    worth = guidance.at(sigma)
    assert worth.std(dim=(1, 2, 3)).max() == 0
    return worth[:, 0, 0, 0].tolist()


def of(falling, staying=None, sigma=2.0):
    return FiniteGuidance.of(Guidance(falling, staying, MASK, 1), sigma)


def test_the_first_part_falls_with_sigma_and_the_second_stays():
    assert at(of(full(3.0, 5.0)), 1.0) == [1.5, 2.5]
    assert at(of(full(3.0, 5.0), full(1.0, 2.0)), 1.0) == [2.5, 4.5]


def test_at_its_own_sigma_it_is_what_was_computed_to_the_bit():
    falling, staying = torch.randn(2, 2, 1, 5, 5)
    assert torch.equal(of(falling, staying, sigma=0.3).at(0.3), falling + staying)
    assert torch.equal(of(falling, sigma=0.3).at(0.3), falling)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_what_was_computed_at_sigma_0_stays_as_it_is(sigma):
    assert at(of(full(3.0, 5.0), sigma=0.0), sigma) == [3.0, 5.0]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("part", ["falling", "staying"])
def test_a_picture_is_left_out_whole_where_either_part_is_not_finite(part, bad):
    parts = {"falling": full(3.0, 5.0), "staying": full(1.0, 2.0)}
    parts[part] = parts[part].clone()
    parts[part][1, 0, 2, 3] = bad
    guidance = of(**parts)
    assert at(guidance, 1.0) == [2.5, 0.0] and guidance.finite.tolist() == [True, False]
