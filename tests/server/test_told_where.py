"""On which nodes of the page the line of a run is shown, whatever the host has kept of earlier prompts."""

import os
from pathlib import Path

import pytest
from comfy_server import ComfyServer
from heard import queue_as_page, workflow

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no ComfyUI"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["--cache-classic", "--cache-none", "--cache-lru 2", "--cache-ram"])
def server(tmp_path_factory, request):
    if request.param.split()[0] not in (Path(os.environ["COMFYUI_PATH"]) / "comfy/cli_args.py").read_text():
        pytest.skip("needs ComfyUI 0.3.68: --cache-ram")
    packs = {"any-name": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo"}
    packs |= {name: ROOT / "tests/support" / name for name in ("unet_calls", "server_checks")}
    host, base = Path(os.environ["COMFYUI_PATH"]), tmp_path_factory.mktemp("base")
    with ComfyServer(host, base, packs, *request.param.split()) as running:
        yield running


def both(seed, of_a=2.0, of_b=2.0):
    """Two equal SAG nodes in one prompt, each with a sampler of its own; these have a cfg each."""
    first, second = workflow(seed, sag="a"), workflow(seed + 100, sag="b")
    renamed = {"sampler": "sampler 2", "image": "image 2", "shown": "shown 2"}
    for key, node in second.items():
        inputs = {n: [renamed.get(v[0], v[0]), v[1]] if isinstance(v, list) else v for n, v in node["inputs"].items()}
        first.setdefault(renamed.get(key, key), {**node, "inputs": inputs})
    first["sampler"]["inputs"]["cfg"], first["sampler 2"]["inputs"]["cfg"] = of_a, of_b
    return first


def told_of(heard):
    return sorted((told["node"], told["warns"]) for told in heard.told)


def test_of_two_tabs_with_the_same_node_each_hears_it_by_its_own_id(server):
    """The host hands the MODEL of the first to the second."""
    assert told_of(queue_as_page(server, workflow(10, sag="5"))[0]) == [("5", False)]
    other = workflow(11, sag="9")
    other["5"] = other.pop("sampler")
    other["image"]["inputs"]["samples"] = ["5", 0]
    assert told_of(queue_as_page(server, other)[0]) == [("9", False)]


def test_of_two_equal_nodes_in_one_prompt_each_is_told_of_its_own_sampler(server):
    assert told_of(queue_as_page(server, both(12, of_b=1.0))[0]) == [("a", False), ("b", True)]
    assert told_of(queue_as_page(server, both(13, of_a=1.0))[0]) == [("a", True), ("b", False)]


def test_a_node_that_was_pasted_anew_is_told_and_the_deleted_one_is_not(server):
    assert told_of(queue_as_page(server, workflow(14, sag="7", scale=0.45))[0]) == [("7", False)]
    assert told_of(queue_as_page(server, workflow(15, sag="8", scale=0.45))[0]) == [("8", False)]


def test_an_error_in_a_run_is_told_as_its_early_end(server):
    prompt = workflow(16)
    inputs = {"model": ["sag", 0], "kind": "exception", "call": 3}
    prompt["fault"] = {"class_type": "SAG tests: fault", "inputs": inputs}
    prompt["sampler"]["inputs"]["model"] = ["fault", 0]
    (told,) = queue_as_page(server, prompt)[0].told
    assert told["node"] == "sag" and told["text"].endswith("the run ended early")
