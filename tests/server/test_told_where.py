"""On which nodes of the page the line of a run is shown, whatever the host has kept of earlier prompts."""

from demo_prompt import fault, workflow
from heard import queue_as_page


def both(seed, of_a=2.0, of_b=2.0):
    """Two equal SAG nodes in one prompt, each with a sampler of its own; these have a cfg each."""
    first, second = workflow(seed, sag="a"), workflow(seed + 100, sag="b")
    renamed = {"sampler": "sampler 2", "image": "image 2", "shown": "shown 2"}
    for key, node in second.items():
        inputs = {n: [renamed.get(v[0], v[0]), v[1]] if isinstance(v, list) else v for n, v in node["inputs"].items()}
        first.setdefault(renamed.get(key, key), {**node, "inputs": inputs})
    first["sampler"]["inputs"]["cfg"], first["sampler 2"]["inputs"]["cfg"] = of_a, of_b
    return first


def told_of(heard):
    return sorted((told["node"], told["warns"]) for told in heard.told)


def test_of_two_tabs_with_the_same_node_each_hears_it_by_its_own_id(cached_server):
    """The host hands the MODEL of the first to the second."""
    assert told_of(queue_as_page(cached_server, workflow(10, sag="5"))[0]) == [("5", False)]
    other = workflow(11, sag="9")
    other["5"] = other.pop("sampler")
    other["image"]["inputs"]["samples"] = ["5", 0]
    assert told_of(queue_as_page(cached_server, other)[0]) == [("9", False)]


def test_of_two_equal_nodes_in_one_prompt_each_is_told_of_its_own_sampler(cached_server):
    assert told_of(queue_as_page(cached_server, both(12, of_b=1.0))[0]) == [("a", False), ("b", True)]
    assert told_of(queue_as_page(cached_server, both(13, of_a=1.0))[0]) == [("a", True), ("b", False)]


def test_a_node_that_was_pasted_anew_is_told_and_the_deleted_one_is_not(cached_server):
    assert told_of(queue_as_page(cached_server, workflow(14, sag="7", scale=0.45))[0]) == [("7", False)]
    assert told_of(queue_as_page(cached_server, workflow(15, sag="8", scale=0.45))[0]) == [("8", False)]


def test_an_error_in_a_run_is_told_as_its_early_end(cached_server):
    prompt = workflow(16) | fault("exception", 3)
    prompt["sampler"]["inputs"]["model"] = ["fault", 0]
    (told,) = queue_as_page(cached_server, prompt)[0].told
    assert told["node"] == "sag" and told["text"].endswith("the run ended early")
