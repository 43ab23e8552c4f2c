"""What the pack relies on of ComfyUI: all of it, why, and since when; and whether the host under test has it.

What is listed is compared with what the pack's source says, so that the lists stay true. Where a new ComfyUI breaks
something, a test here names it.
"""

import ast
import inspect
import operator
import pkgutil
import uuid

import comfy.samplers
import pytest
import reliance
import torch
from hosts import KNOWS_PRECISION, SAYS_SCHEDULE, SAYS_TOKEN_GRID, TELLS_PROMPTS_APART
from tiny_unet import CPU, noise, sample

from sag_delayed_activation.sampling import branch
from sag_delayed_activation.sampling.layers import STAGES

pytestmark = pytest.mark.host
HERE = {  # whether the host under test is as new as that
    "2024": True,
    "of summer 2024": KNOWS_PRECISION,
    "0.3.7": TELLS_PROMPTS_APART,
    "0.3.11": SAYS_SCHEDULE,
    "0.3.28": SAYS_TOKEN_GRID,
    "some": False,
}
SAYS = {since: f"ComfyUI {since}" for since in HERE}
SAYS["some"] = "another model or prompt: the pack asks for it with care"
STARRED = {"model.set_model_attn1_replace": (2, 3)}  # a block, or a block and a transformer in it

NAMES = {
    "comfy.ldm.modules.attention": ("the module is looked up when called", "2024"),
    "comfy.ldm.modules.attention.optimized_attention": ("the host's backend, in place of the attention read", "2024"),
    "comfy.patcher_extension.WrappersMP": ("says when prompts are evaluated", "0.3.7"),
    "comfy.patcher_extension.WrappersMP.CALC_COND_BATCH": ("around every evaluation of prompts", "0.3.7"),
    "comfy.patcher_extension.add_wrapper_with_key": ("puts a wrapper into model_options", "0.3.7"),
    "comfy.samplers.calc_cond_batch": ("evaluates the degraded latent", "2024"),
    "comfy.samplers.get_area_and_mult": ("where, and how strongly, a prompt counts", "2024"),
    "comfy.samplers.KSampler": ("the schedule, for the window node", "2024"),
    "comfy.samplers.KSampler().sigmas": ("the schedule itself", "2024"),
    "comfy.samplers.SAMPLER_NAMES": ("choices of the window node", "2024"),
    "comfy.samplers.SCHEDULER_NAMES": ("choices of the window node", "2024"),
    "active.area": ("a prompt's place", "2024"),
    "active.mult": ("a prompt's weight", "2024"),
    "latent_format.latent_rgb_factors": ("a rough picture of a latent", "2024"),
    "latent_format.latent_rgb_factors_bias": ("a rough picture of a latent", "some"),
    "latent_format.process_in": ("a rough picture of a latent", "2024"),
    "model.clone": ("the MODEL that was given stays as it is", "2024"),
    "model.model_options": ("what is there before: chained, not overwritten", "2024"),
    "model.model_options.get": ("a dict", "2024"),
    "model.get_model_object": ("the UNet and the schedule, with what other nodes patched", "2024"),
    "model.set_model_attn1_replace": ("the recorder", "2024"),
    "model.set_model_sampler_post_cfg_function": ("the guidance", "2024"),
    "model.add_wrapper_with_key": ("for hosts that drop wrappers in model_options", "0.3.7"),
    "model.model": ("the model in the MODEL", "2024"),
    "model.model.latent_format": ("a rough picture of a latent", "2024"),
    "model.model.model_config": ("its class names the kind of model in a refusal", "2024"),
    "model.model_sampling": ("of the model that post-CFG is given", "2024"),
    "model.model_sampling.noise_scaling": ("noise by the model's own rule", "2024"),
    "model_sampling.percent_to_sigma": ("percents of the window node", "2024"),
    "model_sampling.sigma_max": ("preset late; the fade where there is no schedule", "2024"),
    "model_sampling.sigma_min": ("the fade where there is no schedule", "2024"),
    "nodes.PreviewImage": ("shows the masks", "2024"),
    "nodes.PreviewImage().save_images": ("shows the masks", "2024"),
    "unet.input_blocks": ("layers of the advanced node", "2024"),
    "unet.middle_block": ("the attention that is read", "2024"),
    "unet.output_blocks": ("layers of the advanced node", "2024"),
    "m.transformer_blocks": ("m is a module in a block: finds its transformers", "2024"),
    "t.disable_self_attn": ("t is a transformer: looks at the prompt alone", "2024"),
}

POST_CFG, ATTENTION, OPTIONS, PROMPT = "post-CFG", "attention", "transformer_options", "prompt"
MODEL = "get_model_object"
KEYS = {
    "denoised": (POST_CFG, "the host's result", "2024"),
    "input": (POST_CFG, "x, the noisy latent", "2024"),
    "sigma": (POST_CFG, "the noise level, one tensor per evaluation", "2024"),
    "cond": (POST_CFG, "the positive's prompts", "2024"),
    "uncond": (POST_CFG, "the negative's prompts, None at cfg 1", "2024"),
    "cond_denoised": (POST_CFG, "the positive's prediction", "2024"),
    "uncond_denoised": (POST_CFG, "the negative's prediction", "2024"),
    "model": (POST_CFG, "evaluates the degraded latent", "2024"),
    "model_options": (POST_CFG, "what lives as long as the run, since 0.3.7", "2024"),
    "transformer_options": ("model_options", "carries the evaluation to the recorder", "2024"),
    "patches_replace": (OPTIONS, "what stands on the layer already", "2024"),
    "attn1": ("patches_replace", "what stands on the layer already", "2024"),
    "sample_sigmas": (OPTIONS, "the schedule, for the fade and the preview", "0.3.11"),
    "cond_or_uncond": (ATTENTION, "whose rows the queries are", "2024"),
    "sigmas": (ATTENTION, "the same tensor as post-CFG's sigma, where there are no wrappers", "2024"),
    "original_shape": (ATTENTION, "the latent's height and width, or the crop's", "2024"),
    "activations_shape": (ATTENTION, "rows and columns of tokens", "0.3.28"),
    "n_heads": (ATTENTION, "heads of the attention", "2024"),
    "block_index": (ATTENTION, "which transformer of the block", "2024"),
    "attn_precision": (ATTENTION, "handed on to the backend", "of summer 2024"),
    "uuids": (ATTENTION, "which prompt a chunk is", "0.3.7"),
    "uuid": (PROMPT, "which prompt a chunk is", "0.3.7"),
    "model_conds": (PROMPT, "new for every run: carries the run's dict before 0.3.7", "2024"),
    "default": (PROMPT, "takes what the other prompts leave", "some"),
    "diffusion_model": (MODEL, "the UNet", "2024"),
    "model_sampling": (MODEL, "the schedule", "2024"),
    "samples": ("LATENT", "what the preview is wired to", "some"),
}


def test_every_name_that_the_source_uses_is_listed_and_no_other():
    assert reliance.names() | {f"unet.{attribute}" for _, attribute in STAGES.values()} == set(NAMES)


def test_every_key_that_the_source_looks_up_is_listed_and_no_other():
    assert reliance.keys() == set(KEYS)


def seen_while_sampling(model):
    """What the host hands to the pack's hooks: the arguments of post-CFG and the options of the attention."""
    seen = {}
    watched = model.clone()

    def replace(q, k, v, extra_options):
        seen[ATTENTION] = extra_options
        return v

    def post_cfg(args):
        seen[POST_CFG] = args
        return args["denoised"]

    watched.set_model_attn1_replace(replace, "middle", 0)
    watched.set_model_sampler_post_cfg_function(post_cfg)
    sample(watched, steps=1)
    return seen


@pytest.fixture(scope="module")
def dicts(model):
    """The host's own dicts, by where the pack meets them."""
    seen = seen_while_sampling(model)
    options = seen[POST_CFG]["model_options"]
    return seen | {
        "model_options": options,
        OPTIONS: options["transformer_options"],
        "patches_replace": options["transformer_options"]["patches_replace"],
        PROMPT: seen[POST_CFG]["cond"][0],
        MODEL: {key: model.get_model_object(key) for key in ("diffusion_model", "model_sampling")},
    }


@pytest.fixture(scope="module")
def live(model, dicts):
    """The host's own objects, by the name under which the pack meets them."""
    import nodes

    unet = model.get_model_object("diffusion_model")
    return {
        "active": comfy.samplers.get_area_and_mult(dicts[PROMPT], noise(), torch.ones(1)),
        "latent_format": model.model.latent_format,
        "model": model,
        "model.model_sampling": dicts[POST_CFG]["model"].model_sampling,
        "model_sampling": model.get_model_object("model_sampling"),
        "comfy.samplers.KSampler()": comfy.samplers.KSampler(model, 4, CPU, "euler", "normal"),
        "nodes.PreviewImage()": nodes.PreviewImage(),
        "unet": unet,
        "m": unet.middle_block[1],
        "t": unet.middle_block[1].transformer_blocks[0],
    }


def found(name, live):
    """What `name` stands for on this host; the error names what is gone."""
    known = max((n for n in live if f"{name}.".startswith(f"{n}.")), key=len, default=None)
    if known is None:
        return pkgutil.resolve_name(name)
    return operator.attrgetter(name[len(known) + 1 :])(live[known]) if name != known else live[known]


def needs(since):
    return pytest.mark.skipif(not HERE[since], reason=f"needs {SAYS[since]}")


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(since)) for name, (_, since) in NAMES.items()])
def test_the_host_has_each_name(live, name):
    found(name, live)


@pytest.mark.parametrize(
    "place, key", [pytest.param(place, key, marks=needs(since)) for key, (place, _, since) in KEYS.items()]
)
def test_the_host_has_each_key_where_it_is_looked_up(dicts, place, key):
    assert key in dicts[place]


@pytest.mark.parametrize("call", sorted(reliance.calls()), ids=lambda call: call.name)
def test_the_host_takes_what_each_call_gives(live, call):
    since = NAMES[call.name][1]
    if not HERE[since]:
        pytest.skip(f"needs {SAYS[since]}")
    takes = inspect.signature(found(call.name, live))
    for unpacked in STARRED[call.name] if call.starred else [0]:
        takes.bind(*[None] * (call.positional + unpacked), **dict.fromkeys(call.keywords))


NO_REGION_KEYS = {  # what the host's rule reads of a prompt beside its place and weight
    "model_conds", "hooks", "control", "gligen", "uuid",
    "mask_strength",  # of a mask
    "position",  # a value of gligen's
}  # fmt: skip


def test_the_hosts_rule_places_prompts_by_the_keys_that_the_pack_knows_and_no_others():
    tree = ast.parse(inspect.getsource(comfy.samplers.get_area_and_mult))
    read = [n.slice for n in ast.walk(tree) if isinstance(n, ast.Subscript)]
    read += [n.left for n in ast.walk(tree) if isinstance(n, ast.Compare)]
    read += [n.args[0] for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args]
    keys = {n.value for n in read if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert keys - NO_REGION_KEYS - {"middle_patch", "cond_obj"} == branch.REGION_KEYS - {"default"}


def test_a_prompt_without_them_has_weight_1_everywhere_and_is_taken_whole():
    x, prompt = torch.zeros(2, 4, 6, 10), {"model_conds": {}, "uuid": uuid.uuid4()}
    found = comfy.samplers.get_area_and_mult(prompt, x, torch.ones(2))
    assert found.area in (None, (6, 10, 0, 0)) and torch.equal(found.mult[:, :1], torch.ones(2, 1, 6, 10))
    assert branch.active_regions([prompt], x, torch.ones(2)) == [branch.Region(prompt)]
    (region,) = branch.active_regions([{**prompt, "strength": 1.0}], x, torch.ones(2))
    assert torch.equal(region.weight, torch.ones(2, 1, 6, 10)) and (region.top, region.left) == (0, 0)
