"""The page's scripts, read by the TypeScript compiler with the types that the page publishes."""

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from browser_pages import CACHE

ROOT = Path(__file__).parents[2]
OWN_TYPES = ROOT / "tests/browser/types"  # what the published ones lack
TYPES = "@comfyorg/comfyui-frontend-types"
PACKAGES = {TYPES: "1.45.6", "typescript": "5.9.3"}  # newer types, up to 1.55.13, came without their declarations
OPTIONS = {
    "checkJs": True, "noEmit": True, "strict": True, "noImplicitAny": False, "skipLibCheck": True, "types": [],
    "target": "es2022", "lib": ["es2022", "dom", "dom.iterable"], "module": "esnext", "moduleResolution": "bundler",
}  # fmt: skip
pytestmark = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm")


def packed(name: str, version: str) -> Path:
    """The folder of an npm package; fetched once, into the cache of dev.py, and nothing of it is run for that."""
    folder = CACHE / f"npm-{name.replace('/', '-')}-{version}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            words = ["npm", "pack", "--silent", "--pack-destination", scratch, f"{name}@{version}"]
            subprocess.run(words, check=True, capture_output=True)
            with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
                archive.extractall(scratch, filter="data")
            Path(scratch, "package").rename(folder)  # last, so that a broken fetch leaves no folder behind
    return folder


@pytest.fixture
def check(tmp_path):
    """What the compiler says to these scripts; nothing where all is well."""
    folders = {name: packed(name, version) for name, version in PACKAGES.items()}

    def run(*scripts):
        paths = {TYPES: [str(folders[TYPES])], "/scripts/*": [f"{OWN_TYPES}/scripts/*"]}
        files = [*map(str, scripts), str(OWN_TYPES / "page.d.ts")]
        settings = tmp_path / "tsconfig.json"
        settings.write_text(json.dumps({"compilerOptions": {**OPTIONS, "paths": paths}, "files": files}))
        compiler = ["node", folders["typescript"] / "bin/tsc", "-p", settings, "--pretty", "false"]
        return subprocess.run(compiler, capture_output=True, text=True).stdout

    return run


def test_the_scripts_of_the_page_fit_its_types(check):
    assert check(*ROOT.glob("web/js/*.js")) == ""


@pytest.mark.parametrize(
    "wrong, seen",
    [
        ("app.registerExtensions({});", "registerExtensions"),
        ("app.registerExtension({ name: 1 });", "number"),
        ("app.canvas.emitBeforeChange(1);", "Expected 0 arguments"),
    ],
)
def test_a_script_that_does_not_fit_is_seen(check, tmp_path, wrong, seen):
    (tmp_path / "wrong.js").write_text(f'import {{ app }} from "/scripts/app.js";\n{wrong}\n')
    assert seen in check(tmp_path / "wrong.js")
