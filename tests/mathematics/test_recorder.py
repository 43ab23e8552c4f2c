"""What is recorded in one evaluation, for how long, and which rows are whose; no host is needed."""

import pytest
import torch

from sag_delayed_activation.sag_core import SigmaWindow, attention_received
from sag_delayed_activation.sampling.hooks import DelayedGuidance
from sag_delayed_activation.sampling.recorder import (
    AttentionCall,
    AttentionRecorder,
    DegradedPass,
    Evaluation,
    PromptAttention,
    PromptKey,
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


def test_the_first_record_of_a_prompt_counts(evaluation):
    for value in (1.0, 2.0):
        evaluation.record(rows(1) + value, rows(1), told((1, "a")))
    evaluation.record(rows(1) + 3, rows(1), told((1, "b")))
    assert {key.prompt: firsts(attention.q) for key, attention in evaluation.by_prompt().items()} == {
        "a": [1.0], "b": [3.0],
    }  # fmt: skip


def test_a_closed_evaluation_records_nothing_and_keeps_nothing(evaluation):
    evaluation.record(rows(1), rows(1), told((1, "a")))
    evaluation.predictions = [evaluation.x]
    evaluation.close()
    evaluation.record(rows(1), rows(1), told((1, "a")))
    assert (evaluation.calls, evaluation.predictions) == ([], [])


def test_before_the_next_call_of_the_unet_records_leave_its_graph(evaluation):
    evaluation.record(rows(2), rows(2), told((1, "a"), (0, "b")))
    evaluation.calls = [call._replace(traced=True) for call in evaluation.calls]
    before = evaluation.calls[0].q
    evaluation.unet_call_ends()
    assert torch.equal(evaluation.calls[0].q, before) and evaluation.calls[0].q is not before


def test_a_call_belongs_to_the_evaluation_of_its_sigma_whose_latent_it_has_or_whose_prompts_it_has_not(evaluation):
    x, sigma, conds = evaluation.x, evaluation.sigma, evaluation.conds
    assert evaluation.includes(x, sigma, conds)
    assert evaluation.includes(x.clone(), sigma, [conds[0]])
    assert evaluation.includes(x.clone(), sigma, [None, conds[1]])
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
    evaluation.record(rows(3), rows(3), told((0, "positive"), (1, "negative"), (1, "positive")))
    assert evaluation.cond_index_of(positive, negative) == 0 and evaluation.cond_index_of(negative, positive) == 1
    assert evaluation.cond_index_of([*negative, twin], positive) == 1
    assert evaluation.cond_index_of([dict(negative[0])], None) == 1
    assert evaluation.cond_index_of([{"uuid": "another"}], positive) is None
    assert evaluation.cond_index_of([dict(positive[0])], None) is None  # on both sides: it is open which is meant


# the hooks


@pytest.fixture
def node():
    settings = Settings(scale=0.5, blur_sigma=2.0, window=SigmaWindow(15, 0))
    return DelayedGuidance(settings, SelfAttentionGuidance(settings, None, KEY), KEY)


def replace(q, k, v, extra_options):
    """What stood on the layer before."""
    return v + 1


RECORDER = AttentionRecorder(KEY, 0, replace)


def run_unet(options, **more):
    """The part of a UNet's call that the recorder sees."""
    return RECORDER(rows(2), rows(2), rows(2), told((1, "a"), (0, "b"), **options, **more))


def test_queries_and_keys_are_recorded_while_the_prompts_are_evaluated_and_no_longer(node):
    options, x, conds = {}, torch.zeros(1, 4, 8, 12), [[{"uuid": "b"}], [{"uuid": "a"}]]
    predictions = [x, x + 1]
    run_unet(options)  # before any evaluation

    def evaluate(*_):
        run_unet(options)
        return predictions

    assert node.around_evaluation(evaluate, None, conds, x, SIGMA, {"transformer_options": options}) is predictions
    run_unet(options)  # another node's call, after it
    evaluation = options[KEY]
    assert len(evaluation.calls) == 1 and firsts(evaluation.calls[0].q) == [0]  # the negative's row alone
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
        run_unet(options)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        node.around_evaluation(evaluate, None, [None, []], x, SIGMA, {"transformer_options": options})
    assert not options[KEY].open and options[KEY].calls == []


def test_what_stood_on_the_layer_before_computes_the_attention():
    assert torch.equal(run_unet({}), rows(2) + 1)


def test_the_other_transformers_of_a_block_are_not_recorded(evaluation):
    run_unet({KEY: evaluation}, block_index=1)
    assert evaluation.calls == []
    run_unet({KEY: evaluation}, block_index=0)
    assert len(evaluation.calls) == 1


def test_the_pass_on_the_degraded_latent_is_counted_and_not_recorded():
    degraded = DegradedPass()
    run_unet({KEY: degraded})
    run_unet({KEY: degraded})
    degraded.unet_call_ends()
    assert degraded.unet_calls == 2 and degraded.includes(None, None, None)


def test_after_a_run_the_hosts_cleanup_goes_on_to_what_stood_there_before():
    class Replace:
        cleaned = 0

        def cleanup(self):
            self.cleaned += 1

    before = Replace()
    AttentionRecorder(KEY, 0, before).cleanup()
    AttentionRecorder(KEY, 0, replace).cleanup()
    assert before.cleaned == 1
