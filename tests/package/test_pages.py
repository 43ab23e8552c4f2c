"""What people read: here every link names a file, in the archive every link is an address of that file."""

import re
import zipfile
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from published import BLOB, RAW, REPOSITORY, ROOT, tracked

from registry import package

MOST_WORDS = 1200  # of README
TRACKED = tracked()
HELP = sorted(path for path in TRACKED if path.startswith("web/docs/") and path.endswith(".md"))
HELP_IN_ENGLISH = {path for path in HELP if path.count("/") == 2}
PAGES = sorted(path for path in TRACKED if path.endswith(".md") and path not in HELP and "template" not in path)
OWN = (REPOSITORY, RAW)  # how an address in this repository begins

pytestmark = pytest.mark.skipif(not TRACKED, reason="links are held against a git checkout, and this is none")


class Reference(NamedTuple):
    target: str
    is_picture: bool


def references(markdown):
    """All links and pictures, as a Markdown parser finds them."""
    found, tokens = [], MarkdownIt("commonmark").enable("table").parse(markdown)
    while tokens:
        token = tokens.pop(0)
        tokens[:0] = token.children or []
        if token.type in ("link_open", "image"):
            found.append(Reference(token.attrs["href" if token.type == "link_open" else "src"], token.type == "image"))
    return found


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def headings(markdown):
    """Of each heading what GitHub calls it in an address."""
    lines = re.findall(r"^#+ (.*)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def missing(page, target):
    """Whether a relative target names nothing that git has, or no heading of the page that it names."""
    path, _, heading = unquote(target).partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    known = file.resolve().relative_to(ROOT.resolve()).as_posix() in TRACKED
    return not known or bool(heading) and heading not in headings(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_in_the_repository_every_own_link_and_picture_is_a_relative_path_to_something_that_is_there(page):
    found = references(read(page))
    addresses = [target for target, is_picture in found if urlsplit(target).scheme and is_picture]
    assert addresses + [target for target, _ in found if target.startswith(OWN)] == []
    assert [target for target, _ in found if not urlsplit(target).scheme and missing(page, target)] == []


def test_the_readme_shows_pictures_and_links_to_the_help_of_every_node():
    targets = {unquote(target): is_picture for target, is_picture in references(read("README.md"))}
    assert sum(targets.values()) > 4 and HELP_IN_ENGLISH <= targets.keys()


def test_the_readme_is_short():
    assert len(read("README.md").split()) <= MOST_WORDS


def test_the_readme_says_what_was_not_measured_and_leaves_the_figures_of_the_study_to_the_study():
    readme = read("README.md")
    assert "SDXL's pictures was not measured" in readme.split("\n## ")[0]
    assert not [word for word in ("±", "Fréchet", "worlds", "eyes") if word in readme]


def test_the_readmes_first_command_gets_this_repository():
    assert re.findall(r"^git clone .*$", read("README.md"), re.MULTILINE) == [f"git clone {REPOSITORY}.git"]


@pytest.mark.parametrize("page", HELP)
def test_where_the_help_links_to_the_repository_there_is_a_file(page):
    """Its links are addresses, since ComfyUI's page resolves paths against its own."""
    own = [target for target, _ in references(read(page)) if target.startswith(OWN)]
    assert [target for target in own if unquote(target.removeprefix(BLOB)) not in TRACKED] == []


@pytest.mark.parametrize("page", package.PAGES)
def test_in_the_archive_every_own_link_and_picture_is_the_address_of_a_file_that_git_has(unpacked, page):
    for target, is_picture in references((unpacked / page).read_text(encoding="utf-8")):
        base = RAW if is_picture else BLOB
        if is_picture or target.startswith(OWN):
            assert target.startswith(base) and unquote(target.removeprefix(base)) in TRACKED
        else:
            assert target.startswith("https://")


@pytest.mark.parametrize("page", package.PAGES)
def test_nothing_else_of_a_page_differs_in_the_archive(unpacked, page):
    packed = (unpacked / page).read_text(encoding="utf-8")
    assert packed != read(page) and packed.replace(RAW, "").replace(BLOB, "") == read(page)


@pytest.mark.parametrize(
    "here, there",
    [
        ("![a](docs/a.png)", "![a](https://raw.githubusercontent.com/me/it/main/docs/a.png)"),
        ("[a](docs/a%20b.md), [c](d.md#e)", "[a](https://github.com/me/it/blob/main/docs/a%20b.md), "
                                            "[c](https://github.com/me/it/blob/main/d.md#e)"),
        ("[paper](https://arxiv.org/abs/2210.00939)", "[paper](https://arxiv.org/abs/2210.00939)"),
        ("[below](#use)", "[below](#use)"),
        ("[1, 2] (no link)", "[1, 2] (no link)"),
    ],
)  # fmt: skip
def test_a_path_becomes_an_address_and_an_address_stays(here, there):
    assert package.with_addresses(here, "https://github.com/me/it") == there


def test_the_working_tree_stays_as_it_is_while_packing_and_where_that_fails(monkeypatch, tmp_path):
    before, during = [read(page) for page in package.PAGES], []

    def tool(command):
        during.append([read(page) for page in package.PAGES])
        if command == "pack":
            with zipfile.ZipFile(package.MADE_BY_THE_TOOL, "w") as half:
                half.writestr("README.md", "![a](a.png)")
            raise SystemExit("the disk is full")

    monkeypatch.setattr(package, "MADE_BY_THE_TOOL", tmp_path / "node.zip")
    monkeypatch.setattr(package, "comfy", tool)
    with pytest.raises(SystemExit, match="the disk is full"):
        package.pack(tmp_path)
    assert [*during, [read(page) for page in package.PAGES]] == [before] * 3
    assert not package.MADE_BY_THE_TOOL.exists() and not list(tmp_path.iterdir())
