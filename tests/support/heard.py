"""A page without a browser: it queues a prompt, and hears what the server tells it meanwhile."""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import aiohttp

TEXT = 3  # the host's kind of message with a line for a node


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


def queue_as_page(server, prompt):
    """What the page that queues this prompt hears, and the number of UNet calls; another page hears nothing."""
    before = server.get("/unet_calls")
    with ThreadPoolExecutor(1) as thread:  # in this one the browser's tests may keep a loop of their own
        heard, by_another = thread.submit(asyncio.run, asyncio.wait_for(talk(server, prompt), 300)).result()
    assert by_another == ([], [])
    return heard, server.get("/unet_calls") - before
