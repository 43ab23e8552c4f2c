"""Makes the archive that the registry gets, with the registry's own tool, and says what is in it.

    python registry/package.py [FOLDER]      (dist)

What goes in stands in .comfyignore. A warning of the tool counts as a failure. In the repository, README and changelog
name files beside them; in the archive, and there alone, they name those files' addresses in the repository.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parents[1]
MADE_BY_THE_TOOL = ROOT / "node.zip"
PAGES = ("README.md", "CHANGELOG.md")  # shown where the files they name are not; the help's pictures lie beside it
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")  # of Markdown; a picture where the ! stands


def comfy(command: str) -> None:
    """Run `comfy node <command>` in the repository; without a sign-up, a question or a report of use.

    SystemExit with what it printed, if it fails or warns.
    """
    words = [sys.executable, "-m", "comfy_cli", "--skip-prompt", "--no-enable-telemetry", "node", command]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode or "warning" in said.lower():
        raise SystemExit(f"comfy node {command}:\n{said}")


def pack(folder: Path) -> Path:
    """Validate and pack; the archive is `folder`/<name>-<version>.zip."""
    from comfy_cli.registry.config_parser import extract_node_configuration

    comfy("validate")
    try:
        comfy("pack")
        project = extract_node_configuration(str(ROOT / "pyproject.toml")).project
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{project.name}-{project.version}.zip"
        copy_with_addresses(MADE_BY_THE_TOOL, archive, project.urls.repository)
        return archive
    finally:
        MADE_BY_THE_TOOL.unlink(missing_ok=True)


def copy_with_addresses(made: Path, archive: Path, repository: str) -> None:
    """Copy an archive file by file; those in PAGES with addresses in place of paths."""
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(archive, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename in PAGES:
                content = with_addresses(content.decode(), repository).encode()
            target.writestr(info, content)


def with_addresses(text: str, repository: str) -> str:
    """Markdown whose relative pictures and links are addresses on the main branch of a GitHub repository."""
    pictures = f"{repository.replace('//github.com/', '//raw.githubusercontent.com/')}/main/"

    def addressed(found: re.Match[str]) -> str:
        mark, words, path = found.groups()
        base = pictures if mark else f"{repository}/blob/main/"
        return found[0] if path.startswith("#") else f"{mark}[{words}]({urljoin(base, path)})"

    return LINK.sub(addressed, text)


def main() -> None:
    archive = pack(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist"))
    with zipfile.ZipFile(archive) as opened:
        opened.printdir()
    print(f"{archive}: {archive.stat().st_size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
