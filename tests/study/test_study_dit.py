"""What is asked of the DiTs follows by rule from what was measured."""

from lab.study.dit.questions import (
    BLOCKS,
    CFGS,
    GUESS,
    SKIP,
    STAGES,
    DiTSetting,
    best,
    blocks,
    chosen,
    deciding,
    doses,
    plain,
    skips,
)  # fmt: skip
from lab.study.questions import LATE

GOOD_BLOCK = 2


def distances(setting):
    """No guidance is best at cfg 2. The late third at scale 1 and detail 0.5 gains most, in one block."""
    bare = 2.0 + abs(setting.cfg - 2)
    if setting.block is None:
        return bare, 10 * bare
    gain = 0.1 * (setting.active == LATE) + 0.05 * (setting.detail == 0.5) + 0.02 * setting.scale
    gain *= 1 if setting.block == GOOD_BLOCK else 0.5
    return bare * (1 - gain), 10 * bare * (1 - gain)


def test_the_best_is_the_one_that_gains_most_where_it_gains_least():
    bare = DiTSetting("fashion")
    one, both = DiTSetting("fashion", scale=1.0, block=1), DiTSetting("fashion", scale=0.5, block=1)
    known = {bare: (1.0, 100.0), one: (0.5, 99.0), both: (0.9, 90.0)}
    assert best([one, both], known.__getitem__) == both


def test_the_cfg_is_the_one_with_the_lowest_distance_by_the_classifier():
    assert plain("wesnoth", distances) == DiTSetting("wesnoth", cfg=2.0)
    assert plain("wesnoth", lambda s: (-s.cfg, s.cfg)).cfg == max(CFGS["wesnoth"])


def test_every_block_is_tried_and_the_dose_is_chosen_at_the_best_and_at_the_guess():
    assert {setting.block for setting in blocks(distances)} == set(range(BLOCKS))
    assert {setting.block for setting in doses(distances)} == {GOOD_BLOCK, GUESS}
    dose = chosen(distances)
    assert (dose.scale, dose.detail, dose.active, dose.block) == (1.0, 0.5, LATE, GOOD_BLOCK)


def test_the_host_s_guidance_acts_in_the_dose_s_steps():
    assert all(setting.active == LATE and setting.form == SKIP for setting in skips(distances))


def test_at_most_eleven_rows_decide_all_at_the_world_s_own_cfg():
    found = deciding("wesnoth", distances)
    assert len({setting.name for setting in found.values()}) == len(found) <= 11
    assert {setting.cfg for setting in found.values()} == {2.0} and {s.world for s in found.values()} == {"wesnoth"}


def test_no_two_settings_of_a_world_share_a_name_and_each_has_its_plain_one():
    for stages in STAGES.values():
        settings = {setting for stage in stages for setting in stage(distances)}
        names = {setting.name for setting in settings}
        assert len(names) == len(settings)
        assert {setting.plain.name for setting in settings if setting.steps == 20} <= names
