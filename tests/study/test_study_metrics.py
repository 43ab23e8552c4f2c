"""The study's metrics, against independent references and known distributions."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from lab.study.metrics import (
    GROUPS,
    Moments,
    frechet,
    groups_of,
    high_frequency,
    interval,
    leave_out_means,
    nearest,
    precision_recall,
    radii,
)


def features(count, seed, dim=6, spread=1.0, shift=0.0):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)) * spread + shift


def test_frechet_distance_is_the_library_s():
    a, b = features(300, 0).double(), features(200, 1, spread=2.0, shift=0.5).double()
    wanted = fid_statistics_to_metric(*map(fid_features_to_statistics, (a, b)), verbose=False)
    assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(wanted["frechet_inception_distance"], rel=1e-9)


def test_moments_without_a_group_are_those_of_the_others():
    x = features(207, 2)
    left, others = Moments.leaving_out(x), Moments.of(x[groups_of(207) != 4])
    torch.testing.assert_close(left.covariance[5], others.covariance)
    torch.testing.assert_close(left.mean[5], others.mean)


def test_means_without_a_group_are_those_of_the_others():
    x = features(207, 2)[:, 0]
    assert leave_out_means(x)[5] == pytest.approx(x[groups_of(207) != 4].double().mean().item(), rel=1e-9)


def test_the_interval_holds_the_expected_distance_in_95_of_100_draws():
    real = Moments(torch.zeros(6).double(), torch.eye(6).double())
    draws = [frechet(Moments.leaving_out(features(300, seed, spread=1.2)), real) for seed in range(300)]
    expected = np.mean([d[0] for d in draws])
    held = np.mean([low <= expected <= high for low, high in map(interval, draws)])
    assert 0.92 <= held <= 0.99


def test_precision_and_recall_are_the_library_s_also_without_a_group():
    sampled, real = features(80, 3, spread=0.8), features(60, 4)
    given = sampled, sampled[groups_of(80) != 0]
    wanted = [prc_features_to_metric(own, real, prc_neighborhood=3, verbose=False) for own in given]
    precision, recall = precision_recall(sampled, real)
    assert precision[:2] == pytest.approx([w["precision"] for w in wanted])
    assert recall[:2] == pytest.approx([w["recall"] for w in wanted])


def test_pictures_that_are_left_out_cover_nothing():
    groups = groups_of(80)
    assert all((radius[groups == group] < 0).all() for group, radius in enumerate(radii(features(80, 3))[1:]))


def test_the_third_neighbour_is_known_where_a_group_crowds_around_a_picture():
    crowd = features(400, 5)
    crowd[:20] = features(20, 6) * 1e-3  # the first group: nearer to one another than 16 others
    wanted = torch.cdist(crowd[:1], crowd[20:]).sort().values[0, 2]
    assert radii(crowd)[0, 0] < 0.1 * wanted
    crowd[20] = 0.0  # of the second group, its neighbours all in the first
    assert radii(crowd)[1, 20] == pytest.approx(torch.cdist(crowd[20:21], crowd[21:]).sort().values[0, 2].item())


def test_high_frequency_is_that_of_the_finest_stripes_and_not_of_a_slope():
    stripes = torch.tensor([1.0, -1.0]).repeat(16).expand(1, 1, 32, 32)
    waves = (torch.arange(32) * (2 * torch.pi * 4 / 32)).cos().expand(1, 1, 32, 32)
    assert high_frequency(torch.cat([stripes, waves])).tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_the_nearest_picture_may_be_mirrored_and_the_distance_is_in_units_of_a_pixel():
    known = features(3 * 2 * 16, 7, dim=1).view(3, 2, 4, 4)
    given = torch.stack([known[1].flip(-1), known[2] + 0.25])
    assert nearest(given, known).tolist() == pytest.approx([0.0, 0.25], abs=1e-3)


def test_there_are_as_many_replicates_as_groups_and_one():
    assert len(leave_out_means(torch.ones(40))) == GROUPS + 1
