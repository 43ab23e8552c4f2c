"""A copy to the CPU, where there is no GPU."""

import torch

from sag_delayed_activation.sampling.cpu_copy import CpuCopy


def test_a_copy_is_of_the_moment_at_which_it_was_made():
    sigma = torch.tensor([3.0, 2.0])
    copy = CpuCopy(sigma)
    sigma.zero_()
    assert torch.equal(copy.tensor(), torch.tensor([3.0, 2.0]))
