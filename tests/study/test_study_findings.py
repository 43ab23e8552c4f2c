"""What the study's text says in words is so in its CSV, and others quote only what stands there."""

import re

import pytest
from questions import ARITHMETIC, BETWEEN, EARLY, LATE, MIDDLE
from writing import FOLDER, ROOT, TEXT, read

ALL = read(FOLDER / "results.csv").set_index("name", drop=False)
OWN = ALL[ALL["arithmetic"] == ARITHMETIC]
GUIDED = OWN[OWN["scale"] > 0]
THIRDS = [f"{start} to {end}" for start, end in sorted((EARLY, MIDDLE, LATE, *BETWEEN))]
QUOTING = ("README.md", "web/docs/SAG delayed activation.md")


def change(name, end=""):
    return ALL.loc[name, f"frechet_difference{end}"]


def fashion(what, count=2000):
    return f"fashion, cfg 2, {what}, 20 steps, {count} pictures"


def below(less, more):
    """The whole interval of one change lies below that of the other."""
    return change(less, "_high") < change(more, "_low")


def test_every_scale_above_0_raised_the_distance():
    assert len(GUIDED) > 60 and (GUIDED["frechet_difference_low"] > 0).all()


@pytest.mark.parametrize("world, cfg", [("fashion", 2), ("fashion", 1), ("emoji", 3)])
def test_the_later_a_third_of_the_steps_the_more_harm_for_each_call(world, cfg):
    own = GUIDED[(GUIDED["world"] == world) & (GUIDED["cfg"] == cfg)].set_index("active")
    own = own.loc[[steps for steps in THIRDS if steps in own.index]]
    assert own["frechet_per_call"].is_monotonic_increasing
    assert own["frechet_per_call_high"].iloc[0] < own["frechet_per_call_low"].iloc[-1]


@pytest.mark.parametrize("of", ["fashion, cfg 2, {}10000", "fashion, cfg 1, {}10000", "emoji, cfg 3, {}2000"])
def test_a_delayed_window_keeps_most_of_the_harm(of):
    delayed, always = (of.format(f"scale 1, {steps}20 steps, ") + " pictures" for steps in ("steps 7 to 20, ", ""))
    assert change(delayed, "_low") > 0.75 * change(always)


def test_the_mask_does_less_harm_than_a_random_one_and_that_less_than_its_inverse_and_that_less_than_none():
    masks = [fashion(f"scale 1{mask}") for mask in ("", ", masking random", ", masking inverse", ", threshold 0.0")]
    changes = [change(name) for name in masks]
    assert changes == sorted(changes) and below(masks[0], masks[1]) and below(masks[2], masks[3])


@pytest.mark.parametrize("smaller", ["blur_sigma 0.5", "threshold 2.0", "fade out"])
def test_a_smaller_dose_does_less_harm(smaller):
    assert below(fashion(f"scale 1, {smaller}"), fashion("scale 1"))


def test_a_negative_scale_gains_on_emoji_and_loses_on_fashion():
    assert change("emoji, cfg 3, scale -0.5, 20 steps, 2000 pictures", "_high") < 0
    assert change(fashion("scale -0.5", 10000), "_low") > 0


@pytest.mark.parametrize("every", [2, 3, 4])
def test_every_changes_the_distance_by_no_more_than_guidance_on_every_step(every):
    own, always = (fashion(f"scale 1{more}", 400) + ", float32" for more in (f", every {every}", ""))
    assert change(own) < change(always, "_high")


def test_guidance_on_every_step_clips_less_than_the_model_alone():
    plain = ALL.loc[GUIDED["against"], "clipped"].to_numpy()
    assert (GUIDED["clipped"] < plain)[GUIDED["every"] == 1].all()


def settled(what):
    return ALL.loc[f"fashion, {what}400 pictures" + ("" if "test" in what else ", float32")]


def test_without_its_haze_the_harm_on_fashion_cannot_be_told_from_none():
    sag = settled("cfg 2, scale 1, 20 steps, ")
    assert sag["frechet_settled_difference_low"] < 0 < sag["frechet_settled_difference_high"]
    assert sag["frechet_settled_difference_high"] < sag["frechet_difference_low"]


def test_the_distance_is_sharp_on_faint_noise_and_not_once_that_is_settled():
    noisy = settled("test pictures with noise 0.05, ")
    assert noisy["frechet_difference_low"] > 0 > noisy["frechet_settled_difference_low"]


@pytest.mark.parametrize("file", QUOTING)
def test_who_quotes_the_study_quotes_what_stands_there(file):
    quoted = re.findall(r"[+-]?\d[\d.]* ± [\d.]*\d", (ROOT / file).read_text(encoding="utf-8"))
    assert quoted and all(figure in TEXT.read_text(encoding="utf-8") for figure in quoted)
