"""The real ComfyUI in this process, on the CPU."""

import logging
import os
import sys

import pytest

if os.environ.get("COMFYUI_PATH"):
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    comfy.cli_args.args.use_pytorch_cross_attention = True  # as on most GPUs; on the CPU the host's own is slow


def pytest_ignore_collect(collection_path):
    if not os.environ.get("COMFYUI_PATH") and collection_path.suffix == ".py":
        return True
    return None


def pytest_itemcollected(item):
    item.add_marker(pytest.mark.host)


@pytest.fixture(scope="module")
def model():
    """One MODEL for a file's tests. The host leaves in place what the last clone had there, so no other file has it."""
    from tiny_unet import tiny_model

    return tiny_model()


@pytest.fixture(scope="module")
def plain(model):
    """The latent without the node."""
    from tiny_unet import sample

    return sample(model)


@pytest.fixture(scope="session")
def sag():
    """The node, with its defaults."""
    from sag_delayed_activation.nodes import SelfAttentionGuidanceCustom

    def patch(model, scale=0.5, blur_sigma=2.0, sigma_start=15.0, sigma_end=0.0):
        return SelfAttentionGuidanceCustom().patch(model, scale, blur_sigma, sigma_start, sigma_end)[0]

    return patch


@pytest.fixture(scope="session")
def advanced():
    """The advanced node, with its defaults but for what is named."""
    from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced

    def patch(model, scale=0.5, blur_sigma=2.0, sigma_start=15.0, sigma_end=0.0, **more):
        return SelfAttentionGuidanceAdvanced().patch(model, scale, blur_sigma, sigma_start, sigma_end, **more)[0]

    return patch


@pytest.fixture
def lines(caplog):
    """The pack's own lines in the log, as (level, text)."""
    caplog.set_level(logging.INFO)
    return lambda: [(r.levelname, r.getMessage()) for r in caplog.records if r.getMessage().startswith("SAG")]


@pytest.fixture
def said(lines):
    """Those lines as one text."""
    return lambda: "\n".join(text for _, text in lines())
