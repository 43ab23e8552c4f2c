"""What the page is told of a run: to whom, of which node, and when nothing is said."""

import json
import math
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from comfy_execution.utils import CurrentNodeContext
from tiny_unet import bare, failing, in_stages, sample, tiny_model

from sag_delayed_activation.sampling import hooks
from sag_delayed_activation.sampling.page import prompt_under_way
from sag_delayed_activation.sampling.schedule import percents_of, percents_of_table

NODE = "SAG delayed activation"
ONE = {
    "12:5": {"class_type": NODE, "inputs": {"model": ["1", 0]}},
    "13": {"class_type": "KSampler", "inputs": {"model": ["12:5", 0]}},
}
TWO = {
    "7": {"class_type": NODE, "inputs": {"model": ["1", 0], "sigma_start": 3.0}},
    "8": {"class_type": NODE, "inputs": {"model": ["7", 0], "sigma_start": 15.0}},
    "13": {"class_type": "KSampler", "inputs": {"model": ["8", 0]}},
}


class Server:
    """Stands in for the host's: keeps what would be sent."""

    def __init__(self, client_id="a page", graph=ONE):
        self.client_id, self.events = client_id, []
        others = {0: (0, "another prompt", {}, {}, [])}
        self.prompt_queue = SimpleNamespace(currently_running={**others, 1: (1, "a prompt", graph, {}, [])})

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
    """What `sampling` gives, as the host executes the sampler of the prompt."""

    def execute(model, sampling=sample, **more):
        with CurrentNodeContext("a prompt", "13"):
            return sampling(model, **more)

    return execute


def test_outside_of_an_execution_there_is_no_prompt():
    assert prompt_under_way() is None


def test_a_run_is_told_once_to_the_client_whose_it_was_and_of_the_node_behind_the_sampler(
    executed, sag, model, server
):
    executed(sag(model, sigma_start=5.0, sigma_end=1.0), steps=4)
    [(event, whose, told)] = server.events
    assert (event, told["node"], whose) == ("sag_delayed_activation.run", "12:5", "a page")
    inside = [place for place, sigma in enumerate(told["sigmas"]) if 1.0 <= sigma <= 5.0]
    assert len(told["sigmas"]) == 4 and told["acted"] == inside != [] and told["skipped"] == []
    assert (told["start"], told["end"], told["warns"]) == (5.0, 1.0, False)
    assert told["text"].startswith(f"acted on {len(inside)} of 4 model evaluations, from sigma")


def test_it_is_the_line_of_the_log_without_the_packs_name(executed, sag, model, server, lines):
    executed(sag(model), steps=2)
    [(_, _, told)] = server.events
    assert lines() == [("INFO", f"SAG delayed activation: {told['text']}")]


@pytest.mark.parametrize("settings, cfg", [({"sigma_start": 0.01}, 7.0), ({}, 1.0)], ids=["no step", "cfg 1"])
def test_a_run_in_which_it_never_acted_is_a_warning(executed, sag, model, server, settings, cfg):
    executed(sag(model, **settings), steps=2, cfg=cfg)
    [(_, _, told)] = server.events
    assert told["warns"] and "acted on 0 of 2" in told["text"]
    assert told["skipped"] == ([0, 1] if cfg == 1 else [])


def test_the_first_part_of_a_sampling_is_none(executed, sag, model, server):
    """Its later part acts, and the newest run's line stands."""
    executed(sag(model, sigma_start=1.0), in_stages, cuts=(0, 2, 4), steps=4)
    assert [(bool(told["acted"]), told["warns"]) for _, _, told in server.events] == [(False, False), (True, False)]


def test_a_guider_that_asks_for_nothing_is_a_warning(executed, sag, model, server):
    executed(sag(model), bare)
    [(_, _, told)] = server.events
    why = "acted on no step: the guider that sampled calls no function after CFG"
    assert told["text"] == f"sample with another guider; {why}"
    assert (told["sigmas"], told["warns"]) == ([], True)


def test_a_line_that_the_log_does_not_repeat_is_told_each_time(executed, sag, model, server, lines):
    """The strip shows the newest run, be it a tile's or a whole picture's."""
    patched = sag(model)
    for _ in range(3):
        executed(patched, steps=2)
    assert len(lines()) == 1 and len(server.events) == 3


def test_two_nodes_on_one_model_are_told_apart(executed, sag, model, serve):
    server = serve(Server(graph=TWO))
    executed(sag(sag(model, sigma_start=3.0), sigma_end=3.0), steps=4)
    assert [(told["node"], told["start"]) for _, _, told in server.events] == [("7", 3.0), ("8", 15.0)]


def test_of_a_run_that_failed_it_is_told_how_far_it_came_and_that_it_ended_early(executed, sag, model, server):
    with pytest.raises(RuntimeError, match="broken"):
        executed(failing(sag(model), 5, RuntimeError("broken")), steps=4)
    [(_, _, told)] = server.events
    assert told["text"].startswith("acted on 2 of 2") and told["text"].endswith("; the run ended early")


def test_of_one_that_failed_before_its_first_step_nothing_is_told(executed, sag, model, server):
    with pytest.raises(RuntimeError, match="broken"):
        executed(failing(sag(model), 1, RuntimeError("broken")), steps=4)
    assert server.events == []


@pytest.mark.parametrize("kind", ["EPS", "V_PREDICTION", "FLOW"])
def test_the_page_is_told_the_sigmas_at_the_models_percents(executed, sag, server, kind):
    model = tiny_model(kind=kind)
    executed(sag(model), steps=2)
    [(_, _, told)] = server.events
    assert told["percents"] == pytest.approx(percents_of(model.get_model_object("model_sampling")), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("table", [None, torch.full((3,), math.nan), torch.zeros(0)], ids=["none", "nan", "empty"])
def test_a_model_without_a_table_of_sigmas_is_told_without_percents(executed, sag, model, server, monkeypatch, table):
    monkeypatch.setattr(hooks, "percents_of_table", lambda _: percents_of_table(SimpleNamespace(sigmas=table)))
    executed(sag(model), steps=2)
    [(_, _, told)] = server.events
    assert told["percents"] is None and told["acted"]


@pytest.mark.parametrize("absent", [None, Server(client_id=None)], ids=["no server runs", "a script's prompt"])
def test_nothing_is_sent_where_nobody_listens(executed, sag, model, serve, absent, said):
    serve(absent)
    executed(sag(model), steps=2)
    assert absent is None or absent.events == []
    assert "acted on 2 of 2" in said()


def test_nothing_is_sent_outside_of_an_execution_nor_of_a_node_that_is_not_in_the_prompt(executed, sag, model, serve):
    for run, graph in ((sample, ONE), (executed, {"13": ONE["13"]})):
        server = serve(Server(graph=graph))
        run(sag(model), steps=2)
        assert server.events == []


def test_another_module_of_that_name_is_no_server(executed, sag, model, monkeypatch, said):
    monkeypatch.setitem(sys.modules, "server", ModuleType("server"))
    executed(sag(model), steps=2)
    assert "not told" not in said()


def test_a_server_that_fails_ends_no_run(executed, sag, model, serve, plain, said):
    serve(SimpleNamespace(client_id="a page"))  # with none of the methods
    assert executed(sag(model)).shape == plain.shape
    assert "the page was not told of the run" in said() and "acted on" in said()
