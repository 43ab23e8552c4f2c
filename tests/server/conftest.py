"""The real server, with the pack, the demo's nodes and those of the tests: one for each cache, for all files."""

import contextlib
import functools
import os
from pathlib import Path

import pytest
from comfy_server import ComfyServer

ROOT = Path(__file__).parents[2]
HOST = os.environ.get("COMFYUI_PATH")
PACKS = {"sag-delayed-activation": ROOT, "sag-demo": ROOT / "lab/demo/sag_demo"}
PACKS |= {name: ROOT / "tests/support" / name for name in ("any_value", "server_checks", "unet_calls")}
CLASSIC = "--cache-classic"  # keeps what the prompt before has made
CACHES = [CLASSIC, "--cache-none", "--cache-lru 3", "--cache-ram"]


def pytest_itemcollected(item):
    item.add_marker(pytest.mark.server)
    item.add_marker(pytest.mark.skipif(not HOST, reason="COMFYUI_PATH names no ComfyUI"))


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """The server with that cache, started when it is first asked for: to start one takes 10 seconds."""
    with contextlib.ExitStack() as running:
        yield functools.cache(lambda cache: running.enter_context(
            ComfyServer(Path(HOST), tmp_path_factory.mktemp("base"), PACKS, *cache.split())))  # fmt: skip


@pytest.fixture(scope="session", params=CACHES)
def cache(request):
    """Each in turn; `server` has the first. A file that asks what caching changes has a `server` with this one."""
    if request.param.split()[0] not in (Path(HOST) / "comfy/cli_args.py").read_text():
        pytest.skip("needs ComfyUI 0.3.68: --cache-ram")
    return request.param


@pytest.fixture(scope="session")
def server(serve):
    return serve(CLASSIC)


@pytest.fixture(scope="session")
def cached_server(serve, cache):
    return serve(cache)
