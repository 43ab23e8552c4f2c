"""The benchmark on a small UNet: what it counts and how it goes on, never how long it takes."""

import json
import math
from dataclasses import replace

import comfy.ldm.modules.attention
import comfy.model_detection
import comfy.samplers
import pytest
import torch
from hosts import source_of
from torch.utils._python_dispatch import TorchDispatchMode

from lab.benchmarks import cases, runs
from lab.benchmarks.own_time import own_stretches
from lab.benchmarks.records import read
from lab.benchmarks.report import machines, write
from lab.benchmarks.variants import VARIANTS, extra_calls, variants

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif("io.ComfyNode" not in source_of("comfy_extras.nodes_sag"), reason="needs ComfyUI 0.3.61"),
]
CASE = cases.Case("tiny", 64, steps=2)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The file of a run of two repetitions."""
    out = tmp_path_factory.mktemp("benchmark") / "tiny.jsonl"
    with torch.no_grad():
        assert runs.run(CASE, 2, out, math.inf)
    return out


def samples(out):
    return [r for r in read(out) if r["kind"] == "sample"]


def test_each_variant_is_sampled_once_in_each_repetition_in_another_order(measured):
    orders = [[s["variant"] for s in samples(measured) if s["repetition"] == n] for n in (0, 1)]
    assert [sorted(order) for order in orders] == [sorted(VARIANTS)] * 2 and orders[0] != orders[1]


def test_each_variant_makes_the_unet_calls_that_its_name_says(measured):
    assert all(s["calls"] == CASE.steps + extra_calls(s["variant"], CASE.steps) for s in samples(measured))
    assert {s["calls"] for s in samples(measured)} == {2, 3, 4}


def test_no_active_step_is_bit_identical_and_every_latent_is_finite(measured):
    assert [r["value"] for r in read(measured) if r["kind"] == "identical"] == [True, True]
    assert all(s["finite"] for s in samples(measured))


class Operations(TorchDispatchMode):
    """Counts the operations that torch is asked for while it is in use: at batch 1 they cost more than their work."""

    count = 0

    def __torch_dispatch__(self, operation, _types, args=(), options=None):
        self.count += 1
        return operation(*args, **(options or {}))


def test_a_step_takes_no_more_operations_than_with_comfyuis_own_sag():
    case = replace(CASE, steps=4)
    work, counts = cases.workload(case), {}
    work.sample(work.model)  # the first one loads the model, too
    for variant in ("unpatched", "host", "all", "none"):
        model = variants(work.model, case.steps, (variant,))[variant]
        with torch.no_grad(), Operations() as operations:
            work.sample(model)
        counts[variant] = operations.count
    assert counts["unpatched"] < counts["none"] <= counts["unpatched"] + 10 * case.steps
    assert counts["none"] < counts["all"] <= counts["host"]


def test_a_stopwatch_runs_once_in_each_hook_and_leaves_the_host_as_it_was():
    work, found = cases.workload(CASE), {}
    host = comfy.samplers.calc_cond_batch, comfy.ldm.modules.attention.optimized_attention
    for variant in ("unpatched", "none", "all"):
        with torch.no_grad():
            found[variant] = own_stretches(work, variants(work.model, CASE.steps, (variant,))[variant])
    assert host == (comfy.samplers.calc_cond_batch, comfy.ldm.modules.attention.optimized_attention)
    layers = cases.FAMILIES["tiny"].unet["transformer_depth_middle"]
    around_and_after = 2 + 1  # before and after the prompts' evaluation, and after CFG
    none = around_and_after + 2 * layers  # before and after the host's attention
    # The second look adds its own wrapper's two stretches and its layers', and parts the post-CFG function in two.
    assert {name: len(of) / CASE.steps for name, of in found.items()} == {
        "unpatched": 0, "none": none, "all": none + 2 + 2 * layers + 1
    }  # fmt: skip
    assert all(seconds > 0 for of in found.values() for seconds in of)


def test_a_run_that_was_cut_off_goes_on_where_it_was(measured, tmp_path):
    lines = measured.read_text().splitlines()
    cut = tmp_path / "cut.jsonl"
    last = max(n for n, line in enumerate(lines) if json.loads(line).get("repetition") == 0)
    cut.write_text("\n".join(lines[: last + 3]) + '\n{"kind": "sam')  # the second repetition has just begun
    with torch.no_grad():
        runs.run(CASE, 2, cut, math.inf)
    keys = [(s["repetition"], s["variant"]) for s in samples(cut)]
    assert len(keys) == len(set(keys)) == 2 * len(VARIANTS)
    assert [s for s in samples(cut) if s["repetition"] == 0] == [s for s in samples(measured) if s["repetition"] == 0]


def test_a_budget_stops_between_repetitions(tmp_path):
    with torch.no_grad():
        runs.run(replace(CASE, steps=1), 2, tmp_path / "none.jsonl", 0.0)
    assert samples(tmp_path / "none.jsonl") == []


def test_the_report_has_a_row_for_the_case_and_names_what_was_not_measured(measured, tmp_path):
    write([measured], tmp_path / "RESULTS.md")
    text = (tmp_path / "RESULTS.md").read_text()
    ratios = next(line for line in text.splitlines() if line.startswith(f"| {CASE.name} (2) |"))
    assert len(ratios.strip("|").split("|")) == 6 and "nan" not in ratios
    assert "| sdxl-1024-b4: all steps active, at most 1.005 of the limit |  | not measured |" in text
    assert (tmp_path / "overhead.png").stat().st_size > 10_000


def test_the_report_names_no_folder_of_the_machine_it_was_measured_on():
    record = {"kind": "machine", "device": "a card", "command": "python bench.py sync --out /home/me/a.jsonl"}
    assert machines([record]) == "a card:\n\n    python bench.py sync --out out/a.jsonl"


@pytest.mark.parametrize(("name", "parameters"), [("sd15", 859_520_964), ("sdxl", 2_567_463_684)])
def test_the_unets_are_those_that_the_host_makes_for_its_checkpoints(name, parameters):
    family = cases.FAMILIES[name]
    unet = cases.bare_model(family, "meta", torch.float16).diffusion_model
    assert sum(p.numel() for p in unet.parameters()) == parameters  # as published
    assert type(comfy.model_detection.model_config_from_unet_config(family.unet)).__name__ == family.config_class


def test_the_report_of_growth_gives_each_point_its_median_and_the_stopwatch_its_share(tmp_path):
    points = [("tokens", 256, 1, 4), ("batch", 128, 2, 4), ("steps", 64, 1, 8)]
    times = {"host": 2e-3, "all": 1e-3, "none": 1e-4}
    records = [{"kind": "machine", "device": "a card", "command": "python bench.py growth"},
               {"kind": "stopwatch", "seconds": 5e-6}]  # fmt: skip
    records += [
        {"kind": "growth", "axis": axis, "case": f"tiny-{side}-b{batch}", "side": side, "batch": batch, "steps": steps,
         "repetition": n, "variant": variant, "own_seconds": seconds * (n + 1), "stretches": 20.0}
        for axis, side, batch, steps in points for variant, seconds in times.items() for n in range(3)
    ]  # fmt: skip
    (tmp_path / "growth.jsonl").write_text("\n".join(map(json.dumps, records)))
    write([tmp_path / "growth.jsonl"], tmp_path / "RESULTS.md")
    text = (tmp_path / "RESULTS.md").read_text()
    rows = [row for row in text.splitlines() if row.startswith(("| tokens", "| batch", "| steps"))]
    assert rows[0] == (
        "| tokens | 256x256 | 1 | 4 | 4.000 (2.000 to 6.000) | 2.000 (1.000 to 3.000) | 0.200 (0.100 to 0.300) |"
    )
    assert len(rows) == 3 and "at least 0.10 ms of it are the stopwatch's own" in text
    assert (tmp_path / "growth.png").stat().st_size > 10_000
