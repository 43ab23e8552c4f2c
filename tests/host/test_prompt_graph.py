"""On which node of the prompt under way a run's line is shown."""

import pytest

from sag_delayed_activation.sampling.prompt_graph import Typed, nodes_told

BASIC, ADVANCED = "SAG delayed activation", "SAG delayed activation (advanced)"
STRONG, WEAK = Typed(BASIC, {"scale": 0.5, "sigma_end": 0.0}), Typed(BASIC, {"scale": 0.25, "sigma_end": 0.0})


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def sag(model, scale=0.5, kind=BASIC, **inputs):
    return node(kind, model=[model, 0], scale=scale, **inputs)


def sampler(model, latent="empty"):
    return node("KSampler", model=[model, 0], latent_image=[latent, 0], positive=["loader", 1], seed=1)


def graph(**nodes):
    return {"loader": node("CheckpointLoaderSimple"), "empty": node("EmptyLatentImage"), **nodes}


def test_the_node_on_the_models_way_to_the_sampler_is_told_and_no_equal_one_beside_it():
    two = graph(a=sag("loader"), b=sag("loader"), s=sampler("a"), t=sampler("b"))
    assert nodes_told([STRONG], two, "s") == [["a"]] and nodes_told([STRONG], two, "t") == [["b"]]


def test_the_way_goes_through_other_nodes_guiders_subgraphs_and_classes_that_nobody_knows():
    way = graph(**{
        "12:5": sag("loader"), "lora": node("LoraLoaderModelOnly", model=["12:5", 0]),
        "pack": node("a pack's switch", anything=["lora", 3]), "guider": node("BasicGuider", model=["pack", 0]),
        "s": node("SamplerCustomAdvanced", guider=["guider", 0], sigmas=["nowhere", 0]),
    })  # fmt: skip
    assert nodes_told([STRONG], way, "s") == [["12:5"]]


def test_the_stage_before_is_not_on_it():
    """Its latent comes from a sampler with an equal node of its own."""
    stages = graph(a=sag("loader"), s=sampler("a"), b=sag("loader"), t=sampler("b", latent="s"))
    assert nodes_told([STRONG], stages, "t") == [["b"]]


def test_several_are_told_apart_by_class_settings_and_order():
    row = graph(
        a=sag("loader", 0.25), b=sag("a"), off=sag("b", 0.0), c=sag("off", kind=ADVANCED), d=sag("c"), s=sampler("d")
    )
    advanced = Typed(ADVANCED, {"scale": 0.5})
    assert nodes_told([WEAK, STRONG, advanced, STRONG], row, "s") == [["a"], ["b"], ["c"], ["d"]]
    assert nodes_told([STRONG, WEAK], row, "s") == [[], []]  # in no such order


def test_where_it_is_not_clear_which_all_are_told():
    merged = graph(
        a=sag("loader"), b=sag("loader"), m=node("ModelMergeSimple", model1=["a", 0], model2=["b", 0]), s=sampler("m")
    )
    assert nodes_told([STRONG], merged, "s") == [["a", "b"]]


def test_a_value_that_is_wired_in_may_be_any_and_one_that_is_left_out_is_not_compared():
    wired = graph(a=sag("loader", ["number", 0]), s=sampler("a"))
    assert nodes_told([STRONG], wired, "s") == [["a"]] == nodes_told([WEAK], wired, "s")


@pytest.mark.parametrize("executing, told", [("s", ["a"]), ("s.0.0.3", ["a"]), ("7", []), ("loader", [])])
def test_the_node_that_executes_decides_or_the_one_that_made_it(executing, told):
    assert nodes_told([STRONG], graph(a=sag("loader"), s=sampler("a")), executing) == [told]


def test_a_circle_ends():
    assert nodes_told([STRONG], graph(a=sag("b"), b=sag("a"), s=sampler("a")), "s") == [["a", "b"]]
