"""On a GPU: the pack adds no wait of the CPU for it, by the profiler.

In a process of its own, since the host in this one is on the CPU.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="needs COMFYUI_PATH"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def waits(tmp_path_factory):
    """What `bench sync` found, by variant."""
    from lab.records import read

    out = tmp_path_factory.mktemp("sync") / "sync.jsonl"
    words = ["-m", "lab.benchmarks.bench", "sync", "--case", "tiny", "--steps", "4", "--out", str(out)]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    return {r["variant"]: r for r in read(out, kind="sync")}


def test_every_unet_call_was_seen_with_its_kernels(waits):
    assert {name: found["calls"] for name, found in waits.items()} == {"unpatched": 4, "none": 4, "all": 8, "host": 8}


@pytest.mark.parametrize("variant", ["none", "all"])
def test_no_wait_stands_between_the_first_and_the_last_kernel_of_a_unet_call(waits, variant):
    assert waits[variant]["inside"] == [[]] * waits[variant]["calls"]


@pytest.mark.parametrize("variant", ["none", "all"])
def test_no_wait_drains_the_queue_that_the_host_alone_would_not_drain(waits, variant):
    drained = {name: sum(map(len, found["draining"])) for name, found in waits.items()}
    assert drained[variant] <= drained["unpatched"]
