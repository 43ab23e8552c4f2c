"""Packs that run the UNet's forward several times in one of its calls: what is read is what the picture's own did."""

import torch
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key
from hosts import has_todays_nodes
from neighbours import beside, orders, reference
from tiny_unet import distance, sample


@orders
def test_the_mask_is_that_of_the_pictures_own_forward(sag, model, said, first):
    latent = sample(beside(reference, sag, model, first))
    assert torch.equal(latent, sample(sag(model)))
    assert said().count("acted on 4 of 4 model evaluations") == 2 and said().count("4 extra UNet calls") == 2


@orders
def test_where_that_forward_has_further_keys_the_step_is_left_alone(sag, model, said, first):
    """reference_attn adds the keys of its own latent."""
    seen = []

    def longer(q, k, v, extra_options):
        if seen[-1] == "its own":
            return q, k, v
        return q, torch.cat([k, k], dim=1), torch.cat([v, v * 0.5], dim=1)

    def pack(model):
        patched = reference(model, seen)
        patched.set_model_attn1_patch(longer)
        return patched

    assert torch.equal(sample(beside(pack, sag, model, first)), sample(pack(model)))
    assert "4 because another node changed the keys: 192 do not fit a 8x12 map" in said()


def test_of_one_forward_the_first_look_counts(sag, model):
    """reference_attn with style fidelity asks the attention twice."""
    patched = sag(model)
    once = patched.model_options["transformer_options"]["patches_replace"]["attn1"][("middle", 0)]

    def twice(q, k, v, extra_options):
        output = once(q, k, v, extra_options)
        once(q.flip(1) * 0.1, k, v, extra_options)
        return output

    again = patched.clone()
    again.set_model_attn1_replace(twice, "middle", 0)
    assert torch.equal(sample(again), sample(patched))


def test_a_forward_for_each_prompt_is_read_as_one_for_all(sag, model):
    """A pack that takes the prompts of one call apart."""
    apart = model.clone()

    def wrapper(executor, x, timesteps, context, y, control, options, **more):
        outputs = []
        for place, (index, name) in enumerate(zip(options["cond_or_uncond"], options["uuids"], strict=True)):
            own = {**options, "cond_or_uncond": [index], "uuids": [name]}
            one = slice(place, place + 1)
            outputs.append(executor(x[one], timesteps[one], context[one], y, control, own, **more))
        return torch.cat(outputs)

    apart.add_wrapper(WrappersMP.DIFFUSION_MODEL, wrapper)
    assert distance(sample(sag(apart)), sample(sag(model))) < 1e-4 < distance(sample(sag(model)), sample(model))


def test_a_call_of_the_unet_inside_another_is_one_more_forward_of_that(sag, model, said):
    def wrapper(executor, x, t, c_concat, c_crossattn, control, options, **more):
        if "inside" not in options:
            own = (x.flip(-1), t, c_concat, c_crossattn, control, {**options, "inside": True})
            executor.class_obj.apply_model(*own, **more)
        return executor(x, t, c_concat, c_crossattn, control, options, **more)

    patched = sag(model)
    inside = patched.clone()
    # In the options, as the node's own: behind that one then, on each host.
    add_wrapper_with_key(WrappersMP.APPLY_MODEL, "inside", wrapper, inside.model_options, is_model_options=True)
    assert torch.equal(sample(inside), sample(patched))
    assert said().count("4 extra UNet calls") == 2


@has_todays_nodes
def test_the_same_under_torch_compile(sag, model):
    from compiling import through_the_node

    compiled = through_the_node(reference(sag(model)), "eager")
    assert distance(sample(compiled, steps=1), sample(sag(model), steps=1)) < 1e-5  # each step is compiled anew
    torch._dynamo.reset()
