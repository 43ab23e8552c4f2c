"""The real server over HTTP, with the pack and the demo's model in its custom_nodes."""

import math
import os
import time
from pathlib import Path

import pytest
from comfy_server import ComfyServer, ServerProblem

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no ComfyUI"),
]
ROOT = Path(__file__).parents[2]
NODE = "SAG delayed activation"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    packs = {"any-name": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo", "unet-calls": ROOT / "tests/support/unet_calls"}
    with ComfyServer(Path(os.environ["COMFYUI_PATH"]), tmp_path_factory.mktemp("base"), packs) as running:
        yield running


def workflow(seed, steps=2, **settings):
    settings = {"scale": 0.5, "blur_sigma": 2.0, "sigma_start": 15.0, "sigma_end": 0.0, **settings}
    return {
        "model": {"class_type": "SAG demo: model", "inputs": {}},
        "latent": {"class_type": "SAG demo: latent", "inputs": {}},
        "sag": {"class_type": NODE, "inputs": {"model": ["model", 0], **settings}},
        "sampler": {"class_type": "KSampler", "inputs": {
            "model": ["sag", 0], "positive": ["model", 1], "negative": ["model", 2], "latent_image": ["latent", 0],
            "seed": seed, "steps": steps, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "image": {"class_type": "SAG demo: image", "inputs": {"samples": ["sampler", 0]}},
        "shown": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
    }  # fmt: skip


def unet_calls(server, prompt):
    before = server.get("/unet_calls")
    server.wait(server.queue(prompt))
    return server.get("/unet_calls") - before


def test_object_info_shows_the_node_as_promised(server):
    info = server.get("/object_info/SAG%20delayed%20activation")[NODE]
    inputs = info["input"]["required"]
    assert list(inputs) == ["model", "scale", "blur_sigma", "sigma_start", "sigma_end"]
    numbers = {n: (o["default"], o["min"], o["max"], o["step"]) for n, (_, o) in inputs.items() if n != "model"}
    assert numbers == {
        "scale": (0.5, -2.0, 5.0, 0.01),
        "blur_sigma": (2.0, 0.0, 10.0, 0.01),
        "sigma_start": (15.0, 0.0, 1000.0, 0.01),
        "sigma_end": (0.0, 0.0, 1000.0, 0.01),
    }
    assert all(options["tooltip"] for _, options in inputs.values())
    assert (info["output"], info["category"], info["display_name"]) == (["MODEL"], "model_patches", NODE)


def test_a_queued_prompt_samples_with_guidance(server):
    assert unet_calls(server, workflow(1)) == 4
    assert f"{NODE}: acted on 2 of 2 model evaluations" in server.log.read_text()


def test_the_ancestors_prompt_with_its_extra_input_still_runs(server):
    assert unet_calls(server, workflow(2, auto_scale=False)) == 4


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"sigma_start": 1.0, "sigma_end": 2.0}, "sigma_start must not be below sigma_end, got sigma_start=1.0"),
        ({"sigma_end": math.nan}, "sigma_end must be a finite number, got nan"),
        ({"scale": 6.0}, "scale must be between -2 and 5, got 6.0"),
    ],
    ids=str,
)
def test_a_refused_prompt_says_why_and_names_the_value(server, settings, message):
    with pytest.raises(ServerProblem) as refused:
        server.queue(workflow(3, **settings))
    assert message in str(refused.value) and NODE in str(refused.value)


def test_after_an_interrupt_in_the_middle_the_next_prompt_is_as_good(server):
    running = server.queue(workflow(4, steps=400))
    time.sleep(3)
    server.post("/interrupt", {})
    with pytest.raises(ServerProblem, match="execution_interrupted"):
        server.wait(running, 60)
    assert unet_calls(server, workflow(5)) == 4


def previewed(seed, steps):
    """A workflow, and the preview to add to it."""
    prompt = workflow(seed, steps)
    inputs = {"model": ["sag", 0], "samples": ["sampler", 0], "images": ["image", 0]}
    return prompt, {"preview": {"class_type": "SAG mask preview", "inputs": inputs}}


def tiles(entry):
    return len(entry["outputs"]["preview"]["images"])


def test_a_preview_added_to_a_finished_graph_shows_its_masks_without_sampling_again(server):
    prompt, preview = previewed(6, steps=3)
    server.wait(server.queue(prompt))
    entry = server.wait(server.queue(prompt | preview))
    cached = next(message["nodes"] for kind, message in entry["status"]["messages"] if kind == "execution_cached")
    assert {"sag", "sampler", "image"} <= set(cached) and tiles(entry) == 3


def test_a_preview_in_the_graph_shows_each_new_run(server):
    prompt, preview = previewed(7, steps=3)
    assert tiles(server.wait(server.queue(prompt | preview))) == 3
    prompt["sampler"]["inputs"].update(seed=8, steps=2)
    assert tiles(server.wait(server.queue(prompt | preview))) == 2
