"""What the study's text says in words is so in its CSV, and others quote only what stands there."""

import re

import pytest

from lab.study.questions import ARITHMETIC, BETWEEN, EARLY, INTERVAL_STEPS, LATE, MIDDLE
from lab.study.report import CSV, ROOT, TEXT
from lab.study.tables import read

ALL = read(CSV).set_index("name", drop=False)
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


def frequencies(name, end=""):
    return ALL.loc[name, f"high_frequency{end}"]


def test_a_narrower_blur_smooths_no_less_and_a_higher_threshold_hardly():
    narrow, wide, high, plain = (
        fashion(what) for what in ("scale 1, blur_sigma 0.5", "scale 1", "scale 1, threshold 2.0", "scale 0")
    )
    assert frequencies(narrow) <= frequencies(wide, "_high") < frequencies(plain, "_low")
    assert frequencies(high, "_high") > frequencies(plain)


def test_smoothing_comes_early_on_fashion_and_late_on_emoji():
    early, always = (fashion(f"scale 1{steps}", 10000) for steps in (", steps 0 to 13", ""))
    assert frequencies(early) <= frequencies(always, "_high") and change(early, "_high") < 0.25 * change(always)
    first, second = (f"emoji, cfg 3, scale 1, steps {s}, 20 steps, 2000 pictures" for s in ("0 to 13", "10 to 20"))
    assert frequencies(second, "_difference_high") < frequencies(first, "_difference_low")


def test_what_the_interval_found_for_cfg_holds_is_drawn_where_it_lies():
    held = ALL[ALL["sigmas"].notna()]
    assert len(held) == 3 and (held["extra_calls"] == INTERVAL_STEPS[1] - INTERVAL_STEPS[0]).all()


def test_the_interval_found_for_cfg_does_no_better_than_its_place_among_the_windows():
    interval = fashion("scale 1, sigma 5.42 to 0.28", 10000)
    assert change(fashion("scale 1, steps 0 to 13", 10000)) < change(interval) < change(fashion("scale 1", 10000))


def test_a_negative_scale_gains_at_cfg_3_and_loses_on_fashion_at_cfg_2():
    assert change("emoji, cfg 3, scale -0.5, 20 steps, 2000 pictures", "_high") < 0
    assert change("fashion, cfg 3, scale -0.5, 20 steps, 10000 pictures", "_high") < 0
    assert change(fashion("scale -0.5", 10000), "_low") > 0


def alike(one, other):
    """The intervals of two changes overlap."""
    return not below(one, other) and not below(other, one)


@pytest.mark.parametrize("every", [2, 3, 4])
def test_every_raises_the_distance_about_as_much_as_guidance_on_every_step(every):
    assert alike(fashion(f"scale 1, every {every}"), fashion("scale 1"))


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
def test_without_its_haze_it_helped_garments_where_cfg_was_too_weak(gained):
    assert settled(many(gained), "_high") < 0


def test_without_its_haze_no_scale_gained_at_cfg_2_and_both_directions_did_at_cfg_3():
    assert all(settled(many(f"cfg 2, scale {scale}"), "_high") > 0 for scale in (0.25, 0.5, 0.75, 1, 1.5))
    assert settled(many("cfg 3, scale 1.5"), "_high") < 0 and settled(many("cfg 3, scale -0.5"), "_high") < 0
    assert settled(many("cfg 3, scale 0.5"), "_low") > 0
    assert all(settled(many(f"cfg 2, scale {scale}"), "_low") > 0 for scale in (0.25, 0.5))


def test_at_the_same_cost_a_better_cfg_helped_far_more():
    sag, plain = (ALL.loc[many(what)] for what in ("cfg 1, scale 0.5", "cfg 2, scale 0"))
    assert sag["evaluations"] == plain["evaluations"] == 40
    assert plain["frechet_settled_high"] < 0.5 * sag["frechet_settled_low"]


def test_on_emoji_no_scale_above_0_gained_either_way():
    own = GUIDED[GUIDED["world"] == "emoji"]
    assert len(own) > 15 and (own["frechet_settled_difference_low"] > 0).all()


def test_without_their_haze_windows_from_the_middle_on_that_stop_before_the_end_helped_at_cfg_1():
    early, middle, late = (many(f"cfg 1, scale 1, steps {s}") for s in ("0 to 7", "7 to 14", "11 to 18"))
    assert settled(early, "_low") > 0 > settled(middle, "_high") > settled(late, "_high")
    assert settled(late, "_high") < 0 < settled(many("cfg 1, scale 1"), "_low")
    assert settled(many("cfg 1, scale 1, sigma 5.42 to 0.28"), "_high") < 0
    for to_the_end in ("7 to 20", "10 to 20", "13 to 20"):
        window = many(f"cfg 1, scale 1, steps {to_the_end}")
        assert settled(window, "_low") < 0 < settled(window, "_high")
    assert settled(many("cfg 2, scale 1, steps 13 to 20"), "_high") < 0
    windows = GUIDED[(GUIDED["world"] == "fashion") & (GUIDED["cfg"] == 2) & (GUIDED["count"] == 10000)]
    windows = windows[windows["active"].notna() | windows["sigmas"].notna()]
    assert windows["frechet_settled_difference"].idxmax() == many("cfg 2, scale 1, sigma 5.42 to 0.28")


@pytest.mark.parametrize("file", QUOTING)
def test_who_quotes_the_study_quotes_what_stands_there(file):
    quoted = re.findall(r"[+-]?\d[\d.]* ± [\d.]*\d", (ROOT / file).read_text(encoding="utf-8"))
    assert quoted and all(figure in TEXT.read_text(encoding="utf-8") for figure in quoted)
