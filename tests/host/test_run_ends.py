"""A run's end: its tensors go without the garbage collector, and its line is written by its own thread."""

import gc
import logging
import threading
from types import SimpleNamespace

import pytest
import torch
from tiny_unet import bare, sample
from watch import recorded

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling import run as run_module
from sag_delayed_activation.sampling.host import RunScope
from sag_delayed_activation.sampling.masks import RunMasks
from sag_delayed_activation.sampling.run import Run, write_lines_put_aside

pytestmark = pytest.mark.host


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def records(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [r for r in caplog.records if r.getMessage().startswith("SAG delayed activation")]


def fail(*_, **__):
    raise RuntimeError("broken")


def in_a_later_layer(model, patched, monkeypatch):
    monkeypatch.setattr(model.model.diffusion_model.output_blocks[0][0], "forward", fail)
    return patched


def in_a_function_after_cfg(model, patched, monkeypatch):
    patched.model_options["sampler_post_cfg_function"].insert(0, fail)
    return patched


@pytest.mark.parametrize("where", [in_a_later_layer, in_a_function_after_cfg], ids=lambda f: f.__name__)
def test_an_error_leaves_no_query_and_no_key_alive(sag, model, monkeypatch, no_collector, where):
    patched = where(model, sag(model), monkeypatch)
    with recorded() as references:
        try:
            sample(patched)
        except RuntimeError as error:
            assert str(error) == "broken"
    assert references and not [r for r in references if r() is not None]


def test_an_error_in_a_later_layer_frees_them_even_while_somebody_holds_the_error(sag, model, monkeypatch):
    patched = in_a_later_layer(model, sag(model), monkeypatch)
    with recorded() as references, pytest.raises(RuntimeError) as held:
        sample(patched)
    assert references and held.traceback and not [r for r in references if r() is not None]


def test_a_guider_that_calls_nothing_after_cfg_leaves_none_alive_either(sag, model, no_collector):
    with recorded() as references:
        bare(sag(model))
    assert references and not [r for r in references if r() is not None]


def test_a_guider_that_calls_nothing_after_cfg_is_told(sag, model, records):
    bare(sag(model))
    assert [(r.levelname, r.getMessage()) for r in records()] == [
        ("WARNING", "SAG delayed activation: acted on no step: the guider that sampled calls no function after CFG")
    ]


def test_the_line_is_there_when_the_run_ends_and_written_by_its_thread(sag, model, records, no_collector):
    worker = threading.Thread(target=lambda: sample(sag(model)), name="worker")
    worker.start()
    worker.join()
    (line,) = records()
    assert line.threadName == "worker" and "acted on 4 of 4" in line.getMessage()


def test_the_line_is_there_after_an_error_while_somebody_holds_the_error(sag, model, monkeypatch, records):
    patched = sag(model)
    patched.set_model_sampler_post_cfg_function(fail)
    with pytest.raises(RuntimeError) as held:
        sample(patched)
    (line,) = records()
    assert "acted on 1 of 1" in line.getMessage() and held


def forgotten_run(scope):
    """A run in a scope whose end nobody tells."""
    post = SimpleNamespace(x=torch.zeros(1, 4, 8, 8), model_options={"transformer_options": {}}, transformer_options={})
    scope["masks"] = RunMasks(None)
    scope["run"] = run = Run(SigmaWindow(15, 0), scope["masks"])
    run.log.sigmas.append(1.0)
    return post


def test_the_garbage_collector_only_puts_a_line_aside(records):
    write_lines_put_aside()
    scope = {}
    forgotten_run(scope)
    scope["circle"] = scope
    del scope
    gc.collect()
    assert records() == [] and len(run_module.LINES_PUT_ASIDE) == 1
    write_lines_put_aside()
    assert ["acted on 0 of 1" in r.getMessage() for r in records()] == [True]


def test_what_was_put_aside_is_written_when_the_next_run_begins(sag, model, records):
    write_lines_put_aside()
    scope = {}
    forgotten_run(scope)
    scope.clear()
    assert records() == []
    sample(sag(model))
    assert ["acted on 0 of 1" in r.getMessage() for r in records()][0]


def test_a_copy_of_a_runs_options_hands_on_the_run():
    from sag_delayed_activation.sampling.host import begin_run

    options = {}
    scope = begin_run(options)
    assert begin_run(dict(options)) is scope and isinstance(scope, RunScope)
