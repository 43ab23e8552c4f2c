"""What the pack relies on of ComfyUI: all of it, why, and since when; and whether the host under test has it.

What is listed is compared with what the pack's source says, so that the lists stay true. Where a new ComfyUI breaks
something, a test here names it.
"""

import ast
import inspect
import uuid

import comfy.samplers
import comfy.supported_models
import pytest
import reliance
import torch
from tiny_unet import CPU, noise, sample

from sag_delayed_activation.sampling import branch
from sag_delayed_activation.sampling.host import add_wrappers
from sag_delayed_activation.sampling.layers import STAGES

pytestmark = pytest.mark.host
HERE = {  # whether the host under test is as new as that
    "2024": True,
    "of summer 2024": KNOWS_PRECISION,
    "0.3.7": TELLS_PROMPTS_APART,
    "0.3.28": SAYS_TOKEN_GRID,
    "some": False,
}
SAYS = {since: f"ComfyUI {since}" for since in HERE}
SAYS["some"] = "another model or prompt, or a running server (tests/server): the pack asks for it with care"
STARRED = {  # how many values are unpacked into a call
    "ModelPatcher.set_model_attn1_replace": (2, 3),  # a block, or a block and a transformer in it
    "WrapperExecutor": (0,),  # whatever the host gave
}

USED = {  # names of types are those of sampling/host_types.py
    "comfy.ldm.modules.attention.optimized_attention": ("the host's backend, in place of the attention read", "2024"),
    "comfy.patcher_extension.WrappersMP.OUTER_SAMPLE": ("around every run: its schedule, its latents", "0.3.7"),
    "comfy.patcher_extension.WrappersMP.CALC_COND_BATCH": ("around every evaluation of prompts", "0.3.7"),
    "comfy.patcher_extension.WrappersMP.APPLY_MODEL": ("around every call of the UNet", "0.3.7"),
    "comfy.patcher_extension.add_wrapper_with_key": ("puts a wrapper into model_options", "0.3.7"),
    "comfy.samplers.calc_cond_batch": ("evaluates the degraded latent", "2024"),
    "comfy.samplers.get_area_and_mult": ("where, and how strongly, a prompt counts", "2024"),
    "comfy.samplers.KSampler": ("the schedule, for the window node", "2024"),
    "comfy.samplers.SAMPLER_NAMES": ("choices of the window node", "2024"),
    "comfy.samplers.SCHEDULER_NAMES": ("choices of the window node", "2024"),
    "comfy_execution.utils.get_executing_context().node_id": ("which node of the page is executed", "some"),
    "nodes.PreviewImage().save_images": ("shows the masks", "2024"),
    "server.PromptServer.instance": ("the way to the page", "some"),
    "PromptServer.client_id": ("the page whose prompt is executed; None for a script's", "some"),
    "PromptServer.send_progress_text": ("the line on a node", "some"),
    "PromptServer.send_sync": ("what the strip draws of a run", "some"),
    "ModelPatcher.clone": ("the MODEL that was given stays as it is", "2024"),
    "ModelPatcher.model_options": ("what is there before: chained, not overwritten", "2024"),
    'ModelPatcher.get_model_object("diffusion_model")': ("the UNet, with what other nodes patched", "2024"),
    'ModelPatcher.get_model_object("model_sampling")': ("the schedule, with what other nodes patched", "2024"),
    "ModelPatcher.set_model_attn1_replace": ("the recorder", "2024"),
    "ModelPatcher.set_model_sampler_post_cfg_function": ("the guidance", "2024"),
    "ModelPatcher.add_wrapper_with_key": ("for hosts that drop wrappers in model_options", "0.3.7"),
    "ModelPatcher.model.latent_format": ("a rough picture of a latent", "2024"),
    "ModelPatcher.model.model_config": ("its class names the kind of model in a refusal", "2024"),
    "BaseModel.model_sampling.noise_scaling": ("noise by the model's own rule", "2024"),
    "BaseModel.model_sampling.sigma_max": ("whether a fade is open", "2024"),
    "BaseModel.model_sampling.sigma_min": ("whether a fade is open", "2024"),
    "ModelSampling.noise_scaling": ("whether a latent is pure noise", "2024"),
    "ModelSampling.percent_to_sigma": ("percents of the window node", "2024"),
    "ModelSampling.sigma_max": ("preset late, and the curve that the page draws", "2024"),
    "ModelSampling.sigma_min": ("the curve that the page draws", "2024"),
    "WrapperExecutor.class_obj.model_options": ("of the guider whose run it is: that run's own", "0.3.7"),
    "KSampler.sigmas": ("the schedule itself", "2024"),
    "PlacedPrompt.area": ("a prompt's place", "2024"),
    "PlacedPrompt.mult": ("a prompt's weight", "2024"),
    "LatentFormat.latent_rgb_factors": ("a rough picture of a latent", "2024"),
    "LatentFormat.latent_rgb_factors_bias": ("a rough picture of a latent", "some"),
    "LatentFormat.process_in": ("a rough picture of a latent", "2024"),
    "UNet.input_blocks": ("layers of the advanced node", "2024"),
    "UNet.middle_block": ("the attention that is read", "2024"),
    "UNet.output_blocks": ("layers of the advanced node", "2024"),
    "UNetModule.modules": ("torch's: what is in a block", "2024"),
    "UNetModule.transformer_blocks": ("finds the transformers in it", "2024"),
    "Transformer.disable_self_attn": ("looks at the prompt alone", "2024"),
    "AttentionReplace.cleanup": ("called after a run, by newer hosts", "some"),
    'Latent["samples"]': ("what the preview is wired to", "2024"),
    'ModelOptions["model_function_wrapper"]': ("DeepCache, by its name", "some"),
    'ModelOptions["transformer_options"]["patches_replace"]["attn1"]': ("what stands on the layer already", "2024"),
    'TransformerOptions["patches_replace"]["attn1"]': ("who took the recorder's place", "2024"),
    'AttentionOptions["cond_or_uncond"]': ("whose rows the queries are", "2024"),
    'AttentionOptions["sigmas"]': ("the same tensor as post-CFG's, where there are no wrappers", "2024"),
    'AttentionOptions["original_shape"]': ("the latent's height and width, or the crop's", "2024"),
    'AttentionOptions["activations_shape"]': ("rows and columns of tokens", "0.3.28"),
    'AttentionOptions["n_heads"]': ("heads of the attention", "2024"),
    'AttentionOptions["block_index"]': ("which transformer of the block", "2024"),
    'AttentionOptions["attn_precision"]': ("handed on to the backend", "of summer 2024"),
    'AttentionOptions["uuids"]': ("which prompt a chunk is", "0.3.7"),
    'PostCfgArgs["denoised"]': ("the host's result", "2024"),
    'PostCfgArgs["input"]': ("x, the noisy latent", "2024"),
    'PostCfgArgs["sigma"]': ("the noise level, one tensor per evaluation", "2024"),
    'PostCfgArgs["cond"]': ("the positive's prompts", "2024"),
    'PostCfgArgs["uncond"]': ("the negative's prompts, None at cfg 1", "2024"),
    'PostCfgArgs["cond_denoised"]': ("the positive's prediction", "2024"),
    'PostCfgArgs["uncond_denoised"]': ("the negative's prediction", "2024"),
    'PostCfgArgs["model"]': ("evaluates the degraded latent", "2024"),
    'PostCfgArgs["model_options"]': ("what lives as long as the run, since 0.3.7", "2024"),
    'Prompt["uuid"]': ("which prompt a chunk is", "0.3.7"),
    'Prompt["model_conds"]': ("new for every run: carries the run's dict before 0.3.7", "2024"),
    'Prompt["default"]': ("takes what the other prompts leave", "some"),
    'UNetConfig["model_channels"]': ("which kinds of model are UNets, in a refusal", "2024"),
    "Attention.comfy_attention": ("which backend a checkpoint chose there, from 0.40 on", "some"),
}


def test_everything_that_the_source_uses_is_listed_and_nothing_else():
    assert reliance.names() | {f"UNet.{attribute}" for _, attribute in STAGES.values()} == set(USED)


def test_nothing_of_the_hosts_is_handed_on_without_its_types_name():
    several = [node for tree in reliance.TREES.values() for node in ast.walk(tree) if isinstance(node, ast.arguments)]
    arguments = [argument for each in several for argument in [*each.posonlyargs, *each.args, *each.kwonlyargs]]
    assert not [each.arg for each in arguments if each.annotation and ast.unparse(each.annotation) == "Any"]


def seen_while_sampling(model):
    """What the host hands to the pack's hooks."""
    seen = {}

    def go_on(executor, *args, **options):
        return executor(*args, **options)

    def begin(executor, *args, **options):
        seen["WrapperExecutor"] = executor
        return executor(*args, **options)

    def replace(q, k, v, extra_options):
        seen["AttentionOptions"] = extra_options
        return v

    def post_cfg(args):
        seen["PostCfgArgs"] = args
        return args["denoised"]

    watched = model.clone()
    add_wrappers(watched, "watch", begin, go_on, go_on)
    watched.set_model_attn1_replace(replace, "middle", 0)
    watched.set_model_sampler_post_cfg_function(post_cfg)
    sample(watched, steps=1)
    return seen


@pytest.fixture(scope="module")
def live(model):
    """The host's own modules, objects and dicts, by the names under which the pack meets them."""
    import nodes

    seen, unet = seen_while_sampling(model), model.get_model_object("diffusion_model")
    options, prompt = seen["PostCfgArgs"]["model_options"], seen["PostCfgArgs"]["cond"][0]
    return seen | {
        "comfy": comfy,
        "nodes": nodes,
        "ModelPatcher": model,
        "BaseModel": seen["PostCfgArgs"]["model"],
        "ModelSampling": model.get_model_object("model_sampling"),
        "KSampler": comfy.samplers.KSampler(model, 4, CPU, "euler", "normal"),
        "PlacedPrompt": comfy.samplers.get_area_and_mult(prompt, noise(), torch.ones(1)),
        "LatentFormat": model.model.latent_format,
        "UNet": unet,
        "UNetModule": unet.middle_block[1],
        "Transformer": unet.middle_block[1].transformer_blocks[0],
        "Attention": unet.middle_block[1].transformer_blocks[0].attn1,
        "UNetConfig": comfy.supported_models.SDXL.unet_config,
        "Latent": nodes.EmptyLatentImage().generate(64, 64)[0],
        "ModelOptions": options,
        "TransformerOptions": options["transformer_options"],
        "Prompt": prompt,
    }


def found(name, live):
    """What `name` stands for on this host; the error names what is gone."""
    return eval(name, live)  # noqa: S307


def needs(since):
    return pytest.mark.skipif(not HERE[since], reason=f"needs {SAYS[since]}")


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(since)) for name, (_, since) in USED.items()])
def test_the_host_has_it(live, name):
    found(name, live)


def since_of(call):
    return next((since for name, (_, since) in USED.items() if name.startswith(call.name)), "some")  # not listed


@pytest.mark.parametrize(
    "call", [pytest.param(call, id=call.name, marks=needs(since_of(call))) for call in sorted(reliance.calls())]
)
def test_the_host_takes_what_each_call_gives(live, call):
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
