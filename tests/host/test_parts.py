"""Runs that are parts of one sampling: a schedule cut in two by KSampler (Advanced), or into single steps."""

import pytest
from tiny_unet import distance, in_stages

from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced

pytestmark = pytest.mark.host
STEPS = 10  # on the normal schedule: sigma 14.61, 6.617, 3.753, 2.296, 1.454, 0.926, 0.5685, 0.3039, 0.1072, 0.02917
WHOLE, HALVES, SINGLE = (0, 10), (0, 5, 10), tuple(range(11))
SMALL = (1, 4, 16, 16)


def advanced(model, sigma_start=15.0, sigma_end=0.0, **more):
    return SelfAttentionGuidanceAdvanced().patch(model, 0.5, 2.0, sigma_start, sigma_end, **more)[0]


# fade


@pytest.mark.parametrize("cuts", [HALVES, SINGLE], ids=["halves", "single steps"])
@pytest.mark.parametrize("fade", ["in", "out", "in and out"])
def test_with_both_bounds_typed_a_fade_is_the_same_however_the_schedule_is_cut(model, fade, cuts):
    window = {"sigma_start": 10.0, "sigma_end": 0.2}
    whole = in_stages(advanced(model, fade=fade, **window), WHOLE, SMALL)
    effect = distance(in_stages(advanced(model, **window), WHOLE, SMALL), whole)
    assert effect > 1e-3
    assert distance(in_stages(advanced(model, fade=fade, **window), cuts, SMALL), whole) < 0.01 * effect
