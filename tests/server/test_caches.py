"""Whatever the host caches, each prompt acts once and shows its own run, and nothing of it stays behind."""

from types import SimpleNamespace

import pytest
from demo_prompt import preview, workflow
from PIL import Image

PACK = "sag-delayed-activation"
NONE = "--cache-none"
STEPS = 2


def graph(seed, *changes):
    """One graph, but for the seed and these inputs: node, name and value of each."""
    prompt = workflow(seed, steps=STEPS) | preview()
    prompt["pixels"] = {"class_type": "MaskToImage", "inputs": {"mask": ["preview", 1]}}
    prompt["masks"] = {"class_type": "PreviewImage", "inputs": {"images": ["pixels", 0]}}
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
def test_of_prompts_in_a_row_each_acts_once_at_most_and_shows_its_own_run(cached_server, seed, change):
    """The third is the first but for the preview's pictures: the MODEL has sampled since, the latent may be cached."""
    first, changed, again = (ran(cached_server, graph(seed, *of)) for of in ([], [change], [OVER_PICTURES]))
    assert first.lines == changed.lines == 1 and again.lines <= 1
    for each in (first, changed, again):
        assert each.calls == 2 * STEPS * each.lines and each.tiles == len(each.masks) == STEPS
    assert first.masks == again.masks != changed.masks


def test_where_the_preview_alone_changed_nothing_is_sampled_unless_nothing_is_cached(cached_server, cache):
    first, again = ran(cached_server, graph(5)), ran(cached_server, graph(5, OVER_PICTURES))
    assert first.masks == again.masks and again.calls == (2 * STEPS if cache == NONE else 0)


def held(server, prompt, **model):
    """Objects of what runs while the host samples that are alive, at the end of this prompt or beside its `model`."""
    inputs = {"pack": f"{PACK}.sampling", **model}
    prompt["held"] = {"class_type": "SAG tests: held", "inputs": inputs}
    return server.wait(server.queue(prompt))["outputs"]["held"]["own"][0]


def test_once_the_host_has_dropped_what_it_cached_nothing_is_left(cached_server, cache):
    assert held(cached_server, graph(6), model=["sag", 0]) > 0
    if cache != NONE:
        cached_server.post("/free", {"free_memory": True})
        held(cached_server, {})  # the host may do so only after it
    assert held(cached_server, {}) == 0
