"""Whatever the host caches, each prompt acts once and shows its own run, and nothing of it stays behind."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from comfy_server import ComfyServer
from PIL import Image

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no ComfyUI"),
]
ROOT = Path(__file__).parents[2]
PACK = "sag-delayed-activation"
NONE = "--cache-none"
STEPS = 2


@pytest.fixture(scope="module", params=[NONE, "--cache-lru 3", "--cache-ram"])
def cache(request):
    if request.param.split()[0] not in (Path(os.environ["COMFYUI_PATH"]) / "comfy/cli_args.py").read_text():
        pytest.skip("needs ComfyUI 0.3.68: --cache-ram")
    return request.param


@pytest.fixture(scope="module")
def server(cache, tmp_path_factory):
    packs = {PACK: ROOT, "sag-demo": ROOT / "lab/demo/sag_demo"}
    packs |= {name: ROOT / "tests/support" / name for name in ("unet_calls", "server_checks")}
    host, base = Path(os.environ["COMFYUI_PATH"]), tmp_path_factory.mktemp("base")
    with ComfyServer(host, base, packs, *cache.split()) as running:
        yield running


def workflow(seed, *changes):
    """One graph, but for the seed and these inputs: node, name and value of each."""
    prompt = {
        "model": {"class_type": "SAG demo: model", "inputs": {}},
        "ten": {"class_type": "SAG demo: latent", "inputs": {}},
        "latent": {"class_type": "LatentFromBatch", "inputs": {"samples": ["ten", 0], "batch_index": 0, "length": 1}},
        "sag": {"class_type": "SAG delayed activation", "inputs": {
            "model": ["model", 0], "scale": 0.5, "blur_sigma": 2.0, "sigma_start": 15.0, "sigma_end": 0.0}},
        "sampler": {"class_type": "KSampler", "inputs": {
            "model": ["sag", 0], "positive": ["model", 1], "negative": ["model", 2], "latent_image": ["latent", 0],
            "seed": seed, "steps": STEPS, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "image": {"class_type": "SAG demo: image", "inputs": {"samples": ["sampler", 0]}},
        "preview": {"class_type": "SAG mask preview", "inputs": {"model": ["sag", 0], "samples": ["sampler", 0]}},
        "pixels": {"class_type": "MaskToImage", "inputs": {"mask": ["preview", 1]}},
        "masks": {"class_type": "PreviewImage", "inputs": {"images": ["pixels", 0]}},
    }  # fmt: skip
    for node, name, value in changes:
        prompt[node]["inputs"][name] = value
    return prompt


def ran(server, prompt):
    """Calls of the UNet and lines of the log that a prompt took, and tiles and masks that it shows."""
    calls, log = server.get("/unet_calls"), server.log.read_text()
    shown = server.wait(server.queue(prompt))["outputs"]
    masks = [Image.open(server.base / "temp" / saved["filename"]).tobytes() for saved in shown["masks"]["images"]]
    lines = server.log.read_text().removeprefix(log).count("SAG delayed activation: acted on 2 of 2")
    calls = server.get("/unet_calls") - calls
    return SimpleNamespace(calls=calls, lines=lines, tiles=len(shown["preview"]["images"]), masks=masks)


# The first prompt's seed, and what the second changes: with the same MODEL, and with one that is made anew.
CHANGES = {"the seed": (1, ("sampler", "seed", 2)), "the scale": (3, ("sag", "scale", 2.0))}
OVER_PICTURES = ("preview", "images", ["image", 0])


@pytest.mark.parametrize("seed, change", CHANGES.values(), ids=CHANGES)
def test_of_prompts_in_a_row_each_acts_once_at_most_and_shows_its_own_run(server, seed, change):
    """The third is the first but for the preview's pictures: the MODEL has sampled since, the latent may be cached."""
    first, changed, again = (ran(server, workflow(seed, *of)) for of in ([], [change], [OVER_PICTURES]))
    assert first.lines == changed.lines == 1 and again.lines <= 1
    for each in (first, changed, again):
        assert each.calls == 2 * STEPS * each.lines and each.tiles == len(each.masks) == STEPS
    assert first.masks == again.masks != changed.masks


def test_where_the_preview_alone_changed_nothing_is_sampled_unless_nothing_is_cached(server, cache):
    first, again = ran(server, workflow(5)), ran(server, workflow(5, OVER_PICTURES))
    assert first.masks == again.masks and again.calls == (2 * STEPS if cache == NONE else 0)


def held(server, prompt, **model):
    """Objects of what runs while the host samples that are alive, at the end of this prompt or beside its `model`."""
    inputs = {"pack": f"{PACK}.sampling", **model}
    prompt["held"] = {"class_type": "SAG tests: held", "inputs": inputs}
    return server.wait(server.queue(prompt))["outputs"]["held"]["own"][0]


def test_once_the_host_has_dropped_what_it_cached_nothing_is_left(server, cache):
    assert held(server, workflow(6), model=["sag", 0]) > 0
    if cache != NONE:
        server.post("/free", {"free_memory": True})
        held(server, {})  # the host may do so only after it
    assert held(server, {}) == 0
