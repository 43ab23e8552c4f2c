"""Nodes that users run beside this one, as functions from MODEL to MODEL.

The host's own are the real ones. Packs are on no registry, so each stands here as the few lines of its hook, as a
closure: ComfyUI before 0.14 copies objects when it clones a MODEL.
"""

import copy
import itertools

import pytest
import torch
from comfy.ldm.modules.attention import CrossAttention, optimized_attention
from comfy.patcher_extension import WrappersMP
from comfy_extras import nodes_freelunch, nodes_hypertile, nodes_model_downscale, nodes_pag, nodes_sag, nodes_tomesd
from comfy_extras.nodes_model_advanced import RescaleCFG
from tiny_unet import noise


def made_by(node, model, *values):
    """The MODEL that one of the host's nodes gives, whichever of its two node APIs it uses."""
    made = node.execute(model, *values) if hasattr(node, "execute") else getattr(node(), node.FUNCTION)(model, *values)
    return getattr(made, "args", made)[0]


def pag(model):
    return made_by(nodes_pag.PerturbedAttentionGuidance, model, 3.0)


def core_sag(model):
    return made_by(nodes_sag.SelfAttentionGuidance, model, 0.5, 2.0)


NEIGHBOURS = {
    "freeu": lambda m: made_by(nodes_freelunch.FreeU_V2, m, 1.3, 1.4, 0.9, 0.2),
    "hypertile": lambda m: made_by(nodes_hypertile.HyperTile, m, 64, 2, 0, False),
    "tome": lambda m: made_by(nodes_tomesd.TomePatchModel, m, 0.3),
    "deep shrink": lambda m: made_by(
        nodes_model_downscale.PatchModelAddDownscale, m, 1, 1.5, 0.0, 0.5, True, "bicubic", "bicubic"
    ),
}


def hooked(setter):
    """A pack, as a function from MODEL to MODEL, from what its node does to the clone."""

    def pack(model):
        patched = model.clone()
        setter(patched)
        return patched

    return pack


orders = pytest.mark.parametrize("first", [True, False], ids=["before it", "after it"])


def beside(pack, patch, model, first):
    """Both on one MODEL, the pack or our node `first`."""
    return patch(pack(model)) if first else pack(patch(model))


POSITIVE_IMAGE, NEGATIVE_IMAGE, OTHER_IMAGE = (noise((1, 4, 64), seed) for seed in (1, 2, 5))


def ip_adapter(positive=POSITIVE_IMAGE, negative=NEGATIVE_IMAGE, used=None):
    """IPAdapter plus: an attn2 replace adds attention to an image's tokens, other ones for each cond_or_uncond."""

    def replace(q, k, v, extra_options):
        places, heads = extra_options["cond_or_uncond"], extra_options["n_heads"]
        if used is not None:
            used.append(list(places))
        image = torch.cat([(positive, negative)[p].expand(q.shape[0] // len(places), -1, -1) for p in places])
        return optimized_attention(q, k, v, heads) + optimized_attention(q, image, image, heads)

    return hooked(lambda m: m.set_model_attn2_replace(replace, "middle", 0))


def nag(model):
    """Normalized Attention Guidance: an attn2 replace draws the positive's rows, and only those, away from a prompt."""

    def replace(q, k, v, extra_options):
        places = extra_options["cond_or_uncond"]
        out = optimized_attention(q, k, v, extra_options["n_heads"]).chunk(len(places))
        away = optimized_attention(q, k.roll(1, 1), v.roll(1, 2), extra_options["n_heads"]).chunk(len(places))
        return torch.cat([o + 2 * (o - a) if p == 0 else o for o, a, p in zip(out, away, places, strict=True)])

    return hooked(lambda m: m.set_model_attn2_replace(replace, "middle", 0))(model)


def skimmed_cfg(model):
    """Skimmed CFG, and the pre-CFG functions of Extraltodeus' packs: the negative's prediction is replaced."""

    def pre_cfg(args):
        cond, uncond = args["conds_out"]
        return [cond, torch.where(cond * uncond > 0, cond, uncond)]

    return hooked(lambda m: m.set_model_sampler_pre_cfg_function(pre_cfg))(model)


def dynamic_thresholding(model):
    """Dynamic Thresholding: a CFG function cuts the result off at the quantile that a lower scale would have."""

    def cfg(args):
        cond, uncond, x = args["cond"], args["uncond"], args["input"]
        strong, mimic = (x - (uncond + s * (cond - uncond)) for s in (args["cond_scale"], 3.0))
        most = mimic.abs().flatten(1).quantile(0.9, dim=1).view(-1, 1, 1, 1)
        return x - strong.clamp(-most, most)

    return hooked(lambda m: m.set_model_sampler_cfg_function(cfg))(model)


def rescale_cfg(model):
    """The host's RescaleCFG: a CFG function, on the hook that Dynamic Thresholding takes, too."""
    return made_by(RescaleCFG, model, 0.7)


def fixed_batch(model):
    """Engines built for one batch size (TensorRT, stable-fast): a function wrapper fills up to two rows and cuts."""

    def two(apply_model, x, timestep, c):
        rows = x.shape[0]

        def fill(t):
            return torch.cat([t, t[-1:]])[:2] if torch.is_tensor(t) and t.shape[0] == rows == 1 else t

        return apply_model(fill(x), fill(timestep), **{name: fill(value) for name, value in c.items()})[:rows]

    def wrapper(apply_model, args):
        x, timestep, c = args["input"], args["timestep"], args["c"]
        parts = []
        for row in range(0, x.shape[0], 2):
            some = slice(row, row + 2)
            own = {name: value[some] if torch.is_tensor(value) else value for name, value in c.items()}
            parts.append(two(apply_model, x[some], timestep[some], own))
        return torch.cat(parts)

    return hooked(lambda m: m.set_model_unet_function_wrapper(wrapper))(model)


def tiled_diffusion(model):
    """Tiled Diffusion: a function wrapper has the UNet look at one crop of the latent after the other."""

    def wrapper(apply_model, args):
        tiles = args["input"].split(16, dim=-1)
        return torch.cat([apply_model(tile, args["timestep"], **args["c"]) for tile in tiles], dim=-1)

    return hooked(lambda m: m.set_model_unet_function_wrapper(wrapper))(model)


def hypertile_to_the_middle(model):
    """HyperTile at its largest depth: an attn1 patch makes tiles into rows of the batch, and another undoes it."""

    def tile(q, k, v, extra_options):
        return tuple(t.unflatten(1, (2, -1)).flatten(0, 1) for t in (q, k, v))

    def undo(out, extra_options):
        return out.unflatten(0, (-1, 2)).flatten(1, 2)

    def both(m):
        m.set_model_attn1_patch(tile)
        m.set_model_attn1_output_patch(undo)

    return hooked(both)(model)


def token_merging_in_the_middle(model):
    """ToMe without a limit of depth: an attn1 patch gives fewer keys and values than there are tokens."""
    return hooked(lambda m: m.set_model_attn1_patch(lambda q, k, v, extra_options: (q, k[:, ::2], v[:, ::2])))(model)


class DeepCache:
    """DeepCache: every other call of the UNet takes the deep features of the call before, whatever that one was for."""

    def apply(self, model):
        calls, deep = itertools.count(), {}
        patched, unet = model.clone(), model.model.diffusion_model

        def keep(h, skip, options):
            if options["block"] == ("output", 0):
                deep["features"] = h = deep["features"] if deep["reuse"] else h
            return h, skip

        def apply_model(function, args):
            deep["reuse"] = next(calls) % 2 == 1
            middle = unet.middle_block
            if deep["reuse"]:
                unet.middle_block = type(middle)()  # runs nothing
            try:
                return function(args["input"], args["timestep"], **args["c"])
            finally:
                unet.middle_block = middle

        patched.set_model_output_block_patch(keep)
        patched.set_model_unet_function_wrapper(apply_model)
        return patched


def deep_cache(model):
    return DeepCache().apply(model)


def answered_from_memory(model):
    """A cache of whole answers: one prompt alone gets what the same prompt got in the call before."""
    answers = {}

    def wrapper(apply_model, args):
        places = args["cond_or_uncond"]
        if len(places) == 1 and places[0] in answers:
            return answers[places[0]]
        answer = apply_model(args["input"], args["timestep"], **args["c"])
        answers.update(zip(places, answer.chunk(len(places)), strict=True))
        return answer

    return hooked(lambda m: m.set_model_unet_function_wrapper(wrapper))(model)


def engine(model):
    """Engines behind a function wrapper (stable-fast): the UNet itself never runs."""

    def wrapper(apply_model, args):
        return args["input"] * 0.5

    return hooked(lambda m: m.set_model_unet_function_wrapper(wrapper))(model)


def reference_only(model):
    """The host's experiment ReferenceOnlySimple: an attn1 patch adds the reference's keys to the picture's own."""

    def longer(q, k, v, extra_options):
        return q, torch.cat([k, k[:1].expand_as(k)], dim=1), torch.cat([v, v[:1].expand_as(v)], dim=1)

    return hooked(lambda m: m.set_model_attn1_patch(longer))(model)


def sliding(calc_cond_batch):
    """AnimateDiff-Evolved's sliding contexts: some frames at a time, with overlap, instead of all at once."""

    def windows(model, conds, x, sigma, options):
        outs, counts = [torch.zeros_like(x) for _ in conds], torch.zeros_like(x)
        for first in (0, 3, 4):
            frames = slice(first, first + 4)
            counts[frames] += 1
            for out, part in zip(outs, calc_cond_batch(model, conds, x[frames], sigma[frames], options), strict=True):
                out[frames] += part
        return [out / counts for out in outs]

    return windows


def reference(model, seen=None):
    """Advanced-ControlNet's reference: in each forward of the UNet first one on its own latent."""
    seen = [] if seen is None else seen

    def wrapper(executor, x, *args, **options):
        seen.append("its own")
        executor(x.flip(-1) * 0.5, *args, **options)
        seen.append("the picture")
        return executor(x, *args, **options)

    return hooked(lambda m: m.add_wrapper(WrappersMP.DIFFUSION_MODEL, wrapper))(model)


def attention_address(number=0):
    """Where the self-attention of that transformer of the middle block is."""
    return f"diffusion_model.middle_block.1.transformer_blocks.{number}.attn1"


def own_attention(model, number=0):
    """The MODEL's own, though another clone's may be in place just now."""
    return model.get_model_object(attention_address(number))


class Louder(CrossAttention):
    """RES4LYF's attention, and others with a forward of their own."""

    def forward(self, *args, **options):
        return super().forward(*args, **options) + 0.1


def louder_twin(attention):
    """Another module with the same weights."""
    twin = copy.copy(attention)
    twin.__class__ = Louder
    return twin


def foreign_attention(model):
    return hooked(lambda m: m.add_object_patch(attention_address(), louder_twin(own_attention(m))))(model)


class SharingUnit(torch.nn.Module):
    """layerdiffuse's: it stands in the attention's place, and has no projections of its own."""

    def __init__(self, attention):
        super().__init__()
        self.shared = attention

    def forward(self, *args, **options):
        return self.shared(*args, **options) * 1.1


def attention_sharing(model):
    return hooked(lambda m: m.add_object_patch(attention_address(), SharingUnit(own_attention(m))))(model)


def counting_replace(model, index=None):
    """A replace that has what the host asks of one; `asked` of the MODEL's says what it was asked."""
    asked = []

    def at(place):
        def replace(q, k, v, extra_options):
            return optimized_attention(q, k, v, extra_options["n_heads"]) * 1.1

        replace.place = place
        replace.to = lambda wanted: asked.append(("to", wanted)) or at(wanted)
        replace.models = lambda: asked.append(("models", place)) or []
        replace.cleanup = lambda: asked.append(("cleanup", place))
        return replace

    patched = hooked(lambda m: m.set_model_attn1_replace(at("here"), "middle", 0, index))(model)
    patched.asked = asked
    return patched


ALL = {
    **NEIGHBOURS,
    "reference": reference,
    "foreign attention": foreign_attention,
    "attention sharing": attention_sharing,
    "counting replace": counting_replace,
    "pag": pag,
    "core sag": core_sag,
    "ip adapter": ip_adapter(),
    "nag": nag,
    "skimmed cfg": skimmed_cfg,
    "dynamic thresholding": dynamic_thresholding,
    "rescale cfg": rescale_cfg,
    "fixed batch": fixed_batch,
    "tiled diffusion": tiled_diffusion,
    "hypertile to the middle": hypertile_to_the_middle,
    "tome in the middle": token_merging_in_the_middle,
}
