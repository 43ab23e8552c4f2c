"""The benchmark beside an earlier version: both are loaded, take turns, and cost what their own code costs."""

import math

import pytest
import torch

from lab.benchmarks import report
from lab.benchmarks.beside import beside, own
from lab.benchmarks.cases import Case
from lab.loading import ROOT
from lab.records import Records

MACHINE = {"kind": "machine", "device": "a card", "command": "bench --earlier /somewhere/else --out /there/own.jsonl"}
CASE, REPS = Case("tiny", 64, 1, 1), 2
VARIANTS = {"unpatched", "host", "earlier, all steps", "all steps", "earlier, no step", "no step", "detail"}


def between_marks(folder, file, name):
    """What the report writes of these records."""
    out = folder / "RESULTS.md"
    out.write_text(f"<!-- {name} -->\n<!-- {name} ends -->")
    report.write([file], out)
    assert "/somewhere" not in out.read_text() and "/there" not in out.read_text()
    return out.read_text()


@pytest.mark.parametrize("measure, kind", [(beside, "beside"), (own, "own")])
def test_every_variant_is_measured_in_every_repetition(tmp_path, measure, kind):
    records = Records(tmp_path / "found.jsonl")
    records.add(**MACHINE)
    with torch.no_grad():
        measure(records, CASE, ROOT, REPS, math.inf)
    rows = [row for row in records.rows if row["kind"] == kind]
    expected = [(repetition, variant) for repetition in range(REPS) for variant in sorted(VARIANTS)]
    assert sorted((row["repetition"], row["variant"]) for row in rows) == expected
    if kind == "beside":
        extra = {row["variant"]: row["calls"] - CASE.steps for row in rows}
        assert {name for name, calls in extra.items() if calls} == {"host", "earlier, all steps", "all steps", "detail"}
        assert "all steps / earlier, all steps" in between_marks(tmp_path, records.file, kind)
    else:
        table = between_marks(tmp_path, records.file, kind)
        assert "after CFG" in table and "ComfyUI's own SAG" in table and "unpatched" not in table
        assert {row["variant"] for row in rows if not row["own_seconds"]} == {"unpatched"}
