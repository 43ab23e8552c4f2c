"""Starts a real ComfyUI server for one pack, talks to it over HTTP, and stops it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTING = 120  # seconds; about 10 on two cores


class ServerProblem(Exception):
    """What the server refused, or where it failed; the message is the server's own."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ComfyServer:
    """A ComfyUI on 127.0.0.1 with the given folders as its only custom nodes; a context manager.

    `base` is a scratch folder for its input, output and models, so that nothing is written into the host's. `more` are
    words for its command line.
    """

    def __init__(self, comfyui: Path, base: Path, custom_nodes: dict[str, Path], *more: str) -> None:
        self.comfyui, self.base, self.custom_nodes, self.more = Path(comfyui), Path(base), custom_nodes, more
        self.log = self.base / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ComfyServer:
        nodes = self.base / "custom_nodes"
        nodes.mkdir(parents=True, exist_ok=True)
        for name, folder in self.custom_nodes.items():
            if not (nodes / name).exists():
                (nodes / name).symlink_to(Path(folder).resolve(), target_is_directory=True)
        command = [sys.executable, str(self.comfyui / "main.py"), "--cpu", "--listen", "127.0.0.1", "--port",
                   str(self.port), "--disable-auto-launch", "--base-directory", str(self.base),
                   "--disable-api-nodes", "--database-url", "sqlite:///:memory:", *self.more]  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_until_it_answers(self) -> None:
        for _ in range(STARTING * 4):
            if self.process.poll() is not None:
                raise ServerProblem(f"ComfyUI ended while starting:\n{self.log.read_text()[-2000:]}")
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(0.25)
        raise ServerProblem(f"ComfyUI did not answer within {STARTING} s; its log is {self.log}")

    def _request(self, request: urllib.request.Request | str) -> bytes:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def get(self, path: str) -> Any:
        return json.loads(self._request(self.url + path))

    def get_bytes(self, path: str) -> bytes:
        return self._request(self.url + path)

    def post(self, path: str, body: Any) -> Any:
        """Python's json writes NaN as the bare word, which the host reads as a number: tests need that."""
        headers = {"Content-Type": "application/json"}
        answer = self._request(urllib.request.Request(self.url + path, json.dumps(body).encode(), headers))
        return json.loads(answer) if answer else None

    def queue(self, prompt: dict[str, Any]) -> str:
        """Queues an API workflow; raises ServerProblem with the server's answer where it is refused."""
        try:
            return self.post("/prompt", {"prompt": prompt})["prompt_id"]
        except urllib.error.HTTPError as refused:
            raise ServerProblem(refused.read().decode()) from None

    def wait(self, prompt_id: str, seconds: float = 300, tick: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """The finished prompt's history entry; raises ServerProblem with the node's own message on failure."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry and (entry["status"]["completed"] or entry["status"]["status_str"] == "error"):
                break
            if self.process.poll() is not None:
                raise ServerProblem(f"ComfyUI ended:\n{self.log.read_text()[-2000:]}")
            tick()
            time.sleep(0.02)
        else:
            raise ServerProblem(f"prompt {prompt_id} did not end within {seconds} s")
        for kind, message in entry["status"]["messages"]:
            if kind in ("execution_error", "execution_interrupted"):
                raise ServerProblem(f"{kind}: {message.get('exception_message', '')}")
        return entry
