"""On a GPU: the flash kernel is the one in use where it can be, and sums as the plain way does."""

import pytest
import torch

from sag_delayed_activation import sag_core

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("dim", [40, 64, 80, 128, 160])
def test_a_half_precision_map_comes_from_the_flash_kernel(kind, dim):
    assert sag_core.flash_attention_serves(torch.device("cuda"), kind, dim)


@pytest.mark.parametrize("dim", [40, 64, 160])
def test_its_map_is_the_plain_one(dim):
    q, k = torch.randn(2, 2, 3, 300, dim, device="cuda", generator=torch.Generator("cuda").manual_seed(0)).half()
    torch.testing.assert_close(sag_core.flash_column_sums(q, k), sag_core.column_sums(q, k), atol=2e-4, rtol=2e-4)
