"""What the real server tells a page of a run, over its own channel."""

import asyncio
import json
import os
import struct
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from comfy_server import ComfyServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no ComfyUI"),
]
ROOT = Path(__file__).parents[2]
NODE = "SAG delayed activation"
TEXT = 3  # the host's kind of message with a line for a node


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    packs = {"any-name": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo", "unet-calls": ROOT / "tests/support/unet_calls"}
    with ComfyServer(Path(os.environ["COMFYUI_PATH"]), tmp_path_factory.mktemp("base"), packs) as running:
        yield running


def workflow(seed, sag="sag", steps=2, **settings):
    settings = {"scale": 0.5, "blur_sigma": 2.0, "sigma_start": 15.0, "sigma_end": 0.0, **settings}
    return {
        "model": {"class_type": "SAG demo: model", "inputs": {}},
        "latent": {"class_type": "SAG demo: latent", "inputs": {}},
        sag: {"class_type": NODE, "inputs": {"model": ["model", 0], **settings}},
        "sampler": {"class_type": "KSampler", "inputs": {
            "model": [sag, 0], "positive": ["model", 1], "negative": ["model", 2], "latent_image": ["latent", 0],
            "seed": seed, "steps": steps, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "image": {"class_type": "SAG demo: image", "inputs": {"samples": ["sampler", 0]}},
        "shown": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
    }  # fmt: skip


class Heard(NamedTuple):
    """What of the pack's one page heard until its prompt was done."""

    lines: list[tuple[str, str]]  # node, text
    told: list[dict]


async def hear(socket):
    """All of the pack's, until the queue that was filled is empty again."""
    heard, remaining = Heard([], []), []
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            kind, length = struct.unpack(">II", message.data[:8])
            if kind == TEXT:
                heard.lines.append((message.data[8 : 8 + length].decode(), message.data[8 + length :].decode()))
            continue
        said = json.loads(message.data)
        if said["type"] == "sag_delayed_activation.run":
            heard.told.append(said["data"])
        if said["type"] == "status":
            remaining.append(said["data"]["status"]["exec_info"]["queue_remaining"])
        if remaining and remaining[-1] < max(remaining):
            return heard
    raise AssertionError("the server closed the channel")


async def talk(server, prompt):
    """Queues a prompt as a page does, and gives what that page and another one hear."""
    ours, other = uuid.uuid4().hex, uuid.uuid4().hex
    async with aiohttp.ClientSession(server.url) as session:
        sockets = [await session.ws_connect("/ws", params={"clientId": client}) for client in (ours, other)]
        answer = await session.post("/prompt", json={"prompt": prompt, "client_id": ours})
        assert answer.status == 200
        return await asyncio.gather(*map(hear, sockets))


@pytest.fixture
def queue_as_page(server):
    """What the page that queues this prompt and another page hear, and the number of UNet calls."""

    def queue(prompt):
        before = server.get("/unet_calls")
        with ThreadPoolExecutor(1) as thread:  # in this one the browser's tests may keep a loop of their own
            heard, by_another = thread.submit(asyncio.run, asyncio.wait_for(talk(server, prompt), 300)).result()
        assert by_another == ([], [])
        return heard, server.get("/unet_calls") - before

    return queue


def test_the_page_whose_prompt_it_was_hears_what_the_node_did_and_no_other(queue_as_page):
    heard, calls = queue_as_page(workflow(1, sigma_start=5.0))
    [(node, line)], [told] = heard
    assert node == told["node"] == "sag" and line == told["text"]
    assert line.startswith(f"acted on {len(told['acted'])} of 2 model evaluations") and calls == 2 + len(told["acted"])
    assert set(told) == {"node", "sigmas", "acted", "skipped", "start", "end", "text", "clauses", "warns"}


def test_a_run_in_which_it_never_acted_is_a_warning_on_the_node(queue_as_page):
    ((_, line),), (told,) = queue_as_page(workflow(2, sigma_start=0.01))[0]
    assert told["warns"] and line.startswith("⚠ acted on 0 of 2 model evaluations: none lay in the window")


def test_a_node_in_a_subgraph_is_told_by_the_id_that_the_page_gave_it(queue_as_page):
    ((node, _),), (told,) = queue_as_page(workflow(3, sag="12:5"))[0]
    assert node == told["node"] == "12:5"


def test_of_pieces_in_one_prompt_the_page_hears_each_and_the_log_has_their_line_once(server, queue_as_page):
    before, prompt = server.log.read_text(), workflow(7)
    prompt["pieces"] = {"class_type": "RebatchLatents", "inputs": {"latents": ["latent", 0], "batch_size": 5}}
    prompt["sampler"]["inputs"]["latent_image"] = ["pieces", 0]
    heard, calls = queue_as_page(prompt)
    logged = server.log.read_text().removeprefix(before)
    assert calls == 2 * 4 and len(heard.told) == 2 and logged.count("acted on 2 of 2") == 1


def test_an_unchanged_prompt_resamples_nothing_and_nothing_is_said(queue_as_page):
    assert queue_as_page(workflow(4))[1] == 4
    assert queue_as_page(workflow(4)) == (([], []), 0)


def test_the_same_prompt_with_other_ids_resamples_nothing(queue_as_page):
    """The id of the node is in no key of the host's cache. Its line goes to the node that was executed, if long ago."""
    assert queue_as_page(workflow(5, sag="5", scale=0.4))[1] == 4
    assert queue_as_page(workflow(5, sag="6", scale=0.4)) == (([], []), 0)
    heard, calls = queue_as_page(workflow(6, sag="6", scale=0.4))
    assert calls == 4 and [told["node"] for told in heard.told] == ["5"]
