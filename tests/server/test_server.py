"""The real server over HTTP, with the pack and the demo's model in its custom_nodes."""

import json
import math
import re
import time

import pytest
from comfy_server import ServerProblem
from demo_graph import ADVANCED, WINDOW
from demo_graph import BASIC as NODE
from demo_prompt import preview, workflow


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


UPSIDE_DOWN = {"sigma_start": 1.0, "sigma_end": 2.0}
BOTH = ["sigma_start", "sigma_end"]


@pytest.mark.parametrize(
    "node, settings, blamed, message",
    [
        (NODE, UPSIDE_DOWN, BOTH, "sigma_start must not be below sigma_end, got sigma_start=1.0, sigma_end=2.0"),
        (ADVANCED, UPSIDE_DOWN, BOTH, "sigma_start must not be below sigma_end, got sigma_start=1.0, sigma_end=2.0"),
        (NODE, {"sigma_end": math.nan}, BOTH, "sigma_end must be a finite number, got nan"),
        (NODE, {"scale": 6.0}, ["scale"], "6.0 bigger than max of 5.0"),
        (ADVANCED, {"rescale": 1.5}, ["rescale"], "1.5 bigger than max of 1.0"),
    ],
    ids=str,
)
def test_a_refused_prompt_blames_no_input_but_those_that_are_wrong(server, node, settings, blamed, message):
    """The host repeats a node's own answer for every input that the check asks for, and the page marks each."""
    with pytest.raises(ServerProblem) as refused:
        server.queue(workflow(3, node=node, **settings))
    errors = json.loads(str(refused.value))["node_errors"]["sag"]["errors"]
    assert [error["extra_info"]["input_name"] for error in errors] == blamed
    assert all(message in error["message"] + error["details"] for error in errors)


@pytest.mark.parametrize(
    "node, settings, message",
    [
        (NODE, {"scale": math.nan}, "scale must be a finite number, got nan"),
        (ADVANCED, {"layer": "d2.2-9"}, "layer must name one layer, lists and ranges are not read, got 'd2.2-9'"),
    ],
    ids=str,
)
def test_what_the_host_does_not_check_is_refused_in_the_nodes_words_when_it_runs(server, node, settings, message):
    with pytest.raises(ServerProblem, match=f"execution_error: {NODE}: {re.escape(message)}"):
        server.wait(server.queue(workflow(3, node=node, **settings)))


def test_a_window_of_no_steps_is_refused_in_the_nodes_words_when_it_runs(server):
    prompt = workflow(3, sigma_start=["window", 0], sigma_end=["window", 1])
    prompt["window"] = {"class_type": WINDOW, "inputs": {
        "preset": "custom", "unit": "step", "start": 12.0, "end": 5.0, "model": ["model", 0], "scheduler": "normal",
        "steps": 20, "denoise": 1.0}}  # fmt: skip
    with pytest.raises(ServerProblem, match="execution_error: SAG sigma window: start must be below end, got start=12"):
        server.wait(server.queue(prompt))


def test_after_an_interrupt_in_the_middle_the_next_prompt_is_as_good(server):
    before, running = server.get("/unet_calls"), server.queue(workflow(4, steps=400))
    for _ in range(600):  # a minute at most, until it samples
        if server.get("/unet_calls") > before:
            break
        time.sleep(0.1)
    server.post("/interrupt", {})
    with pytest.raises(ServerProblem, match="execution_interrupted"):
        server.wait(running, 60)
    assert unet_calls(server, workflow(5)) == 4


def tiles(entry):
    return len(entry["outputs"]["preview"]["images"])


def test_a_preview_added_to_a_finished_graph_shows_its_masks_without_sampling_again(server):
    prompt = workflow(6, steps=3)
    server.wait(server.queue(prompt))
    entry = server.wait(server.queue(prompt | preview(images=["image", 0])))
    cached = next(message["nodes"] for kind, message in entry["status"]["messages"] if kind == "execution_cached")
    assert {"sag", "sampler", "image"} <= set(cached) and tiles(entry) == 3


def test_a_preview_in_the_graph_shows_each_new_run(server):
    prompt = workflow(7, steps=3) | preview(images=["image", 0])
    assert tiles(server.wait(server.queue(prompt))) == 3
    prompt["sampler"]["inputs"].update(seed=8, steps=2)
    assert tiles(server.wait(server.queue(prompt))) == 2
