"""Which dose the rows choose, and what is asked of it where it is decided."""

from dataclasses import replace

from lab.study.questions import CHOSEN_ON, EYES, LATE, MIDDLE, Setting, chosen, doses, questions

FIRST = replace(doses("photographs")[1], active=LATE)


def distances(changes=()):
    """Every row at 1 by both eyes, but for those of a dose: its change in each world, by each eye."""
    found = {own.name: dict.fromkeys(EYES, 1.0) for world in CHOSEN_ON for own in doses(world)}
    for dose, by_world in changes:
        for (world, cfg), by_eye in zip(CHOSEN_ON.items(), by_world, strict=True):
            name = replace(dose, world=world, cfg=cfg).name
            found[name] = {eye: 1 + change for eye, change in zip(EYES, by_eye, strict=True)}
    return found


def test_the_worse_eye_of_each_world_counts_and_the_mean_of_both_worlds():
    balanced, one_eyed = replace(FIRST, form="seg 3"), replace(FIRST, form="seg mean")
    by_one_eye = (one_eyed, [(-0.9, 0.0), (-0.9, 0.0)])
    assert chosen(distances([(balanced, [(-0.2, -0.1), (0.08, -0.3)]), by_one_eye])) == balanced
    assert chosen(distances([(balanced, [(-0.2, -0.1), (0.12, -0.3)]), by_one_eye])) not in (balanced, one_eyed)


def test_a_gain_is_relative():
    larger, near = replace(FIRST, scale=5.0), replace(FIRST, scale=3.0)
    found = distances([(larger, [(-0.3, -0.3), (0, 0)]), (near, [(0, 0), (-0.2, -0.2)])])
    for own in doses("photographs"):
        found[own.name] = {eye: 10 * value for eye, value in found[own.name].items()}
    assert chosen(found) == larger


def test_of_equals_the_fewest_calls_then_the_lowest_scale_then_the_narrowest_count():
    equal = [(-0.2, -0.2), (-0.2, -0.2)]
    costly, strong = replace(FIRST, active=None, scale=1.0), replace(FIRST, scale=5.0, active=MIDDLE)
    wide, narrow = replace(FIRST, scale=3.0, form="seg mean"), replace(FIRST, scale=3.0, form="seg 3")
    left = [costly, strong, wide, narrow]
    assert chosen(distances([(dose, equal) for dose in left])) == narrow
    assert chosen(distances([(dose, equal) for dose in left[:3]])) == wide
    assert chosen(distances([(dose, equal) for dose in left[:2]])) == strong
    better = [(-0.2006, -0.2006), (-0.2, -0.2)]  # by less than is looked at
    assert chosen(distances([(costly, better), (strong, equal)])) == strong


def test_what_is_asked_of_a_dose_is_what_the_plan_says():
    dose = replace(FIRST, scale=3.0, form="seg mean")
    plain = Setting("wesnoth", cfg=8.0, sampler="dpmpp_2m", noise=2)
    own = replace(plain, scale=3.0, form="seg mean", active=LATE)
    unsharp = [replace(own, form="unsharp smoothed by 0.7", scale=scale) for scale in (0.1, 0.25, 0.5)]
    free = [replace(plain, steps=30), replace(plain, cfg=6.0), replace(plain, cfg=10.0), *unsharp]
    pag = [replace(own, form="pag", scale=scale) for scale in (1.0, 2.0, 3.0)]
    assert questions("wesnoth", dose)["decide"] == [plain, own, *free, *pag]
    photographs = questions("photographs", dose)["decide"]
    assert {(s.cfg, s.steps) for s in photographs} == {(1.25, 20), (1.25, 30), (1.0, 20), (1.5, 20)}
    assert {(s.count, s.sampler, s.noise) for s in photographs} == {(5000, "dpmpp_2m", 2)}
    samplers = [s.sampler for s in questions("photographs", dose)["beside"]]
    assert samplers == [sampler for sampler in ("dpmpp_2m", "euler") for _ in range(9)]
