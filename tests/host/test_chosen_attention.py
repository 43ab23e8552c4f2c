"""Checkpoints that choose an attention (int8) for each layer, as ComfyUI 0.40 reads them. A stand-in for that host."""

import pytest
import torch
from comfy.ldm.modules import attention
from hosts import has_attention_override, has_todays_nodes
from tiny_unet import distance, sample, tiny_model

from sag_delayed_activation.sampling.host import HostAttention

pytestmark = has_attention_override
DEPTH = 2  # of the middle block
OUTSIDE = {"sigma_start": 0.01}


class Chosen(torch.nn.Module):
    """What the checkpoint asks for in one attention: a function, or none."""

    function = None


def coarse(q, k, v, heads, **options):
    """As int8 does: the same, less exact."""
    options.pop("transformer_options", None)
    return attention.attention_basic((q * 4).round() / 4, k, v, heads, **options)


def backend(q, k, v, heads, preferred_attention=None, **options):
    """As there: an override comes first, then what the checkpoint chose."""
    override = options.get("transformer_options", {}).get("optimized_attention_override")
    if override is not None:
        return override(attention.attention_pytorch, q, k, v, heads, **options)
    chosen = preferred_attention.function if preferred_attention is not None else None
    return (chosen or attention.attention_pytorch)(q, k, v, heads, **options)


def forward(self, x, context=None, value=None, mask=None, transformer_options=None):
    q, context = self.to_q(x), x if context is None else context
    k, v = self.to_k(context), self.to_v(context if value is None else value)
    out = attention.optimized_attention(
        q, k, v, self.heads, attn_precision=self.attn_precision, preferred_attention=self.comfy_attention,
        transformer_options=transformer_options or {},
    )  # fmt: skip
    return self.to_out(out)


@pytest.fixture(autouse=True)
def host(monkeypatch):
    monkeypatch.setattr(attention, "optimized_attention", backend)
    monkeypatch.setattr(attention.CrossAttention, "forward", forward)


@pytest.fixture(scope="module")
def model():
    """A MODEL whose checkpoint chose nothing; the tests choose by `choose`, and take it back."""
    made = tiny_model(DEPTH)
    for layer in attentions(made, ""):
        layer.comfy_attention = Chosen()
    return made


@pytest.fixture
def choose(model, monkeypatch):
    def choosing(name):
        for layer in attentions(model, name):
            monkeypatch.setattr(layer.comfy_attention, "function", coarse)

    return choosing


def attentions(model, name):
    """Those whose path in the UNet holds `name`."""
    layers = model.model.diffusion_model.named_modules()
    return [layer for path, layer in layers if isinstance(layer, attention.CrossAttention) and name in path]


@pytest.mark.parametrize("transformer", range(DEPTH))
def test_outside_the_window_the_latent_is_bit_identical_whichever_transformer_chose(sag, model, choose, transformer):
    patched, nothing_chosen = sag(model, **OUTSIDE), sample(model)
    choose(f"middle_block.1.transformer_blocks.{transformer}")
    assert distance(sample(model), nothing_chosen) > 1e-3
    assert torch.equal(sample(patched), sample(model))


@pytest.mark.parametrize("layer", ["d0.0", "d1.0", "m0.1", "u0.0", "u3.0"])
def test_so_it_is_at_every_layer(advanced, model, choose, layer):
    choose("")
    assert torch.equal(sample(advanced(model, layer=layer, **OUTSIDE)), sample(model))


def test_what_is_chosen_is_asked_for_when_the_attention_runs(sag, model, choose):
    patched, nothing_chosen = sag(model).clone(), sample(sag(model))
    choose("middle_block.1.transformer_blocks.0.attn1")
    assert distance(sample(patched), nothing_chosen) > 1e-4


def test_an_override_comes_before_what_the_checkpoint_chose(sag, model, choose):
    def override(function, *args, **options):
        return function(*args, **options)

    patched, plain = sag(model, **OUTSIDE).clone(), sample(model)
    choose("")
    patched.model_options["transformer_options"]["optimized_attention_override"] = override
    assert torch.equal(sample(patched), plain)


@has_todays_nodes
def test_it_breaks_no_graph_of_torch_compile(sag, model, choose):
    from types import SimpleNamespace

    from compiling import first_samples, through_the_node

    choose("")
    work = SimpleNamespace(sample=lambda m, callback=None: sample(m, callback=callback))
    compiled = first_samples(work, through_the_node(sag(model), "eager"))
    torch._dynamo.reset()
    assert compiled.breaks.total() == compiled.late == 0, compiled.breaks
    assert distance(compiled.latent, sample(sag(model))) < 1e-5


def test_in_a_model_with_more_layers_than_the_patched_one_the_host_chooses():
    """As the negative's may be, under a guider on two models."""
    q = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(0))
    attended = HostAttention((None,))(q, q, q, {"n_heads": 2, "block_index": 1})
    assert torch.equal(attended, backend(q, q, q, 2))
