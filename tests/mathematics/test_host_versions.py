"""What stands in for things that hosts of another age do not say, or take; no host is needed."""

import uuid

import pytest

from sag_delayed_activation.sampling.host import known_arguments, prompt_ids, renamed, token_grid


def plain(q, k, v, heads, mask=None):
    """As of April 2024."""


def precise(q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False):
    """As of summer 2024."""


def open_to_all(q, k, v, heads, mask=None, **more):
    """As since 0.3.60, and as other packs have it."""


@pytest.mark.parametrize(
    "backend, taken",
    [(plain, set()), (precise, {"attn_precision"}), (open_to_all, {"attn_precision", "transformer_options"})],
)
def test_an_attention_backend_is_given_what_it_takes(backend, taken):
    assert {"attn_precision", "transformer_options"} & set(known_arguments(backend)) == taken


@pytest.mark.parametrize(
    "latent, tokens, grid",
    [((64, 96), 64 * 96, (64, 96)), ((64, 96), 8 * 12, (8, 12)), ((25, 37), 4 * 5, (4, 5)), ((9, 5), 2, (2, 1))],
)
def test_without_a_word_of_the_host_a_unet_is_taken_to_halve_each_side_rounding_up(latent, tokens, grid):
    assert token_grid(None, (1, 4, *latent), tokens) == grid


def test_where_the_host_says_the_grid_it_is_believed():
    assert token_grid([1, 8, 3, 7], (1, 4, 64, 96), 21) == (3, 7)


def test_before_0_3_7_prompts_have_no_names_and_get_none():
    assert prompt_ids({"cond_or_uncond": [1, 0]}) == [None, None]
    assert renamed({"model_conds": {}}, "this node") == {"model_conds": {}}


def test_a_prompt_gets_a_name_of_its_own_the_same_each_time():
    prompt = {"uuid": uuid.UUID(int=1), "strength": 0.5}
    once, again, other = renamed(prompt, "this node"), renamed(prompt, "this node"), renamed(prompt, "another")
    assert once == again and once["strength"] == 0.5
    assert len({each["uuid"] for each in (prompt, once, other)}) == 3 and prompt["uuid"] == uuid.UUID(int=1)
