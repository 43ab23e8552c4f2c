"""The benchmark on a small UNet: what it counts and how it goes on, never how long it takes."""

import json
import math
import re

import comfy.ldm.modules.attention
import comfy.model_detection
import comfy.samplers
import pytest
import torch
from hosts import has_todays_nodes
from torch.utils._python_dispatch import TorchDispatchMode

from lab.benchmarks import cases, report
from lab.benchmarks.cases import BLUR, SCALE, VARIANTS
from lab.benchmarks.own_time import own_stretches
from lab.benchmarks.timing import run
from lab.loading import ROOT, load_pack
from lab.records import Records, read

pytestmark = has_todays_nodes
CASE = cases.Case("tiny", 64, steps=2)
RESULTS = ROOT / "lab/benchmarks/RESULTS.md"
A_DOZEN = 12  # operations a step


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The file of a run of two repetitions."""
    out = tmp_path_factory.mktemp("benchmark") / "tiny.jsonl"
    records = Records(out)
    records.add(kind="machine", device="a card", driver="1", command="python bench.py run --out /home/me/a.jsonl")
    with torch.no_grad():
        run(records, CASE, 2, math.inf)
    return out


def samples(out):
    return read(out, kind="sample")


def test_each_variant_is_sampled_once_in_each_repetition_in_another_order(measured):
    orders = [[s["variant"] for s in samples(measured) if s["repetition"] == n] for n in (0, 1)]
    assert [sorted(order) for order in orders] == [sorted(VARIANTS)] * 2 and orders[0] != orders[1]


def test_each_variant_makes_the_unet_calls_that_its_name_says(measured):
    assert {s["variant"]: s["calls"] for s in samples(measured)} == {
        "unpatched": 2, "none": 2, "half": 3, "limit": 4, "host": 4, "all": 4
    }  # fmt: skip


def test_no_active_step_is_bit_identical_and_every_latent_is_finite(measured):
    assert [r["value"] for r in read(measured, kind="identical")] == [True, True]
    assert all(s["finite"] for s in samples(measured))


class Operations(TorchDispatchMode):
    """Counts the operations that torch is asked for while it is in use: at batch 1 they cost more than their work."""

    count = 0

    def __torch_dispatch__(self, operation, _types, args=(), options=None):
        self.count += 1
        return operation(*args, **(options or {}))


def operations_of(work, model):
    """How many operations torch is asked for in a run of the model."""
    with torch.no_grad(), Operations() as operations:
        work.sample(model)
    return operations.count


def test_a_step_takes_no_more_operations_than_with_comfyuis_own_sag():
    case = CASE._replace(steps=4)
    work = cases.workload(case)
    work.sample(work.model)  # the first one loads the model, too
    names = ("unpatched", "host", "all", "none")
    counts = {name: operations_of(work, work.variant(name)) for name in names}
    assert counts["unpatched"] < counts["none"] <= counts["unpatched"] + 10 * case.steps
    assert counts["none"] < counts["all"] <= counts["host"]


def test_detail_adds_a_dozen_operations_to_a_step_that_acts_and_at_0_none():
    case = CASE._replace(steps=4)
    work = cases.workload(case)
    advanced = load_pack().NODE_CLASS_MAPPINGS["SAG delayed activation (advanced)"]()

    def given(detail, sigma_start=1000.0):
        return operations_of(work, advanced.patch(work.model, SCALE, BLUR, sigma_start, 0.0, detail=detail)[0])

    given(0.5)  # the first one loads the model, and makes the kernels of both blurs
    without, more = given(0.0), given(0.5)
    assert without == operations_of(work, work.variant("all"))
    assert 0 < more - without <= A_DOZEN * case.steps
    assert given(0.5, sigma_start=1e-3) == operations_of(work, work.variant("none"))


def test_a_stopwatch_runs_once_in_each_hook_and_leaves_the_host_as_it_was():
    work, found = cases.workload(CASE), {}
    host = comfy.samplers.calc_cond_batch, comfy.ldm.modules.attention.optimized_attention
    for name in ("unpatched", "none", "all"):
        with torch.no_grad():
            found[name] = own_stretches(work, work.variant(name))
    assert host == (comfy.samplers.calc_cond_batch, comfy.ldm.modules.attention.optimized_attention)
    layers = cases.TINY["transformer_depth_middle"]
    unet_call = 2 + 2 * layers  # before and after it, and before and after the host's attention in each layer
    # Before and after the prompts' evaluation, after CFG, and before and after the run, once in all steps.
    none = 2 + unet_call + 1 + 2 / CASE.steps
    # The second look adds its own evaluation's two stretches and its UNet call, and parts the post-CFG function in two.
    assert {name: len(of) / CASE.steps for name, of in found.items()} == {
        "unpatched": 0, "none": none, "all": none + 2 + unet_call + 1
    }  # fmt: skip
    assert all(seconds > 0 for of in found.values() for _, seconds in of)
    hooks = {"outer_sample", "calc_cond_batch", "apply_model", "attention", "after CFG"}
    assert set(dict(found["none"])) == set(dict(found["all"])) == hooks


def test_a_run_that_was_cut_off_goes_on_where_it_was(measured, tmp_path):
    lines = measured.read_text().splitlines()
    cut = tmp_path / "cut.jsonl"
    last = max(n for n, line in enumerate(lines) if json.loads(line).get("repetition") == 0)
    cut.write_text("\n".join(lines[: last + 3]) + '\n{"kind": "sam')  # the second repetition has just begun
    with torch.no_grad():
        run(Records(cut), CASE, 2, math.inf)
    assert read(cut)[: last + 3] == [json.loads(line) for line in lines[: last + 3]]
    again = [s["variant"] for s in samples(cut)[len(VARIANTS) + 2 :]]
    assert again == [s["variant"] for s in samples(measured) if s["repetition"] == 1]


def test_a_budget_stops_between_repetitions(tmp_path):
    with torch.no_grad():
        run(Records(tmp_path / "none.jsonl"), CASE._replace(steps=1), 2, ends=0.0)
    assert samples(tmp_path / "none.jsonl") == []


def reported(files, folder):
    """RESULTS.md, filled in with these records."""
    out = folder / "RESULTS.md"
    out.write_text(RESULTS.read_text())
    report.write(files, out)
    return out.read_text()


def between(text, name):
    return text.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- {name} ends -->")[0]


def test_the_report_has_a_row_for_the_case_and_leaves_what_was_not_measured_as_it_was(measured, tmp_path):
    text = reported([measured], tmp_path)
    _, _, row = between(text, "ratios").splitlines()
    assert row.startswith(f"| {CASE.name} (2) |") and len(row.strip("|").split("|")) == 6 and "nan" not in row
    assert between(text, "checks").startswith("Not bit-identical to unpatched with no step active: none of tiny-64-b1.")
    assert between(text, "own") == between(RESULTS.read_text(), "own")


def test_results_has_a_place_for_each_block_and_for_no_other():
    assert re.findall(r"<!-- (.*) ends -->", RESULTS.read_text()) == list(report.BLOCKS)


def test_the_report_names_no_folder_of_the_machine_it_was_measured_on(measured, tmp_path):
    text = between(reported([measured], tmp_path), "machines")
    assert text == "a card, driver 1:\n\n    python bench.py run --out out/a.jsonl"


def test_the_report_says_which_cases_failed(tmp_path):
    records = Records(tmp_path / "bad.jsonl")
    for case, seconds, finite, same in (("tiny-64-b1", None, None, True), ("tiny-128-b1", 1.0, False, False)):
        for name in VARIANTS:
            records.add(kind="sample", case=case, steps=8, repetition=0, variant=name, seconds=seconds, finite=finite,
                        peak_bytes=2**20 * (1 + (name == "all")))  # fmt: skip
        records.add(kind="identical", case=case, repetition=0, value=same)
    text = reported([records.file], tmp_path)
    assert between(text, "checks") == (
        "Not bit-identical to unpatched with no step active: tiny-128-b1 of tiny-64-b1, tiny-128-b1. "
        "Latents that are not finite: tiny-128-b1."
    )
    assert "| tiny-64-b1  |       8 | out of memory | out of memory |" in between(text, "times")
    assert "| 2 (+1.0) " in between(text, "memory")


@pytest.mark.parametrize(("name", "parameters"), [("sd15", 859_520_964), ("sdxl", 2_567_463_684)])
def test_the_unets_are_those_that_the_host_makes_for_its_checkpoints(name, parameters):
    unet = cases.bare_model(name, "meta", torch.float16).diffusion_model
    assert sum(p.numel() for p in unet.parameters()) == parameters  # as published
    config_class, settings = cases.FAMILIES[name]
    assert type(comfy.model_detection.model_config_from_unet_config(settings)).__name__ == config_class
