"""What the registry gets and users unpack."""

import ast
import os
import re
from pathlib import Path

import pytest
from comfy_server import ComfyServer
from demo_prompt import preview, workflow
from PIL import Image
from published import PROJECT, RAW, ROOT, tracked

TO_READ = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"}
TO_SERVE = ["web", "locales", "example_workflows"]
IDS = ["SAG delayed activation", "SAG delayed activation (advanced)", "SAG sigma window", "SAG mask preview"]


def imported(sources, file):
    """The files of the pack that one of them imports by name."""
    for node in ast.walk(ast.parse(sources[file])):
        if isinstance(node, ast.ImportFrom) and node.level:
            room = Path(file).parents[node.level - 1].joinpath(*(node.module or "").split("."))
            inside = [room / "__init__.py", *(room / f"{alias.name}.py" for alias in node.names)]
            found = {path.as_posix() for path in [*inside, room.parent / f"{room.name}.py"]} & sources.keys()
            assert found, f"{file}: {ast.unparse(node)} finds nothing in the archive"
            yield from found | ({(parent / "__init__.py").as_posix() for parent in room.parents} & sources.keys())


def loaded_from(sources, first="__init__.py"):
    """The files that importing `first` may import, itself included."""
    found, ahead = set(), [first]
    while ahead:
        file = ahead.pop()
        if file not in found:
            found.add(file)
            ahead += imported(sources, file)
    return found


def test_the_archive_holds_what_the_host_loads_and_nothing_else(unpacked, sources):
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert files == TO_READ | loaded_from(sources) | tracked(*TO_SERVE)


def test_what_is_served_are_texts_and_pictures_and_the_pages_scripts(unpacked, scripts):
    served = {path.suffix for folder in TO_SERVE for path in unpacked.glob(f"{folder}/**/*") if path.is_file()}
    assert served <= {".json", ".md", ".jpg", ".png", ".webp", ".js"}
    assert scripts and all(name.startswith("web/js/") for name in scripts)


def test_the_archive_is_below_one_mebibyte(archive):
    assert archive.stat().st_size < 2**20


def test_the_archive_is_named_after_project_and_version(archive):
    assert archive.name == f"sag-delayed-activation-{PROJECT.project.version}.zip"


def test_the_changelog_has_the_version_and_the_two_fixed_phrases():
    changelog = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    assert f"## {PROJECT.project.version} " in changelog and "## 1.0.0 " in changelog
    assert '"breaks workflows" and "changes images for the same seed"' in changelog


def manager_scan(source):
    """Node ids as ComfyUI-Manager's scanner reads them: without running anything, from literals alone."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "NODE_CLASS_MAPPINGS":
            return {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
    return set()


def test_the_managers_scanner_finds_all_node_ids(sources):
    assert set().union(*map(manager_scan, sources.values())) == set(IDS)


def test_the_managers_older_scanner_finds_them_too(sources):
    (literal,) = re.findall(r"NODE_CLASS_MAPPINGS\s*=\s*{([^}]*)}", "".join(sources.values()))
    assert re.findall(r'"([^"]*)"\s*:', literal) == IDS


@pytest.mark.parametrize("url", [PROJECT.tool_comfy.icon, PROJECT.tool_comfy.banner_url], ids=["icon", "banner"])
def test_icon_and_banner_are_addressed_where_they_are_committed(url):
    assert url.startswith(RAW) and tracked(url.removeprefix(RAW))


def test_icon_and_banner_have_the_sizes_that_the_registry_asks_for():
    icon, banner = (Image.open(ROOT / "registry" / name) for name in ("icon.png", "banner.png"))
    assert icon.width == icon.height <= 400
    assert banner.width * 9 == banner.height * 21


@pytest.mark.server
@pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no ComfyUI")
@pytest.mark.parametrize("name", ["sag-delayed-activation", f"sag-delayed-activation-{PROJECT.project.version}"])
def test_unpacked_under_the_registrys_name_or_the_archives_it_loads_and_runs_a_prompt(unpacked, tmp_path, name):
    packs = {name: unpacked, "sag-demo": ROOT / "lab/demo/sag_demo"}
    with ComfyServer(Path(os.environ["COMFYUI_PATH"]), tmp_path, packs) as server:
        known = server.get("/object_info")
        tiles = server.wait(server.queue(workflow(1) | preview()))["outputs"]["preview"]["images"]
    assert {known[node]["python_module"] for node in IDS} == {f"custom_nodes.{name}"}
    assert len(tiles) == 2
