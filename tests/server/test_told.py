"""What the real server tells a page of a run, over its own channel."""

from demo_prompt import workflow
from heard import queue_as_page


def test_the_page_whose_prompt_it_was_hears_what_the_node_did_and_no_other(server):
    heard, calls = queue_as_page(server, workflow(1, sigma_start=5.0))
    [told] = heard.told
    assert told["node"] == "sag" and heard.lines == []  # the page writes the line, in its own language
    acted = len(told["acted"])
    assert told["text"].startswith(f"acted on {acted} of 2 model evaluations") and calls == 2 + acted
    assert set(told) == {"node", "sigmas", "acted", "skipped", "start", "end", "text", "clauses", "warns", "percents"}


def test_a_run_in_which_it_never_acted_is_a_warning_on_the_node(server):
    (told,) = queue_as_page(server, workflow(2, sigma_start=0.01))[0].told
    assert told["warns"] and told["text"].startswith("choose a window")
    assert "; acted on 0 of 2 model evaluations: none lay in the window" in told["text"]


def test_a_node_in_a_subgraph_is_told_by_the_id_that_the_page_gave_it(server):
    (told,) = queue_as_page(server, workflow(3, sag="12:5"))[0].told
    assert told["node"] == "12:5"


def test_of_pieces_in_one_prompt_the_page_hears_each_and_the_log_has_their_line_once(server):
    before, prompt = server.log.read_text(), workflow(7)
    prompt["pieces"] = {"class_type": "RebatchLatents", "inputs": {"latents": ["ten", 0], "batch_size": 5}}
    prompt["sampler"]["inputs"]["latent_image"] = ["pieces", 0]
    heard, calls = queue_as_page(server, prompt)
    logged = server.log.read_text().removeprefix(before)
    assert calls == 2 * 4 and len(heard.told) == 2 and logged.count("acted on 2 of 2") == 1


def test_an_unchanged_prompt_resamples_nothing_and_nothing_is_said(server):
    assert queue_as_page(server, workflow(4))[1] == 4
    assert queue_as_page(server, workflow(4)) == (([], []), 0)


def test_the_id_is_in_no_key_of_the_hosts_cache(server):
    assert queue_as_page(server, workflow(5, sag="5", scale=0.4))[1] == 4
    assert queue_as_page(server, workflow(5, sag="6", scale=0.4)) == (([], []), 0)
