"""What the page is told of a run: to whom, of which node, and when nothing is said."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
from tiny_unet import bare, in_stages, sample

from sag_delayed_activation.sampling.page import node_under_way
from sag_delayed_activation.sampling.schedule import read_once

pytestmark = pytest.mark.host


class Server:
    """Stands in for the host's: keeps what would be sent."""

    def __init__(self, client_id="a page"):
        self.client_id, self.lines, self.events = client_id, [], []

    def send_progress_text(self, text, node_id, sid):
        self.lines.append((node_id, sid, text))

    def send_sync(self, event, data, sid):
        self.events.append((event, sid, json.loads(json.dumps(data, allow_nan=False))))


@pytest.fixture
def serve(monkeypatch):
    """Puts a server in the place of the host's."""

    def put(server):
        module = ModuleType("server")
        module.PromptServer = SimpleNamespace(**({} if server is None else {"instance": server}))
        monkeypatch.setitem(sys.modules, "server", module)
        return server

    return put


@pytest.fixture
def server(serve):
    return serve(Server())


@pytest.fixture
def executed(sag):
    """The SAG node as the host executes it, under an id of the page's."""
    from comfy_execution.utils import CurrentNodeContext

    def patch(model, node="12:5", **settings):
        with CurrentNodeContext("a prompt", node):
            return sag(model, **settings)

    return patch


def test_outside_of_an_execution_there_is_no_node():
    assert node_under_way() is None


def test_a_run_is_told_once_to_the_client_whose_it_was_and_of_the_node_that_was_executed(executed, model, server):
    sample(executed(model, sigma_start=5.0, sigma_end=1.0), steps=4)
    [(node, sid, line)], [(event, whose, told)] = server.lines, server.events
    assert (event, node, told["node"], sid, whose) == (
        "sag_delayed_activation.run", "12:5", "12:5", "a page", "a page",
    )  # fmt: skip
    inside = [place for place, sigma in enumerate(told["sigmas"]) if 1.0 <= sigma <= 5.0]
    assert len(told["sigmas"]) == 4 and told["acted"] == inside != [] and told["skipped"] == []
    assert (told["start"], told["end"], told["warns"]) == (5.0, 1.0, False)
    assert line == told["text"] and line.startswith(f"acted on {len(inside)} of 4 model evaluations, from sigma")


def test_it_is_the_line_of_the_log_without_the_packs_name(executed, model, server, lines):
    sample(executed(model), steps=2)
    assert lines() == [("INFO", f"SAG delayed activation: {server.lines[0][2]}")]


@pytest.mark.parametrize("settings, cfg", [({"sigma_start": 0.01}, 7.0), ({}, 1.0)], ids=["no step", "cfg 1"])
def test_a_run_in_which_it_never_acted_is_a_warning(executed, model, server, settings, cfg):
    sample(executed(model, **settings), steps=2, cfg=cfg)
    [(_, _, line)], [(_, _, told)] = server.lines, server.events
    assert told["warns"] and line == f"⚠ {told['text']}" and "acted on 0 of 2" in line
    assert told["skipped"] == ([0, 1] if cfg == 1 else [])


def test_the_first_part_of_a_sampling_is_none(executed, model, server):
    """Its later part acts, and the newest run's line stands."""
    in_stages(executed(model, sigma_start=1.0), (0, 2, 4), steps=4)
    assert [(bool(told["acted"]), told["warns"]) for _, _, told in server.events] == [(False, False), (True, False)]


def test_a_guider_that_asks_for_nothing_is_a_warning(executed, model, server):
    bare(executed(model))
    [(_, _, line)], [(_, _, told)] = server.lines, server.events
    assert line == "⚠ acted on no step: the guider that sampled calls no function after CFG"
    assert (told["sigmas"], told["warns"]) == ([], True)


def test_two_nodes_on_one_model_are_told_apart(executed, model, server):
    sample(executed(executed(model, "7", sigma_start=3.0), "8", sigma_end=3.0), steps=4)
    assert sorted(told["node"] for _, _, told in server.events) == ["7", "8"]


@pytest.fixture
def not_read_yet():
    """The models' percents, nor are those that a test has made kept."""
    read_once.cache_clear()
    yield
    read_once.cache_clear()


@pytest.mark.usefixtures("not_read_yet")
def test_the_page_is_told_the_models_percents_which_are_read_once(executed, model, server, monkeypatch):
    model_sampling, asked = model.get_model_object("model_sampling"), []
    read = model_sampling.percent_to_sigma
    monkeypatch.setattr(model_sampling, "percent_to_sigma", lambda percent: asked.append(percent) or read(percent))
    for _ in range(2):
        sample(executed(model), steps=2)
    (_, _, first), (_, _, second) = server.events
    assert first["percents"] == second["percents"] and len(first["percents"]) == 101 and len(asked) == 99
    assert first["percents"][50] == pytest.approx(1.6156, rel=1e-3)


@pytest.mark.usefixtures("not_read_yet")
@pytest.mark.parametrize("given", [None, float("nan")])
def test_a_model_without_percents_is_sampled_and_told_without_them(executed, model, server, monkeypatch, given):
    monkeypatch.setattr(model.get_model_object("model_sampling"), "percent_to_sigma", lambda percent: given)
    sample(executed(model), steps=2)
    ((_, _, told),) = server.events
    assert told["percents"] is None and told["acted"]


@pytest.mark.parametrize("absent", [None, Server(client_id=None)], ids=["no server runs", "a script's prompt"])
def test_nothing_is_sent_where_nobody_listens(executed, model, serve, absent, said):
    serve(absent)
    sample(executed(model), steps=2)
    assert absent is None or (absent.lines, absent.events) == ([], [])
    assert "acted on 2 of 2" in said()


def test_nothing_is_sent_of_a_node_that_no_page_has(sag, model, server):
    sample(sag(model), steps=2)
    assert (server.lines, server.events) == ([], [])


def test_another_module_of_that_name_is_no_server(executed, model, monkeypatch, said):
    monkeypatch.setitem(sys.modules, "server", ModuleType("server"))
    sample(executed(model), steps=2)
    assert "not told" not in said()


def test_a_server_that_fails_ends_no_run(executed, model, serve, plain, said):
    serve(SimpleNamespace(client_id="a page"))  # with none of the methods
    assert sample(executed(model)).shape == plain.shape
    assert "the page was not told of the run" in said() and "acted on" in said()
