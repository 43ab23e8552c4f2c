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


def thirds(world, cfg):
    """Every window of a third of the steps, from the earliest to the latest."""
    return GUIDED[(GUIDED["world"] == world) & (GUIDED["cfg"] == cfg)].set_index("active").loc[THIRDS]


@pytest.mark.parametrize("world, cfg", [("fashion", 2), ("emoji", 3)])
def test_the_later_a_third_of_the_steps_the_more_harm_for_each_call(world, cfg):
    own = thirds(world, cfg)
    assert own["frechet_per_call"].is_monotonic_increasing
    assert own["frechet_per_call_high"].iloc[0] < own["frechet_per_call_low"].iloc[-1]


def test_at_cfg_1_the_windows_up_to_step_14_differ_little_and_the_last_does_most():
    own = thirds("fashion", 1)
    early = own["frechet_per_call"].loc["0 to 7":"7 to 14"]
    assert len(early) == 4 and early.max() < 1.25 * early.min()
    assert (own["frechet_per_call_high"].iloc[:-1] < own["frechet_per_call_low"].iloc[-1]).all()


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


@pytest.mark.parametrize("every", [2, 3])
def test_every_changes_the_distance_by_no_more_than_guidance_on_every_step(every):
    own, always = (fashion(f"scale 1{more}") for more in (f", every {every}", ""))
    assert change(own) < change(always, "_high")


def test_guidance_on_every_step_clips_less_than_the_model_alone():
    plain = ALL.loc[GUIDED["against"], "clipped"].to_numpy()
    assert (GUIDED["clipped"] < plain)[GUIDED["every"] == 1].all()


def settled(name, end=""):
    return ALL.loc[name, f"frechet_settled_difference{end}"]


def many(what):
    return f"fashion, {what}, 20 steps, 10000 pictures"


def test_the_distance_is_sharper_on_faint_noise_than_once_that_is_settled():
    noisy = "fashion, test pictures with noise 0.05, 10000 pictures"
    assert change(noisy, "_low") > settled(noisy, "_high") > 0


def test_without_its_haze_scale_1_at_cfg_2_cannot_be_told_from_none():
    sag = many("cfg 2, scale 1")
    assert settled(sag, "_low") < 0 < settled(sag, "_high") < change(sag, "_low")


@pytest.mark.parametrize("gained", ["unconditional, scale 0.75", "cfg 1, scale 0.5", "cfg 1.5, scale 0.5"])
def test_without_its_haze_it_helped_garments_where_cfg_is_weak(gained):
    assert settled(many(gained), "_high") < 0


def test_without_its_haze_no_scale_gained_at_cfg_2_and_both_directions_did_at_cfg_3():
    assert all(settled(many(f"cfg 2, scale {scale}"), "_high") > 0 for scale in (0.25, 0.5, 0.75, 1, 1.5))
    assert settled(many("cfg 3, scale 1.5"), "_high") < 0 and settled(many("cfg 3, scale -0.5"), "_high") < 0
    assert settled(many("cfg 3, scale 0.5"), "_low") > 0


def test_on_emoji_no_scale_above_0_gained_either_way():
    own = GUIDED[GUIDED["world"] == "emoji"]
    assert len(own) > 15 and (own["frechet_settled_difference_low"] > 0).all()


def test_without_their_haze_late_windows_are_the_better_ones_at_cfg_1():
    early, middle, late = (many(f"cfg 1, scale 1, steps {s}") for s in ("0 to 7", "7 to 14", "11 to 18"))
    assert settled(early, "_low") > 0 > settled(middle, "_high") > settled(late, "_high")
    assert settled(late, "_high") < 0 < settled(many("cfg 1, scale 1"), "_low")
    assert settled(many("cfg 2, scale 1, steps 13 to 20"), "_high") < 0
    assert settled(many("cfg 2, scale 1, steps 11 to 18"), "_low") > 0


@pytest.mark.parametrize("file", QUOTING)
def test_who_quotes_the_study_quotes_what_stands_there(file):
    quoted = re.findall(r"[+-]?\d[\d.]* ± [\d.]*\d", (ROOT / file).read_text(encoding="utf-8"))
    assert quoted and all(figure in TEXT.read_text(encoding="utf-8") for figure in quoted)
