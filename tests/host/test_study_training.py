"""A model's training: what it goes on from, and how its rate falls over several pieces."""

import argparse
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lab.demo import train
from lab.demo.sag_demo import architecture

USUAL = {"steps": 8, "seconds": float("inf"), "batch": 2, "rate": 1.0, "mirror": False, "kept": 0.5,
         "share": (0.0, 1.0), "start": None, "compile": False, "dtype": "float16"}  # fmt: skip


def build(device, channels, side):
    return SimpleNamespace(diffusion_model=torch.nn.Linear(2, 1), model_sampling=SimpleNamespace(sigmas=torch.ones(1)))


def initialise(network):
    torch.nn.init.ones_(network.weight)
    torch.nn.init.zeros_(network.bias)


def loss(model, schedule, x0, context):
    return (model.diffusion_model(x0[:, 0, 0, :2]) - 1).square().mean() + context.square().mean()


@pytest.fixture
def trained(tmp_path):
    """Trains a network of three weights, and gives them and the rate of each step."""
    np.savez(tmp_path / "data.npz", train_images=np.full((4, 1, 2, 2), 255, np.uint8), train_labels=np.arange(4))

    def piece(file, **options):
        rates = []
        hook = register_optimizer_step_pre_hook(lambda own, *_: rates.append(own.param_groups[0]["lr"]))
        own = argparse.Namespace(data=tmp_path / "data.npz", out=tmp_path, file=file, **USUAL | options)
        train.train_as_asked(own, build, initialise, loss)
        hook.remove()
        return load_file(tmp_path / file), rates

    piece.folder = tmp_path
    return piece


def test_two_pieces_share_one_cosine(trained, monkeypatch):
    monkeypatch.setattr(train, "WARM_UP", 1)
    _, whole = trained("whole")
    _, first = trained("first", share=(0.0, 0.5), steps=4)
    _, second = trained("second", share=(0.5, 1.0), steps=4)
    assert first + second == pytest.approx(whole) and len(whole) == 8
    assert whole == sorted(whole, reverse=True) and whole[4] == pytest.approx(0.5)


def test_a_training_goes_on_from_the_weights_that_it_is_given(trained):
    before, _ = trained("first")
    after, _ = trained("second", start=trained.folder / "first", rate=0.0)
    assert before.keys() == after.keys() and architecture.TABLE in before
    assert all(before[name].equal(after[name]) for name in before)
    assert not before[f"{architecture.PREFIX}weight"].equal(torch.ones(1, 2).half())


def test_pieces_do_not_draw_the_same_pictures(trained, monkeypatch):
    seeds = []
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    trained("first", share=(0.0, 0.5))
    trained("second", share=(0.5, 1.0))
    assert seeds[0] == train.SEED != seeds[1]
