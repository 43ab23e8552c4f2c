"""What holds for any model, prompts, sampler, window and neighbours: tried on random ones, see `scenes`.

25 examples of each property, the same ones each time; `python dev.py nightly` tries 500 others of each.
"""

import functools
from collections import Counter

import torch
from dense_reference import DenseSAG
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from neighbours import ALL
from scenes import HIDING, Own, Unet, empty_windows, half_unets, scenes, stacks, unets
from watch import Watch, recorded

SMALLEST = 5  # the side of a latent that the blur needs
patient = settings(suppress_health_check=[HealthCheck.too_slow])


def unpatched(scene):
    """The latent without the node, and its evaluations."""
    latent, met = watched(scene, lambda m: m)
    assume(torch.isfinite(latent).all())  # some samplers give no number on some schedules of a few steps
    return latent, met


def watched(scene, patch):
    """The latent with `patch`, and what the node did in each evaluation."""
    with Watch(scene.model) as watch:
        patched, met = watch.around(patch, watch.begin(scene.model))
        return scene.sample(watch.end(patched)), met


def sees_x0(scene, met):
    """Whether anything of x0 is in the latent: at sigma 1 of a flow model it is noise alone."""
    return scene.unet.kind != "FLOW" or 1 - met.sigma >= 1e-3


@patient
@given(scenes(unet=unets | half_unets))
def test_each_step_in_the_window_runs_the_negative_once_more_and_every_other_is_the_hosts_own(scene):
    options, patches = repr(scene.model.model_options), dict(scene.model.patches)
    _, without = unpatched(scene)
    evaluated = [met.sigma for met in without]
    with recorded() as references:
        _, run = watched(scene, lambda m: scene.patch(m, evaluated))
    begun = False
    for number, met in enumerate(run):
        inside = scene.window.holds(met.sigma, evaluated)
        acts = inside and min(scene.shape[2:]) >= SMALLEST and bool(met.negatives) and sees_x0(scene, met)
        if acts:
            assert met.extra == met.negatives
        else:
            assert met.untouched
        assert torch.isfinite(met.after).all()
        begun = begun or acts
        assert begun or torch.equal(met.after, without[number].after)
    event(f"acted: {begun}")
    assert not any(reference() is not None for reference in references)
    assert repr(scene.model.model_options) == options and scene.model.patches == patches


@patient
@given(scenes(window=empty_windows, unet=unets | half_unets))
def test_without_a_step_in_the_window_the_latent_is_the_unpatched_one_to_the_bit(scene):
    plain, without = unpatched(scene)
    latent, run = watched(scene, lambda m: scene.patch(m, [met.sigma for met in without]))
    assert torch.equal(latent, plain)
    assert [met.prompts for met in run] == [met.prompts for met in without] and all(met.untouched for met in run)


class Beside(DenseSAG):
    """The reference, asked what it would do at each step of a run that it leaves alone."""

    def __init__(self, *settings):
        super().__init__(*settings)
        self.steps = []  # what guidance it would give, and how close to the threshold a token's attention comes

    def guide(self, args):
        near = (self.attention(len(args["input"])) - self.threshold).abs().min()
        self.steps.append((super().guide(args) - args["denoised"], near))
        return args["denoised"]


@patient
@given(scenes(
    several=False,
    shape=st.tuples(st.integers(1, 3), st.just(4), *[st.integers(SMALLEST, 20)] * 2),
    cfg=st.sampled_from([7.0, 2.0]),
    short=st.just((False,)),
))  # fmt: skip
def test_each_step_is_guided_as_by_the_dense_reference(scene):
    _, without = unpatched(scene)
    reference = Beside(scene.model, scene.scale, scene.blur_sigma)
    with Watch(scene.model) as watch, reference as beside:
        patched, run = watch.around(lambda m: scene.patch(m, [met.sigma for met in without]), beside)
        scene.sample(watch.end(patched))
    for met, (expected, near) in zip(run, reference.steps, strict=True):
        if met.extra and near > 1e-5:  # nearer, and rounding decides whether a token is masked
            off = met.after - met.before - expected
            assert off.norm() <= 3e-4 * expected.norm() + 3e-7 * met.before.norm()


def stacked(scene, stack, evaluated=None):
    """The latent behind a stack of nodes, and of each of the pack's what it did; none of these without `evaluated`."""
    with Watch(scene.model) as watch:
        model, runs = watch.begin(scene.model), []
        for node in stack:
            if isinstance(node, Own):
                alone = (lambda m: m) if evaluated is None else functools.partial(node.patch, evaluated=evaluated)
                model, met = watch.around(alone, model)
                runs.append(met)
            else:
                model = ALL[node](model)
        return scene.sample(watch.end(model)), runs


@patient
@given(
    scenes(
        several=False,
        unet=st.just(Unet()),
        shape=st.tuples(st.integers(1, 2), st.just(4), *[st.sampled_from([8, 16, 24])] * 2),
        cfg=st.sampled_from([7.0, 2.0]),
        sampler=st.sampled_from(["euler", "heun", "dpmpp_2m", "euler_ancestral"]),
    ),
    stacks,
)
def test_in_any_stack_of_nodes_each_adds_its_guidance_in_its_window_and_nothing_outside(scene, stack):
    options = repr(scene.model.model_options)
    alone, without = stacked(scene, stack)
    assume(torch.isfinite(alone).all())
    evaluated = [met.sigma for met in without[0]]
    latent, runs = stacked(scene, stack, evaluated)
    own = [node for node in stack if isinstance(node, Own)]
    begun, hidden = False, HIDING & {node for node in stack if isinstance(node, str)}
    for number in range(len(evaluated)):
        for node, run, others in zip(own, runs, without, strict=True):
            met = run[number]
            inside = node.window.holds(met.sigma, evaluated)
            if not inside:
                assert met.untouched
            elif node.advanced is None and not hidden:
                assert met.extra == met.negatives
            assert met.extra in (Counter(), met.negatives, met.positives)
            assert torch.isfinite(met.after).all()
            begun = begun or not met.untouched
            assert begun or torch.equal(met.after, others[number].after)
    event(f"acted: {begun}")
    assert begun or torch.equal(latent, alone)
    assert repr(scene.model.model_options) == options
