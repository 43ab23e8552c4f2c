"""The GitHub workflows: YAML that parses, of the shape that GitHub reads."""

from pathlib import Path

import pytest
import yaml

from registry.package import PAGES

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in ROOT.glob(".github/workflows/*.yml")}
ON = True  # YAML 1.1 reads the key `on` as this


def uses(name):
    return [step["uses"] for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"] if "uses" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_step_runs_or_uses_something(name):
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["runs-on"] and job["timeout-minutes"]
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_workflow_may_write_to_the_repository(name):
    permissions = WORKFLOWS[name]["permissions"]
    assert permissions["contents"] == "read" and permissions.keys() <= {"contents", "issues"}


def test_the_tests_run_on_push_and_on_pull_requests():
    assert {"push", "pull_request"} <= WORKFLOWS["test"][ON].keys()
    assert any(step.get("run") == "bash .ci/run" for step in WORKFLOWS["test"]["jobs"]["test"]["steps"])


def test_the_mathematics_run_on_every_python_that_is_promised():
    matrix = WORKFLOWS["test"]["jobs"]["mathematics"]["strategy"]["matrix"]
    assert matrix["python-version"] == ["3.10", "3.11", "3.12", "3.13"]


def test_pull_requests_are_compared_for_breaking_changes():
    assert "pull_request" in WORKFLOWS["node-diff"][ON] and "Comfy-Org/node-diff@main" in uses("node-diff")


def test_a_tag_publishes():
    assert WORKFLOWS["publish"][ON] == {"push": {"tags": ["v*"]}}
    assert "Comfy-Org/publish-node-action@v1" in uses("publish")


def test_what_is_published_has_the_archives_pages():
    steps = WORKFLOWS["publish"]["jobs"]["publish"]["steps"]
    unpacking = next(n for n, step in enumerate(steps) if step.get("run", "").startswith("unzip -o"))
    publishing = next(n for n, step in enumerate(steps) if "publish-node-action" in step.get("uses", ""))
    assert steps[unpacking]["run"].split()[-len(PAGES) :] == list(PAGES) and unpacking < publishing
    assert steps[publishing]["with"]["skip_checkout"] == "true"
