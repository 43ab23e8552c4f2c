"""The SDXL example at SDXL's real size, with a random checkpoint of 7 GB; by `pytest -m big` alone."""

import json
import os
import shutil
from pathlib import Path

import psutil
import pytest
from comfy_server import ComfyServer
from examples import ACTED, EXAMPLES, NOT_A_NUMBER, run
from random_checkpoint import make_checkpoint

pytestmark = [
    pytest.mark.big,
    pytest.mark.server,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no ComfyUI"),
]
ROOT = Path(__file__).parents[2]
MEMORY, DISK = 20, 8  # GiB
(EXAMPLE,) = (path for path in EXAMPLES if path.stem.startswith("SAG on SDXL"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("base")
    skip_below(MEMORY, psutil.virtual_memory().available, "of memory")
    skip_below(DISK, shutil.disk_usage(base).free, "on the disk")
    checkpoint = base / "models/checkpoints/sd_xl_base_1.0.safetensors"
    try:
        make_checkpoint("SDXL", checkpoint)
        with ComfyServer(Path(os.environ["COMFYUI_PATH"]), base, {"sag-delayed-activation": ROOT}) as running:
            yield running
    finally:
        checkpoint.unlink(missing_ok=True)  # pytest keeps the folder


def skip_below(needed: int, free: int, what: str) -> None:
    if free < needed * 2**30:
        pytest.skip(f"SDXL needs {needed} GiB {what}, free are {free / 2**30:.1f}")


def test_sdxl_at_its_real_size_is_loaded_sampled_with_guidance_and_decoded(server):
    pictures, log = run(server, json.loads(EXAMPLE.read_text(encoding="utf-8")))
    (saved,) = pictures["SaveImage"]
    assert "Requested to load SDXL\n" in log
    assert ACTED.findall(log) == ["2"]
    assert saved.shape == (128, 128, 3) and saved.std() > 1 and NOT_A_NUMBER not in log
