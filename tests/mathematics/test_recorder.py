"""What is recorded in one evaluation, for how long, and which rows are whose; no host is needed."""

import pytest
import torch

from sag_delayed_activation.sag_core import SigmaWindow, attention_received
from sag_delayed_activation.sampling.hooks import DelayedGuidance
from sag_delayed_activation.sampling.prompt_graph import Typed
from sag_delayed_activation.sampling.recorder import (
    AttentionCall,
    AttentionRecorder,
    DegradedPass,
    Evaluation,
    PromptAttention,
    PromptKey,
    UnetCall,
)
from sag_delayed_activation.sampling.self_attention import SelfAttentionGuidance
from sag_delayed_activation.sampling.sentences import GuidanceSkipped
from sag_delayed_activation.sampling.settings import Settings

KEY = "this node"
SIGMA = torch.tensor([3.0])


def told(*prompts, latent=(8, 12), **more):
    """What the host says of an attention of these prompts, each `(cond_index, uuid)`, on a grid of 4 x 6 tokens."""
    indices, uuids = zip(*prompts, strict=True)
    said = {"cond_or_uncond": list(indices), "uuids": list(uuids), "n_heads": 2, "activations_shape": [1, 8, 4, 6]}
    return said | {"original_shape": [len(prompts), 4, *latent]} | more


def rows(count):
    """Queries or keys [count, 24 tokens, 2 heads * 4]: each row is full of its number."""
    return torch.arange(float(count)).view(-1, 1, 1).expand(-1, 24, 8).contiguous()


def firsts(t):
    return t[:, 0, 0].tolist()


# one call


@pytest.mark.parametrize(
    "indices, wanted, kept, whose",
    [
        ([1, 0], 1, [0, 1], ["a"]),
        ([1, 0], 0, [2, 3], ["b"]),
        ([1, 1, 0], 1, [0, 1, 2, 3], ["a", "b"]),
        ([0, 1, 1], 1, [2, 3, 4, 5], ["b", "c"]),
        ([1, 1], 1, [0, 1, 2, 3], ["a", "b"]),
        ([1, 0], 2, [0, 1, 2, 3], ["a", "b"]),
        ([1, 0], None, [0, 1, 2, 3], ["a", "b"]),
    ],
)
def test_of_a_call_the_rows_of_the_prompts_that_will_be_read_are_kept(indices, wanted, kept, whose):
    q = rows(2 * len(indices))  # two pictures
    call = AttentionCall.of(q, q + 100, told(*zip(indices, "abc", strict=False)), wanted)
    assert firsts(call.q) == kept and firsts(call.k) == [100 + row for row in kept]
    assert list(call.uuids) == whose and len(call.cond_indices) == len(whose)
    assert (call.q is q) == (len(kept) == len(q))  # where all are kept, none is copied


def test_what_is_kept_of_a_call_holds_no_memory_of_the_rest():
    call = AttentionCall.of(rows(4), rows(4), told((1, "a"), (0, "b")), wanted=1)
    assert [t.untyped_storage().nbytes() for t in (call.q, call.k)] == [2 * 24 * 8 * 4] * 2


def test_rows_that_do_not_divide_among_the_prompts_are_all_kept():
    assert firsts(AttentionCall.of(rows(5), rows(5), told((1, "a"), (0, "b")), wanted=1).q) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("traced", [True, False])
def test_what_a_cuda_graph_may_own_is_copied_before_its_next_replay(traced):
    call = AttentionCall.of(rows(2), rows(2), told((1, "a"), (0, "b")), None)._replace(traced=traced)
    copied = call.outside_the_graph()
    call.q.zero_()
    call.k.zero_()
    assert (firsts(copied.q), firsts(copied.k)) == (([0, 1],) * 2 if traced else ([0, 0],) * 2)
    assert not copied.traced


def test_each_prompt_of_a_call_has_its_number_crop_and_grid():
    call = AttentionCall.of(rows(4), rows(4), told((1, "a"), (0, "b"), latent=(8, 12)), None)
    assert [(key, attention[2:]) for key, attention in call.by_prompt()] == [
        (PromptKey("a", 1, (8, 12)), (2, 0, 2, (4, 6))),
        (PromptKey("b", 0, (8, 12)), (2, 1, 2, (4, 6))),
    ]


# one prompt's attention


def test_the_attention_received_is_that_of_the_prompts_own_rows():
    q, k = torch.randn(2, 6, 24, 8)
    for number in range(3):
        own = slice(2 * number, 2 * number + 2)
        received = PromptAttention(q, k, 2, number, 3, (4, 6)).received(batch=2)
        assert torch.equal(received, attention_received(q[own], k[own], 2).view(2, 1, 4, 6))


@pytest.mark.parametrize(
    "q, k, grid, why",
    [
        (rows(2), rows(2), (4, 5), r"shape \(2, 24, 8\) does not fit a 4x5 map"),
        (rows(2), rows(2)[:, :20], (4, 6), "another node changed the keys: 20 do not fit a 4x6 map"),
        (rows(2)[:, :20], rows(2), (4, 6), r"shape \(2, 20, 8\) does not fit a 4x6 map"),
        (rows(3), rows(3), (4, 6), "3 rows does not fit 2 x 1 pictures: another node splits the batch"),
        (rows(1), rows(1), (4, 6), "1 rows does not fit 2 x 1 pictures"),
    ],
)
def test_attention_that_does_not_fit_the_picture_is_skipped_with_its_shape(q, k, grid, why):
    with pytest.raises(GuidanceSkipped, match=why):
        PromptAttention(q, k, 2, 0, 2, grid).received(batch=1)


# one evaluation


@pytest.fixture
def evaluation():
    x, conds = torch.zeros(1, 4, 8, 12), [[{"uuid": "positive"}], [{"uuid": "negative"}]]
    return Evaluation(x, SIGMA, conds)


def unet_call(evaluation, *looks, foreign=""):
    """A call of the UNet in which the layer's attention is called with these queries, each `(value, what is told)`."""
    call = UnetCall(evaluation, foreign)
    for value, options in looks:
        call.record(rows(1) + value, rows(1), options)
    evaluation.take(call)


def read(evaluation):
    return {key.prompt: firsts(attention.q) for key, attention in evaluation.by_prompt().items()}


def test_of_the_calls_of_the_unet_the_first_counts_for_each_prompt(evaluation):
    unet_call(evaluation, (1.0, told((1, "a"))))
    unet_call(evaluation, (2.0, told((1, "a"))))
    unet_call(evaluation, (3.0, told((1, "b"))))
    assert read(evaluation) == {"a": [1.0], "b": [3.0]}


def test_of_the_forwards_in_a_call_the_last_counts_and_of_the_looks_in_it_the_first(evaluation):
    its_own, the_pictures = told((1, "a")), told((1, "a"))
    unet_call(evaluation, (1.0, its_own), (2.0, its_own), (3.0, the_pictures), (4.0, the_pictures))
    assert read(evaluation) == {"a": [3.0]}


def test_a_prompt_that_the_last_forward_left_out_is_read_in_the_last_that_had_it(evaluation):
    unet_call(evaluation, (1.0, told((1, "a"))), (2.0, told((0, "b"))))
    assert read(evaluation) == {"a": [1.0], "b": [2.0]}


def test_two_calls_at_once_do_not_meet(evaluation):
    """As on two GPUs."""
    calls = [UnetCall(evaluation), UnetCall(evaluation)]
    for value, (call, name) in enumerate(zip(calls, "ab", strict=True)):
        call.record(rows(1) + value, rows(1), told((1, name)))
    for call in reversed(calls):
        evaluation.take(call)
    assert read(evaluation) == {"a": [0.0], "b": [1.0]}


def test_a_closed_evaluation_records_nothing_and_keeps_nothing(evaluation):
    look = (1.0, told((1, "a")))
    unet_call(evaluation, look)
    evaluation.predictions = [evaluation.x]
    late = UnetCall(evaluation)
    late.record(rows(1), rows(1), told((1, "a")))
    evaluation.close()
    evaluation.take(late)
    unet_call(evaluation, look)
    assert (evaluation.calls, evaluation.predictions) == ([], [])


def test_after_a_call_of_the_unet_what_it_recorded_leaves_its_graph(evaluation):
    call = UnetCall(evaluation)
    call.record(rows(2), rows(2), told((1, "a"), (0, "b")))
    call.recorded = [attention._replace(traced=True) for attention in call.recorded]
    evaluation.take(call)
    ((kept,),) = evaluation.calls
    assert torch.equal(kept.q, call.recorded[0].q) and kept.q is not call.recorded[0].q


def test_what_else_computes_the_attention_is_kept_from_the_first_call_that_knows_it(evaluation):
    for name in ("", "pack.Attention", ""):
        unet_call(evaluation, foreign=name)
    assert evaluation.foreign == "pack.Attention" and evaluation.calls == []


def test_a_call_belongs_to_the_evaluation_of_its_sigma_whose_latent_it_has_or_whose_prompts_it_has_not(evaluation):
    x, sigma, conds = evaluation.x, evaluation.sigma, evaluation.conds
    assert evaluation.includes(x, sigma, conds)
    assert evaluation.includes(x.clone(), sigma, [conds[0]])
    assert evaluation.includes(x.clone(), sigma, [None, conds[1]])
    assert evaluation.includes(x.clone(), sigma, [*conds, None])
    assert not evaluation.includes(x.clone(), sigma, conds)  # a part of the latent
    assert not evaluation.includes(x, sigma.clone(), conds)  # the next evaluation


def test_it_knows_its_latent_its_sigma_and_whether_it_saw_some_prompts_alone(evaluation):
    x, sigma, conds = evaluation.x, evaluation.sigma, evaluation.conds
    assert evaluation.covers(x) and not evaluation.covers(x.clone())
    assert evaluation.is_at(sigma) and not evaluation.is_at(sigma.clone())
    assert not evaluation.saw_only(conds[0])
    alone = Evaluation(x, sigma, conds[:1])
    assert alone.saw_only(conds[0]) and not alone.saw_only(list(conds[0]))


def test_a_prompt_is_found_by_its_list_or_where_that_was_copied_by_a_name_that_it_alone_has(evaluation):
    positive, negative = evaluation.conds
    twin = {"uuid": "positive"}  # of a region of the positive
    unet_call(evaluation, (0.0, told((0, "positive"), (1, "negative"), (1, "positive"))))
    assert evaluation.cond_index_of(positive, negative) == 0 and evaluation.cond_index_of(negative, positive) == 1
    assert evaluation.cond_index_of([*negative, twin], positive) == 1
    assert evaluation.cond_index_of([dict(negative[0])], None) == 1
    assert evaluation.cond_index_of([{"uuid": "another"}], positive) is None
    assert evaluation.cond_index_of([dict(positive[0])], None) is None  # on both sides: it is open which is meant


# the hooks


@pytest.fixture
def node():
    settings = Settings(scale=0.5, blur_sigma=2.0, window=SigmaWindow(15, 0))
    return DelayedGuidance(settings, SelfAttentionGuidance(settings, None, KEY), KEY, Typed("a node", {}))


def replace(q, k, v, extra_options):
    """What stood on the layer before."""
    return v + 1


RECORDER = AttentionRecorder(KEY, 0, replace)


def run_unet(evaluation, **more):
    """The part of a UNet's call that the recorder sees."""
    call = UnetCall(evaluation)
    output = RECORDER(rows(2), rows(2), rows(2), told((1, "a"), (0, "b"), **{KEY: call}, **more))
    evaluation.take(call)
    return output


def test_queries_and_keys_are_recorded_while_the_prompts_are_evaluated_and_no_longer(node):
    options, x, conds = {}, torch.zeros(1, 4, 8, 12), [[{"uuid": "b"}], [{"uuid": "a"}]]
    predictions = [x, x + 1]

    def evaluate(*_):
        run_unet(options[KEY])
        return predictions

    assert node.around_evaluation(evaluate, None, conds, x, SIGMA, {"transformer_options": options}) is predictions
    evaluation = options[KEY]
    run_unet(evaluation)  # another node's call, after it
    ((kept,),) = evaluation.calls
    assert firsts(kept.q) == [0]  # the negative's row alone
    assert evaluation.predictions == predictions and evaluation.predictions is not predictions


def test_a_call_inside_an_evaluation_does_not_begin_another(node):
    options, x, conds = {}, torch.zeros(1, 4, 8, 12), [[{"uuid": "b"}], [{"uuid": "a"}]]

    def evaluate(*_):
        return [x, x]

    node.around_evaluation(evaluate, None, conds, x, SIGMA, {"transformer_options": options})
    first = options[KEY]
    node.around_evaluation(evaluate, None, conds[:1], x, SIGMA, {"transformer_options": options})
    assert options[KEY] is first
    node.around_evaluation(evaluate, None, conds, x, SIGMA.clone(), {"transformer_options": options})
    assert options[KEY] is not first


def test_an_error_closes_the_evaluation(node):
    options, x = {}, torch.zeros(1, 4, 8, 12)

    def evaluate(*_):
        run_unet(options[KEY])
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        node.around_evaluation(evaluate, None, [None, []], x, SIGMA, {"transformer_options": options})
    assert not options[KEY].open and options[KEY].calls == []


def test_what_stood_on_the_layer_before_computes_the_attention(evaluation):
    assert torch.equal(run_unet(evaluation), rows(2) + 1)
    assert torch.equal(RECORDER(rows(2), rows(2), rows(2), {}), rows(2) + 1)  # in no evaluation


def test_the_other_transformers_of_a_block_are_not_recorded(evaluation):
    run_unet(evaluation, block_index=1)
    assert evaluation.calls == []
    run_unet(evaluation, block_index=0)
    assert len(evaluation.calls) == 1


def test_of_the_pass_on_the_degraded_latent_the_calls_in_which_the_layer_ran_are_counted():
    """A video model's layer has two attentions, and a cache may answer in the UNet's stead."""
    degraded = DegradedPass()
    look = (1.0, told((1, "a")))
    unet_call(degraded, look, look)
    unet_call(degraded)
    unet_call(degraded, look)
    assert degraded.unet_calls == 2 and UnetCall(degraded).includes(None, None, None)


def test_a_call_belongs_to_what_its_evaluation_includes(evaluation):
    call, x, conds = UnetCall(evaluation), evaluation.x, evaluation.conds
    assert call.includes(x, evaluation.sigma, conds) and not call.includes(x, evaluation.sigma.clone(), conds)


def test_of_several_calls_of_the_unet_one_with_foreign_attention_is_enough(evaluation):
    for given in (evaluation, DegradedPass()):
        for foreign in ("", "a pack's", ""):
            given.take(UnetCall(given, foreign))
        assert given.foreign == "a pack's"


class Replace:
    """What knows all that the host may ask of a replace."""

    def __init__(self, place="here"):
        self.place, self.cleaned = place, 0

    def to(self, place):
        return Replace(place)

    def models(self):
        return [self.place]

    def cleanup(self):
        self.cleaned += 1


def test_what_the_host_asks_of_a_replace_goes_on_to_what_stood_there_before():
    before = Replace()
    twice = AttentionRecorder(KEY, 0, AttentionRecorder("another node", 0, before))
    moved = twice.to("there")
    assert (twice.models(), moved.models()) == (["here"], ["there"])
    twice.cleanup()
    assert (before.cleaned, moved.previous.previous.cleaned) == (1, 0)
    assert (moved.key, moved.transformer) == (twice.key, twice.transformer)


def test_of_a_replace_that_knows_nothing_of_it_nothing_is_asked():
    recorder = AttentionRecorder(KEY, 0, replace)
    assert recorder.to("there") is recorder and recorder.models() == [] and recorder.cleanup() is None
