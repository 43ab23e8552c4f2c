"""Every figure of the study's pages, and of what quotes them, is the one of its row; the pages are short."""

import re

import pytest
from study_rows import ROWS, row

from lab.loading import ROOT
from lab.study.report import shown

FIGURE = re.compile(r"[+-]?\d[\d.]* ± [\d.]*\d")
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:,\d{3})*(?:\.\d+)*(?!\w)")
HELP = "web/docs/SAG delayed activation"
METRICS = {"C": "frechet_difference", "I": "frechet_imagenet_difference", "Cd": "frechet_dose",
           "Id": "frechet_imagenet_dose", "c": "frechet", "i": "frechet_imagenet", "H": "high_frequency_off",
           "Hc": "high_frequency_off_difference", "F": "high_frequency_difference",
           "S": "frechet_settled_difference"}  # fmt: skip
# Each figure with its interval, in the order of its page: a world and what study_rows calls a row, and its metrics.
FIGURES = {
    "docs/study.md": """
        wesnoth: SAG: C | wesnoth: the dose: C | wesnoth: unsharp mask 0.25: Cd
        wesnoth: SAG: I | wesnoth: the dose: I | wesnoth: 30 steps: Id
        fashion: SAG: C | fashion: the dose: C | fashion: unsharp mask 0.5: Cd
        fashion: SAG: I | fashion: the dose: I | fashion: unsharp mask 0.1: Id
        wesnoth: SAG: H | wesnoth: no guidance: H | wesnoth: 30 steps: C I
        wesnoth 3: no guidance: c | wesnoth: no guidance: c
        wesnoth: inverse mask: C | wesnoth: random mask: C | wesnoth: last 2 steps: C | fashion: last 2 steps: C
        fashion: the dose: S | wesnoth: the dose: S Hc
        photographs: no guidance: c i | units: no guidance: c i | photographs: SEG: C I | units: SEG: C I
        photographs: 30 steps: Cd | photographs: cfg 1.5: Id | units: cfg 10: Cd | units: 30 steps: Id
        photographs: PAG 3: C I | units: PAG 3: C I | photographs: SAG: C I | units: SAG: C I
        photographs: scale -0.25: C I | units: scale -0.25: C I
        photographs, Euler: no guidance: c i
        photographs: photographs, test pictures, 5000 pictures: c i
        photographs: SAG: F | photographs: scale -0.25: F | units: SAG: F | units: scale -0.25: F
        photographs, Euler: SAG -0.5 in the middle: C I | photographs: detail: C I
        wesnoth: no guidance: c | wesnoth: wesnoth, test pictures, 648 pictures: c""",
    "docs/study/detail.md": """
        fashion few: no guidance: c i H
        fashion few: scale 0.5, steps 13 to 20, form detail, detail 0.5: c i H
        fashion few: scale 0.5, steps 13 to 20, form detail smoothed by 0.5, detail 0.5: c i H
        fashion few: the dose: c i H
        fashion few: scale 0.5, steps 13 to 20, form detail smoothed by 1, detail 0.5: c i H
        fashion few: scale 0.5, steps 13 to 20, form all smoothed by 0.7, detail 0.5: c i H
        fashion few: the dose: C I
        fashion few: scale 0.25, steps 13 to 20, form detail smoothed by 0.7, detail 0.5: C I
        fashion few: scale 0.75, steps 13 to 20, form detail smoothed by 0.7, detail 0.5: C I
        fashion few: scale 1, steps 13 to 20, form detail smoothed by 0.7, detail 0.5: C I
        fashion few: scale 0.5, steps 13 to 20, form detail smoothed by 0.7, detail 0.35: C I
        fashion few: scale 0.5, steps 13 to 20, form detail smoothed by 0.7, detail 0.7: C I
        fashion few: scale 0.5, steps 10 to 20, form detail smoothed by 0.7, detail 0.5: C I
        fashion few: last 4 steps: C I
        emoji: scale 1, steps 13 to 20, form detail smoothed by 0.7, detail 0.5: C I
        wesnoth: wesnoth, cfg 1, scale 0, 20 steps, 2000 pictures: c | wesnoth 3: no guidance: c
        wesnoth: no guidance: c | wesnoth 3: the dose: C I | wesnoth 3: SAG: C I
        wesnoth: wesnoth, test pictures, 648 pictures: c
        wesnoth: wesnoth, test pictures with noise 0.05, 648 pictures: c
        wesnoth: wesnoth, test pictures with blur 0.5, 648 pictures: c
        wesnoth: wesnoth, test pictures, 648 pictures: i
        wesnoth: wesnoth, test pictures with noise 0.05, 648 pictures: i
        wesnoth: wesnoth, test pictures with blur 0.5, 648 pictures: i
        fashion: fashion, test pictures, 10000 pictures: c
        fashion: fashion, test pictures with noise 0.05, 10000 pictures: c
        fashion: fashion, test pictures with blur 0.5, 10000 pictures: c
        fashion: fashion, test pictures, 10000 pictures: i
        fashion: fashion, test pictures with noise 0.05, 10000 pictures: i
        fashion: fashion, test pictures with blur 0.5, 10000 pictures: i""",
    "docs/study/emoji.md": """
        emoji: no guidance: c i | emoji: the dose: C I | emoji: 30 steps: C I | emoji: SAG: C I
        emoji: unsharp mask 0.1: C I | emoji: unsharp mask 0.25: C I | emoji: unsharp mask 0.5: C I | emoji: PAG: C I
        emoji: scale 1, steps 13 to 20, form detail smoothed by 0.7, detail 0.5: C I
        emoji: emoji, test pictures, 591 pictures: c i""",
    "docs/study/paper.md": """
        paper fashion: cfg 1, scale 0: c | paper fashion: cfg 1, scale 0.5: C | paper fashion: cfg 1, scale 1: C
        paper fashion: cfg 1, scale 0.5: S | paper fashion: cfg 1, scale 1: S
        paper fashion: cfg 1.5, scale 0: c | paper fashion: cfg 1.5, scale 0.5: C | paper fashion: cfg 1.5, scale 1: C
        paper fashion: cfg 1.5, scale 0.5: S | paper fashion: cfg 1.5, scale 1: S
        paper fashion: cfg 2, scale 0: c | paper fashion: cfg 2, scale 0.5: C | paper fashion: cfg 2, scale 1: C
        paper fashion: cfg 2, scale 0.5: S | paper fashion: cfg 2, scale 1: S
        paper fashion: cfg 3, scale 0: c | paper fashion: cfg 3, scale 0.5: C | paper fashion: cfg 3, scale 1: C
        paper fashion: cfg 3, scale 0.5: S | paper fashion: cfg 3, scale 1: S
        paper fashion: cfg 2, scale -0.5: C | paper fashion: cfg 3, scale -0.5: C
        paper fashion: cfg 2, scale 1, steps 0 to 7: C | paper fashion: cfg 2, scale 1, steps 7 to 14: C
        paper fashion: cfg 2, scale 1, steps 13 to 20: C | paper fashion: cfg 2, scale 1, sigma 5.42 to 0.28: C
        paper fashion: cfg 2, scale 1: C | paper few: cfg 2, scale 1: C
        paper few: cfg 2, scale 1, blur_sigma 0.5: C | paper few: cfg 2, scale 1, blur_sigma 10.0: C
        paper few: cfg 2, scale 1, threshold 1.5: C | paper few: cfg 2, scale 1, threshold 0.0: C
        paper few: cfg 2, scale 1, masking random: C | paper few: cfg 2, scale 1, masking inverse: C
        paper few: cfg 2, scale 1, fade in: C | paper few: cfg 2, scale 1, fade out: C
        paper few: cfg 2, scale 1, every 2: C | paper few: cfg 2, scale 1, every 4: C
        paper few: cfg 3, scale 1.5: C | paper few: cfg 3, scale 1.5, rescale 1.0, full: C
        paper fashion: CFG as strong: C | paper fashion: CFG as strong, 30 steps: C""",
    "docs/study/dit.md": """
        dit wesnoth: the dose: C | dit wesnoth: unsharp mask 0.1: Cd | dit wesnoth: the dose: I
        dit wesnoth: 30 steps: Id | dit fashion: the dose: C | dit fashion: unsharp mask 0.25: Cd
        dit fashion: the dose: I | dit fashion: unsharp mask 0.1: Id
        dit wesnoth: last 4 steps: C I | dit wesnoth: unsharp mask 0.1: C I | dit wesnoth: SAG: C I
        dit fashion: SAG: C
        dit fashion: fashion, cfg 1.5, scale 0.5, 20 steps, 2000 pictures, block 3: C
        dit fashion: fashion, cfg 1.5, scale 0.5, 20 steps, 2000 pictures, block 4: C
        dit fashion: fashion, cfg 1.5, scale 0.25, steps 13 to 20, form skip, 20 steps, 2000 pictures, block 6: I
        dit wesnoth: wesnoth, cfg 4, scale 0.25, steps 13 to 20, form skip, 20 steps, 2000 pictures, block 6: I
        dit wesnoth: no guidance: precision copied""",
}
for language in ("", "/zh", "/ja", "/ko"):
    FIGURES[f"{HELP}{language}.md"] = "fashion: SAG: C | emoji: SAG: I | wesnoth: SAG: I"
    FIGURES[f"{HELP} (advanced){language}.md"] = "wesnoth: the dose: C I"
# The pages' other numbers, in their order: what was set, counted, or measured without an interval.
OTHERS = {
    "docs/study.md": "0.5 0.5 95 0 0 0.25 0.5 0.1 0 0.5 3 8 3 2 0 2,000 2408.00760 48 10 22 1 3 1.5 10 3 0.5 "
    "-0.25 0.5 10 -0.5 16 16 16 16 0 20 0.5 20 0.5 0.92 7 0.5 0.5 0.26 4 2 32 64 2,000 10,000 20 0 0.3.75 "
    "8 2 18 23 5 6",
    "docs/study/detail.md": "0.5 0.7 1 2,000 0.5 0.5 1 1000 0.5 0.7 1 0.7 0.25 0.75 1 0.35 0.7 4 1 1 3 8 3 8 6",
    "docs/study/emoji.md": "32 32 16 16 8 0.1 0.25 0.5 2 1 591",
    "docs/study/paper.md": "20 0 0 0.5 1 0.5 1 1 1.5 2 3 -0.5 2 3 2 1 5.42 0.28 "
    "2 1 2,000 2 1 0.5 10 1.5 0 2 4 3 1.5 1 0.5 2 3.55 30 2",
    "docs/study/dit.md": "0.1 30 0.25 0.1 2 0 7 0.25 0.5 4 0.1 2 4 16 16 16 2,000",
}
MOST_WORDS = {page: 1500 if page == "docs/study.md" else 600 for page in OTHERS}


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def wanted(marks):
    for mark in re.split(r"[|\n]", marks.strip()):
        world, rest = mark.strip().split(": ", 1)
        called, metrics = rest.rsplit(": ", 1)
        for metric in metrics.split():
            yield shown(row(world, called), METRICS.get(metric, metric))


@pytest.mark.parametrize("page", FIGURES)
def test_every_figure_with_an_interval_is_that_of_its_row(page):
    assert FIGURE.findall(text(page)) == [*wanted(FIGURES[page])]


@pytest.mark.parametrize("page", OTHERS)
def test_every_other_number_of_a_page_is_known(page):
    bare = re.sub(r"`[^`]*`|\]\([^)]*\)", "", FIGURE.sub("", text(page)))
    assert " ".join(NUMBER.findall(bare)) == OTHERS[page]


@pytest.mark.parametrize("page", MOST_WORDS)
def test_a_page_is_short(page):
    assert len(text(page).split()) <= MOST_WORDS[page]


def test_plain_cfg_of_the_same_strength_is_the_one_that_was_measured():
    strength = row("paper fashion", "cfg 2, scale 0.5")["effective_norm"]
    assert f"plain CFG of {strength:.2f}." in text("docs/study/paper.md")


def test_so_many_pictures_were_sampled():
    for csv, world, counts in (("detail", "wesnoth", {2000}), ("detail", "fashion", {2000, 10000}), ("emoji", "emoji", {
        2000})):  # fmt: skip
        rows = ROWS[csv][ROWS[csv]["world"].eq(world) & ROWS[csv]["cfg"].notna()]
        assert {*rows["count"]} == counts


def test_what_there_is_to_type_takes_as_many_extra_calls_as_its_row():
    calls = [row("wesnoth", called)["extra_calls"] for called in ("SAG", "the dose", "last 4 steps", "last 2 steps")]
    told = re.findall(r"\| (\d+)(?:, or (\d+))? \|$", text("docs/study.md"), re.MULTILINE)
    assert [int(number) for line in told for number in line if number] == calls
