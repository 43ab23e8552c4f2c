"""What the pack uses of ComfyUI: each name as a Python expression, what for, and since when; and that the host has it.

Where a new ComfyUI breaks something, a test here names it. How its functions are called, and the names that only a
running server has, the other tests of the host and of the server see.
"""

import ast
import inspect
import pkgutil
import re
import uuid

import comfy.hooks
import comfy.samplers
import comfy.supported_models
import pytest
import torch
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key
from comfyui_version import __version__
from said import SOURCES
from tiny_unet import CPU, NEGATIVE, POSITIVE, noise, sample

from sag_delayed_activation.sampling import branch

HOSTS_MODULES = ("comfy", "comfy_execution", "comfyui_version", "nodes", "server")
SERVER = "a running server"  # tests/server has one

USED = {  # since: the version that brought it, or SERVER; "": the oldest that the pack runs on has it
    # modules and what stands in them
    "comfy.context_windows": ("whether the host is new enough", ""),
    "comfyui_version.__version__": ("what a refusal says was found", ""),
    "comfy.ldm.modules.attention.optimized_attention": ("the host's backend, in place of the attention read", ""),
    "comfy.ldm.modules.attention.CrossAttention.forward": ("whether an attention's forward is the host's", ""),
    "comfy.patcher_extension.WrappersMP.OUTER_SAMPLE": ("around every run: its schedule, its latents", ""),
    "comfy.patcher_extension.WrappersMP.CALC_COND_BATCH": ("around every evaluation of prompts", ""),
    "comfy.patcher_extension.WrappersMP.APPLY_MODEL": ("around every call of the UNet", ""),
    "comfy.patcher_extension.add_wrapper_with_key": ("puts a wrapper into model_options", ""),
    "comfy.samplers.calc_cond_batch": ("evaluates the degraded latent", ""),
    "comfy.samplers.get_area_and_mult": ("where, and how strongly, a prompt counts", ""),
    "comfy.samplers.KSampler": ("the schedule, for the window node", ""),
    "comfy.samplers.Sampler": ("a run's, handed on", ""),
    "comfy.samplers.SAMPLER_NAMES": ("choices of the window node", ""),
    "comfy.samplers.SCHEDULER_NAMES": ("choices of the window node", ""),
    "comfy_execution.utils.get_executing_context": ("what is executed", ""),
    "comfy_execution.utils.ExecutionContext.node_id": ("which node samples", ""),
    "comfy_execution.utils.ExecutionContext.prompt_id": ("in which prompt, so that its log repeats no line", ""),
    "nodes.PreviewImage.save_images": ("shows the masks", ""),
    "nodes.NODE_CLASS_MAPPINGS": ("classes of the prompt's nodes", ""),
    "nodes.KSampler.RETURN_TYPES": ("whether an output may hold a MODEL", ""),
    "server.PromptServer.instance": ("the way to the page", SERVER),
    "PromptServer.client_id": ("the page whose prompt is executed; None for a script's", SERVER),
    "PromptServer.prompt_queue.currently_running": ("the prompt that is executed", SERVER),
    "PromptServer.send_sync": ("what the strip draws of a run", SERVER),
    # a MODEL, and what is in it
    "ModelPatcher.clone": ("the MODEL that was given stays as it is", ""),
    "ModelPatcher.model_options": ("where the wrappers and the masks stand", ""),
    'ModelPatcher.get_model_object("diffusion_model")': ("the UNet, with what other nodes patched", ""),
    'ModelPatcher.get_model_object("model_sampling")': ("the schedule, with what other nodes patched", ""),
    "ModelPatcher.set_model_attn1_replace": ("the recorder", ""),
    "ModelPatcher.set_model_sampler_post_cfg_function": ("the guidance", ""),
    "ModelPatcher.cleanup": ("calls the recorder's after a run, from 0.17 on", ""),
    "ModelPatcher.model_patches_to": ("calls the recorder's to, with a device and a type", ""),
    "ModelPatcher.model_patches_models": ("calls the recorder's models", ""),
    'ModelPatcher.get_model_object("diffusion_model.middle_block.1.transformer_blocks.0.attn1")': (
        "whether the MODEL's own attention can be read", "",
    ),
    "ModelPatcher.model.latent_format": ("a rough picture of a latent", ""),
    "ModelPatcher.model.model_config": ("its class names the kind of model in a refusal", ""),
    'ModelConfig.unet_config["model_channels"]': ("which kinds of model are UNets, in a refusal", ""),
    "LatentFormat.latent_rgb_factors": ("a rough picture of a latent", ""),
    "LatentFormat.latent_rgb_factors_bias": ("a rough picture of a latent", ""),
    "LatentFormat.process_in": ("a rough picture of a latent", ""),
    "BaseModel.model_sampling": ("noise and sigmas, as the run under way has them", ""),
    "ModelSampling.noise_scaling": ("noise by the model's own rule, and whether a latent is noise alone", ""),
    "ModelSampling.percent_to_sigma": ("percents of the window node", ""),
    "ModelSampling.sigma_max": ("whether a fade is open, a run begins at the largest, and preset late", ""),
    "ModelSampling.sigma_min": ("whether a fade is open, and the curve that the page draws", ""),
    "KSampler.sigmas": ("the schedule itself", ""),
    "UNet.input_blocks": ("layers of the advanced node", ""),
    "UNet.middle_block": ("the attention that is read", ""),
    "UNet.output_blocks": ("layers of the advanced node", ""),
    "UNet.middle_block[1].transformer_blocks": ("finds the transformers in a block", ""),
    "Transformer.disable_self_attn": ("whether it looks at the prompt alone", ""),
    "Transformer.attn1": ("the attention that is read", ""),
    "Transformer.attn1.to_q": ("whether it can be read; to_k, to_v and to_out, too", ""),
    "Transformer.attn1.comfy_attention": ("which backend a checkpoint chose there", "0.40"),
    # what the host hands to the hooks
    "WrapperExecutor.class_obj.model_options": ("of the guider whose run it is: that run's own", ""),
    "WrapperExecutor.class_obj.model_patcher": ("of the guider: its model's largest sigma", ""),
    "UnetCall.class_obj.diffusion_model": ("the live UNet, with what is patched into it", ""),
    "PlacedPrompt.area": ("a prompt's place", ""),
    "PlacedPrompt.mult": ("a prompt's weight", ""),
    'Latent["samples"]': ("what the preview is wired to", ""),
    'ModelOptions["transformer_options"]["patches_replace"]["attn1"]': ("what stands on the layer already", ""),
    'ModelOptions["model_function_wrapper"]': ("DeepCache, by its name", ""),
    'AttentionOptions["cond_or_uncond"]': ("whose rows the queries are", ""),
    'AttentionOptions["uuids"]': ("which prompt a row is of", ""),
    'AttentionOptions["original_shape"]': ("the latent's height and width, or the crop's", ""),
    'AttentionOptions["activations_shape"]': ("rows and columns of tokens", ""),
    'AttentionOptions["n_heads"]': ("heads of the attention", ""),
    'AttentionOptions["block_index"]': ("which transformer of the block", ""),
    'AttentionOptions["attn_precision"]': ("handed on to the backend", ""),
    'PostCfgArgs["denoised"]': ("the host's result", ""),
    'PostCfgArgs["input"]': ("x, the noisy latent", ""),
    'PostCfgArgs["sigma"]': ("the noise level, one tensor in all hooks of an evaluation", ""),
    'PostCfgArgs["cond"]': ("the positive's prompts", ""),
    'PostCfgArgs["uncond"]': ("the negative's prompts, None at cfg 1", ""),
    'PostCfgArgs["cond_denoised"]': ("the positive's prediction", ""),
    'PostCfgArgs["uncond_denoised"]': ("the negative's prediction", ""),
    'PostCfgArgs["model"]': ("evaluates the degraded latent", ""),
    'PostCfgArgs["model_options"]': ("what lives as long as the run", ""),
    'Prompt["uuid"]': ("which prompt a row is of", ""),
    'Prompt["default"]': ("takes what the other prompts leave", ""),
}  # fmt: skip


def words(text):
    return re.findall(r"\w+", text)


def imported():
    """What of the host's the pack's modules import, for readers and mypy alone or in earnest."""
    for node in (n for path in SOURCES for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_everything_that_the_source_imports_of_the_host_is_listed():
    used = {word for name in USED for word in words(name)}
    of_the_host = {name for name in imported() if words(name)[0] in HOSTS_MODULES}
    assert of_the_host and {name for name in of_the_host if words(name)[-1] not in used} == set()


def test_nothing_is_listed_that_the_source_no_longer_names():
    named = {word for path in SOURCES for word in words(path.read_text(encoding="utf-8"))}
    assert [name for name in USED if words(name)[-1] not in named] == []


@pytest.fixture(scope="module")
def live(model):
    """The host's own objects and dicts, by the names that the table gives them."""
    import nodes

    seen = {}

    def begin(executor, *args, **options):
        seen["WrapperExecutor"] = executor
        return executor(*args, **options)

    def unet_call(executor, *args, **options):
        seen["UnetCall"] = executor
        return executor(*args, **options)

    def replace(q, k, v, extra_options):
        seen["AttentionOptions"] = extra_options
        return v

    def post_cfg(args):
        seen["PostCfgArgs"] = args
        return args["denoised"]

    watched = model.clone()
    add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "watch", begin, watched.model_options, is_model_options=True)
    add_wrapper_with_key(WrappersMP.APPLY_MODEL, "watch", unet_call, watched.model_options, is_model_options=True)
    watched.set_model_attn1_replace(replace, "middle", 0)
    watched.set_model_sampler_post_cfg_function(post_cfg)
    watched.set_model_unet_function_wrapper(lambda unet, told: unet(told["input"], told["timestep"], **told["c"]))
    sample(watched, positive=comfy.hooks.set_default_conds_and_combine([POSITIVE], [NEGATIVE])[0], steps=1)
    unet, prompt = model.get_model_object("diffusion_model"), seen["PostCfgArgs"]["cond"][-1]
    return seen | {
        "ModelPatcher": model,
        "BaseModel": seen["PostCfgArgs"]["model"],
        "ModelConfig": comfy.supported_models.SDXL,
        "ModelSampling": model.get_model_object("model_sampling"),
        "LatentFormat": model.model.latent_format,
        "KSampler": comfy.samplers.KSampler(model, 4, CPU, "euler", "normal"),
        "PlacedPrompt": comfy.samplers.get_area_and_mult(prompt, noise(), torch.ones(1)),
        "UNet": unet,
        "Transformer": unet.middle_block[1].transformer_blocks[0],
        "Latent": nodes.EmptyLatentImage().generate(64, 64)[0],
        "ModelOptions": seen["PostCfgArgs"]["model_options"],
        "Prompt": prompt,
    }


def numbers(version):
    return [int(number) for number in version.split(".")]


@pytest.mark.parametrize("name", [name for name, (_, since) in USED.items() if since != SERVER])
def test_the_host_has_it(live, name):
    since = USED[name][1]
    if since and numbers(since) > numbers(__version__):
        pytest.skip(f"only in ComfyUI {since} and newer")
    # Either error names what is gone.
    pkgutil.resolve_name(name) if words(name)[0] in HOSTS_MODULES else eval(name, live)  # noqa: S307


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
