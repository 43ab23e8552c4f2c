"""Under torch.compile, through the host's own TorchCompileModel node. Graphs are counted, nothing is timed."""

from types import SimpleNamespace

import pytest
import torch
from compiling import first_samples, through_the_node
from hosts import has_todays_nodes
from tiny_unet import distance, sample

pytestmark = has_todays_nodes
GRAPH_BREAKS_OF_THE_PACK = 0
WORK = SimpleNamespace(sample=lambda model, callback=None: sample(model, callback=callback))


@pytest.fixture(scope="module", autouse=True)
def attention_of_a_gpu():
    """The backend that the host takes on a GPU; the one it takes on the CPU reads a file and breaks the graph."""
    from comfy.ldm.modules import attention

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "optimized_attention", attention.attention_pytorch)
        yield
    torch._dynamo.reset()


@pytest.fixture(scope="module")
def compiled(model, sag):
    """Unpatched and patched; the backend that runs the graphs as they are stands for all."""
    return {name: first_samples(WORK, through_the_node(m, "eager")) for name, m in
            {"unpatched": model, "patched": sag(model)}.items()}  # fmt: skip


def test_the_host_alone_is_one_graph_without_a_break(compiled):
    assert compiled["unpatched"].breaks.total() == 0 and compiled["unpatched"].graphs[-1] == 1


def test_the_pack_breaks_the_graph_no_more_often_than_stated(compiled):
    assert compiled["patched"].breaks.total() == GRAPH_BREAKS_OF_THE_PACK, compiled["patched"].breaks


def test_nothing_is_compiled_after_the_second_step_nor_in_the_next_run(compiled):
    assert len(compiled["patched"].graphs) == 8
    assert compiled["patched"].late == compiled["unpatched"].late == 0


def test_the_compiled_latent_is_that_of_the_model_without_compiling(compiled, model, sag):
    assert distance(compiled["patched"].latent, sample(sag(model))) < 1e-5
    assert distance(compiled["patched"].latent, compiled["unpatched"].latent) > 1e-3
