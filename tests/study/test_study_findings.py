"""What the study's pages say in words is so in their CSVs."""

import pytest
from study_rows import FREE, ROWS, WORLDS, name, row

from lab.loading import ROOT
from lab.study.questions import EYES, chosen, controls, decided, doses, peers
from lab.study.report import below, best_of

CLASSIFIER, IMAGENET = EYES
THREE = ("wesnoth", "fashion", "emoji")
TITLE = {"wesnoth": "Wesnoth", "fashion": "garments", "emoji": "emoji"}
PAGES = [(ROOT / page).read_text(encoding="utf-8") for page in ("docs/study.md", "docs/study/dit.md")]
SKIP = "wesnoth, cfg 4, scale 0.25, steps 13 to 20, form skip, 20 steps, 2000 pictures, block 6"
PAPER = ROWS["paper"].assign(per_call=ROWS["paper"]["frechet_difference"] / ROWS["paper"]["extra_calls"])
GUIDED = PAPER[(PAPER["arithmetic"] == "float16") & (PAPER["scale"] > 0)]


def falls(world, called, eye=CLASSIFIER):
    """The whole interval of what it changes lies below 0."""
    return row(world, called)[f"{eye}_difference_high"] < 0


def rises(world, called, eye=CLASSIFIER):
    return row(world, called)[f"{eye}_difference_low"] > 0


def change(world, called, eye=CLASSIFIER):
    return row(world, called)[f"{eye}_difference"]


def between(world, called, metric):
    """The interval holds 0."""
    found = row(world, called)
    return found[f"{metric}_low"] < 0 < found[f"{metric}_high"]


def best(world, eye):
    return best_of(ROWS[WORLDS[world][0]], [name(world, free) for free in FREE], eye)


def passes(world):
    """By each pair of eyes."""
    free = [name(world, called) for called in FREE]
    return [below(ROWS[WORLDS[world][0]], name(world, "the dose"), free, eye) for eye in EYES]


def test_the_dose_does_not_pass_and_so_detail_is_0_by_default():
    from sag_delayed_activation.sampling.settings import Settings

    assert passes("wesnoth") == [True, False] and Settings.detail == 0
    assert falls("wesnoth", "the dose") and rises("wesnoth", "the dose", IMAGENET)


@pytest.mark.parametrize("world", ["fashion", "emoji"])
def test_on_the_worlds_it_was_chosen_on_it_helps_by_both_eyes_and_an_unsharp_mask_more_by_the_classifier_s(world):
    assert all(falls(world, "the dose", eye) for eye in EYES)
    free = best(world, CLASSIFIER)
    assert "unsharp" in free["name"] and free["frechet_dose_low"] > 0 and not passes(world)[0]


def test_30_plain_steps_are_as_good_on_emoji_by_imagenet_and_harm_nowhere():
    assert between("emoji", "30 steps", "frechet_imagenet_dose")
    assert [best("emoji", eye)["name"] for eye in EYES] == [name("emoji", c) for c in ("unsharp mask 0.25", "30 steps")]
    assert not any(rises(world, "30 steps", eye) for world in THREE for eye in EYES)


def test_the_defaults_harm_garments_by_both_eyes_and_help_the_coloured_worlds_by_imagenet_s():
    assert all(rises("fashion", "SAG", eye) for eye in EYES) and rises("emoji", "SAG")
    assert falls("wesnoth", "SAG", IMAGENET) and falls("emoji", "SAG", IMAGENET) and between(
        "wesnoth", "SAG", "frechet_difference"
    )  # fmt: skip
    assert row("wesnoth", "SAG")["high_frequency_off_high"] < row("wesnoth", "no guidance")["high_frequency_off_low"]


@pytest.mark.parametrize(
    "world, named",
    [
        ("wesnoth", ("unsharp mask 0.25", "30 steps")), ("fashion", ("unsharp mask 0.5", "unsharp mask 0.1")),
        ("dit wesnoth", ("unsharp mask 0.1", "30 steps")),
        ("dit fashion", ("unsharp mask 0.25", "unsharp mask 0.1")),
    ],
)  # fmt: skip
def test_the_best_free_control_is_the_one_that_the_tables_name(world, named):
    assert [best(world, eye)["name"] for eye in EYES] == [name(world, called) for called in named]
    own = f"| {TITLE[world.split()[-1]]} |"
    rows = [line for line in PAGES["dit" in world].splitlines() if line.startswith(own)][:2]
    assert [line.split("|")[-2].strip().replace("more", "30") for line in rows] == [*named]


def test_it_is_not_attention_that_helps():
    assert row("wesnoth", "inverse mask")["frechet_dose_low"] > 0 and between("wesnoth", "random mask", "frechet_dose")
    masks = ("the dose", "random mask", "inverse mask", "no mask")
    assert [min(masks, key=lambda mask: change("emoji", mask, eye)) for eye in EYES] == ["no mask"] * 2


@pytest.mark.parametrize("world", THREE)
def test_the_last_2_steps_carry_nearly_all_of_it_and_the_first_thirds_next_to_nothing(world):
    few = "fashion few" if world == "fashion" else world
    assert change(world, "last 2 steps") < 0.9 * change(world, "the dose")
    assert all(change(few, third) > 0.15 * change(world, "the dose") for third in ("first third", "middle third"))


def test_high_frequencies_end_farther_off_on_wesnoth_and_nearer_on_garments():
    off = "high_frequency_off_difference"
    assert row("wesnoth", "the dose")[f"{off}_low"] > 0 > row("fashion", "the dose")[f"{off}_high"]


def test_with_the_haze_put_aside_little_is_left_on_garments_and_most_on_wesnoth():
    settled = "frechet_settled_difference"
    assert between("fashion", "the dose", settled)
    assert row("wesnoth", "the dose")[settled] < 0.9 * change("wesnoth", "the dose")


def test_pag_did_nothing_but_on_emoji():
    assert all(abs(change(world, "PAG")) < 0.2 * abs(change(world, "the dose")) for world in ("wesnoth", "fashion"))
    assert between("emoji", "PAG", "frechet_dose") and row("emoji", "PAG")["frechet_imagenet_dose_high"] < 0


def test_cfg_8_alone_is_better_than_any_guidance_at_cfg_3():
    own = ROWS["detail"][(ROWS["detail"]["world"] == "wesnoth") & (ROWS["detail"]["cfg"] == 3)]
    assert len(own) > 10 and all((own[eye] > row("wesnoth", "no guidance")[eye]).all() for eye in EYES)


def test_imagenet_minds_noise_more_than_blur_and_the_coloured_classifiers_blur_more():
    for world, count in (("wesnoth", 648), ("fashion", 10000), ("emoji", 591)):
        kinds = ("noise 0.05", "blur 0.5")
        noise, blur = (row(world, f"{world}, test pictures with {kind}, {count} pictures") for kind in kinds)
        assert noise[IMAGENET] > blur[IMAGENET]
        assert (noise[CLASSIFIER] < blur[CLASSIFIER]) == (world != "fashion")


def test_on_dits_the_dose_passes_by_the_classifier_and_not_by_imagenet_where_more_steps_do_as_well():
    assert passes("dit wesnoth") == [True, False] and all(falls("dit wesnoth", "the dose", eye) for eye in EYES)
    assert best("dit wesnoth", IMAGENET)["steps"] == 30 and between("dit wesnoth", "30 steps", "frechet_imagenet_dose")


def test_on_dits_the_paper_s_sag_harms_but_for_imagenet_s_eyes_on_wesnoth():
    assert all(rises("dit fashion", "SAG", eye) for eye in EYES) and rises("dit wesnoth", "SAG")
    others = ROWS["dit"][(ROWS["dit"]["world"] == "wesnoth") & (ROWS["dit"]["cfg"] == 4)]["frechet_imagenet_difference"]
    assert change("dit wesnoth", "SAG", IMAGENET) == others.min()


@pytest.mark.parametrize("world", ["dit wesnoth", "dit fashion"])
def test_on_dits_the_dose_is_worse_without_a_mask(world):
    assert all(row(world, "no mask")[f"{eye}_dose_high"] < 0 for eye in EYES)


def test_on_dits_skip_layer_guidance_gains_more_on_garments_and_wrecks_wesnoth_by_imagenet():
    assert row("dit fashion", SKIP.replace("wesnoth, cfg 4", "fashion, cfg 1.5"))["frechet_imagenet_dose_low"] > 0
    assert row("dit wesnoth", SKIP)["frechet_imagenet_difference_low"] > 20


def test_in_the_earliest_round_every_scale_above_0_raised_the_distance():
    assert len(GUIDED) > 60 and (GUIDED["frechet_difference_low"] > 0).all()


def test_with_the_haze_aside_garments_gained_where_cfg_was_too_weak_or_too_strong_and_emoji_nowhere():
    settled = "frechet_settled_difference"
    for gained in ("unconditional, scale 0.75", "cfg 1, scale 0.5", "cfg 1.5, scale 0.5", "cfg 3, scale 1.5"):
        assert row("paper fashion", gained)[f"{settled}_high"] < 0
    assert (GUIDED[GUIDED["world"] == "emoji"][f"{settled}_low"] > 0).all()


def test_the_later_a_third_of_the_steps_the_more_harm_each_call_did():
    for world, cfg in (("fashion", 2), ("emoji", 3)):
        own = GUIDED[(GUIDED["world"] == world) & (GUIDED["cfg"] == cfg)].set_index("active")
        assert own.loc[["0 to 7", "7 to 14", "13 to 20"], "per_call"].is_monotonic_increasing


def test_the_mask_did_less_harm_than_a_random_one_and_that_less_than_none():
    masks = ("", ", masking random", ", threshold 0.0")
    harm = [change("paper few", f"cfg 2, scale 1{mask}") for mask in masks]
    assert harm == sorted(harm)


ATTENTION = ROWS["attention"]
CHOSEN = chosen(ATTENTION[[*EYES]].to_dict("index"))
DOSE, OF_UNITS = decided("photographs", CHOSEN), decided("wesnoth", CHOSEN)


def test_the_rule_chooses_the_dose_that_the_page_names_from_as_many_settings():
    assert (CHOSEN.form, CHOSEN.scale, CHOSEN.active) == ("seg 1", 3.0, (7, 14))
    assert [DOSE.name, OF_UNITS.name] == [name(world, "SEG") for world in ("photographs", "units")]
    assert len(doses("photographs")) - 1 == len(doses("fashion")) - 1 == 48


@pytest.mark.parametrize("dose, named", [(DOSE, ("30 steps", "cfg 1.5")), (OF_UNITS, ("cfg 10", "30 steps"))])
def test_blurred_attention_passes_by_no_eye_in_either_world_against_the_controls_that_the_page_names(dose, named):
    world, free = {"wesnoth": "units"}.get(dose.world, dose.world), [control.name for control in controls(dose)]
    assert [below(ATTENTION, dose.name, free, eye) for eye in EYES] == [False, False]
    assert [best_of(ATTENTION, free, eye)["name"] for eye in EYES] == [name(world, called) for called in named]
    assert all(between(world, "SEG", f"{eye}_difference") for eye in EYES)


def test_and_so_it_is_not_in_the_node():
    from sag_delayed_activation.nodes_advanced import SelfAttentionGuidanceAdvanced

    assert "blur_target" not in str(SelfAttentionGuidanceAdvanced.INPUT_TYPES())


def test_pag_was_a_little_better_than_blurred_attention_by_both_eyes():
    assert all(ATTENTION.loc[peer.name, f"{eye}_dose"] > 0 for peer in peers(DOSE) for eye in EYES)


def test_a_better_sampler_is_worth_more_than_any_guidance_on_photographs():
    euler, better = (row(sampler, "no guidance") for sampler in ("photographs, Euler", "photographs"))
    guided = ATTENTION[(ATTENTION["world"] == "photographs") & (ATTENTION["scale"] != 0)]
    for eye in EYES:
        assert better[eye] - euler[eye] < guided[f"{eye}_difference"].min() - 0.1


@pytest.mark.parametrize("world", ["photographs", "units"])
def test_with_dpmpp_2m_a_positive_scale_took_texture_away_and_a_negative_one_added_it(world):
    change = "high_frequency_difference"
    assert all(row(world, taking)[f"{change}_high"] < 0 for taking in ("SAG", "scale 0.25"))
    assert all(row(world, adding)[f"{change}_low"] > 0 for adding in ("scale -0.25", "scale -0.5"))


def test_units_have_too_much_texture_and_so_sag_helps_them_by_both_eyes_in_both_samplers():
    for world in ("units", "units, Euler"):
        texture = "high_frequency_difference", "high_frequency_off_difference"
        assert all(row(world, "SAG")[f"{change}_high"] < 0 for change in texture)
        assert all(falls(world, "SAG", eye) for eye in EYES)
    assert row("units", "cfg 10")[CLASSIFIER] < row("units", "SAG")[CLASSIFIER]


def test_photographs_gained_from_a_negative_scale_with_euler_alone_and_detail_harmed_them_by_both_eyes():
    assert all(falls("photographs, Euler", "SAG -0.5 in the middle", eye) for eye in EYES)
    assert all(rises("photographs", called, eye) for called in ("SAG -0.5 in the middle", "detail") for eye in EYES)
    of_photographs = ATTENTION[(ATTENTION["world"] == "photographs") & (ATTENTION["form"] == "sag")]
    best = of_photographs[of_photographs["against"] == name("photographs, Euler", "no guidance")]
    assert all(
        best[f"{eye}_difference"].idxmin() == name("photographs, Euler", "SAG -0.5 in the middle") for eye in EYES
    )
