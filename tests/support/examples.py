"""The example workflows, and the prompt that the page makes of each when it is queued."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image

EXAMPLES = sorted((Path(__file__).parents[2] / "example_workflows").glob("*.json"))
SEEDS = itertools.count(1)
SHORT = {"steps": 2}
ACTED = re.compile(r"acted on (\d+) of 2 model evaluations")
# On how many of two steps each SAG node of an example acts: sigma is 14.6 on the first, 0.03 on the second.
STEPS_THAT_ACT = {
    "SAG basic": [2],
    "SAG mask preview": [2],
    "SAG schedule of two windows": [1, 1],
    "SAG on SDXL with the advanced node": [2],
    "SAG sigma window wired in": [1],
    "SAG compare on your model": [1, 2, 2],  # the host samples the last first
    "SAG compare on your SDXL model": [1, 2, 2],
}
NOT_A_NUMBER = "invalid value encountered in cast"  # what NumPy says when the host saves a picture of NaN


def api_prompt(workflow: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """What `app.graphToPrompt` gives for a saved workflow without subgraphs, muted nodes or reroutes.

    The server's tests have no page to ask; a test of the page holds this against it, so the two cannot part unseen.
    """
    links = {number: [str(node), slot] for number, node, slot, *_ in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] not in object_info:
            continue  # a note
        info = object_info[node["type"]]["input"]
        inputs = saved_values(node, {**info["required"], **info.get("optional", {})})
        wired = {entry["name"]: links[entry["link"]] for entry in node["inputs"] if entry["link"] is not None}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs | wired}
    return prompt


def saved_values(node: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The widgets' values by input name: the page saves them in the widgets' order, without names."""
    values = iter(node.get("widgets_values", []))
    named = {}
    for name in (entry["name"] for entry in node["inputs"] if "widget" in entry):
        named[name] = next(values)
        if options[name][1:] and options[name][1].get("control_after_generate"):
            next(values)  # the widget below it: fixed, increment, decrement or randomize
    return named


def shortened(prompt: dict[str, Any], side: int) -> dict[str, Any]:
    """The prompt for few steps at that size, with a seed that no other has: else the host may answer from its cache."""
    seed = next(SEEDS)
    altered = {**SHORT, "width": side, "height": side, "seed": seed, "noise_seed": seed}
    return {
        key: {**node, "inputs": {name: altered.get(name, value) for name, value in node["inputs"].items()}}
        for key, node in prompt.items()
    }


def run(server, workflow: dict[str, Any], side: int = 128) -> tuple[dict[str, list[np.ndarray]], str]:
    """A shortened example's pictures by the class of the node that shows them, and what the server logged meanwhile."""
    logged = len(server.log.read_text())
    prompt = shortened(api_prompt(workflow, server.get("/object_info")), side)
    shown = server.wait(server.queue(prompt), seconds=500)["outputs"]
    pictures = {
        prompt[key]["class_type"]: [picture(server, image) for image in output["images"]]
        for key, output in shown.items()
        if "images" in output  # the sigma window tells the page numbers
    }
    return pictures, server.log.read_text()[logged:]


def picture(server, image: dict[str, str]) -> np.ndarray:
    """[H, W, 3], 0 to 255, of a picture as the host names it."""
    with Image.open(io.BytesIO(server.get_bytes(f"/view?{urlencode(image)}"))) as opened:
        return np.asarray(opened.convert("RGB"))
