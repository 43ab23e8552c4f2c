"""What a run's line is made of, and when it warns; no host is needed."""

import copy
import logging

import pytest
import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.run_log import LastLine, RunLog, say_once_that_runs_are_not_told
from sag_delayed_activation.sampling.sentences import REASONS, Phrase


def log_of(sigmas=(8.0, 4.0, 2.0, 1.0), window=(15, 0), **log):
    return RunLog(SigmaWindow(*window), sigmas=list(sigmas), **log)


def test_guidance_that_was_not_finite_is_counted_once_and_its_tensors_are_let_go():
    log = log_of(acted=[0, 1, 2])
    log.finite = [torch.tensor(all_of_it) for all_of_it in ([True, True], [True, False], [False, False])]
    for _ in range(2):
        log.settle()
        assert (log.not_finite, log.finite) == (2, [])
    assert "on 2 of them guidance was not finite" in log.summary()


def test_the_line_counts_evaluations_and_says_the_highest_and_the_lowest_sigma_that_were_guided():
    text = log_of(acted=[1, 3], extra_calls=3).text()
    assert text == "acted on 2 of 4 model evaluations, from sigma 4 to 1, 3 extra UNet calls"


def test_where_no_sigma_lay_in_the_window_the_line_says_both():
    text = log_of(window=(0.5, 0.25)).text()
    assert "acted on 0 of 4" in text and "from 0.5 to 0.25, sampled were 8 to 1" in text


def test_a_run_that_ended_before_its_first_guidance_is_told_from_one_outside_the_window():
    text = log_of(sigmas=[20.0, 8.0]).text()
    assert "acted on 0 of 2" in text and "the run ended before guidance was computed" in text


def test_reasons_are_counted_the_most_frequent_first():
    one, two = Phrase("fadeIs0"), Phrase("deepCache")
    text = log_of(skipped={0: one, 1: two, 3: two}).text()
    assert "acted on 0 of 4" in text
    assert text.endswith(f"skipped 3 in the window: 2 because {two}; 1 because {one}")


# warnings


def test_a_warning_begins_with_what_to_do_about_its_most_frequent_reason_and_says_it_once():
    skipped = {0: "hidden", 1: "noNegative", 2: "noNegative", 3: "deepCache"}
    warning = log_of(skipped={place: Phrase(key) for place, key in skipped.items()}).text()
    assert warning.startswith("raise cfg, or set branch to auto in SAG delayed activation (advanced); leave out the ")
    assert warning.count("leave out") == 1 and "; acted on 0 of 4 model evaluations; skipped 4" in warning
    assert log_of(acted=[0], skipped={1: Phrase("noNegative")}).text().startswith("acted on 1 of 4")

MEANT = ["fadeIs0", "pureNoise", "noNegative", "negativeNotActive", "positiveNotActive"]
KEPT_AWAY = {0: Phrase("replaced"), 1: Phrase("hidden")}


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "part"])
@pytest.mark.parametrize(
    "done, whole_warns, part_warns",
    [
        ({"acted": [0]}, False, False),
        ({"acted": [0], "not_finite": 1}, True, True),
        ({"window": (0.5, 0)}, True, False),
        ({"sigmas": []}, True, False),
        ({"window": (8, 4), "skipped": KEPT_AWAY}, True, True),
        ({"window": (8, 4), "skipped": KEPT_AWAY | {1: Phrase("pureNoise")}}, True, False),
        ({"window": (8, 2), "skipped": KEPT_AWAY}, True, False),  # it ended before the last of them was guided
        ({"window": (8, 2), "skipped": KEPT_AWAY, "acted": [2]}, False, False),
    ],
    ids=str,
)
def test_a_line_warns_where_something_went_wrong_or_a_whole_run_did_nothing(done, whole_warns, part_warns, is_whole):
    assert log_of(**done, is_whole=is_whole).warns is (whole_warns if is_whole else part_warns)


@pytest.mark.parametrize("reason", REASONS)
def test_a_part_of_a_sampling_warns_of_each_reason_but_those_that_are_meant(reason):
    assert log_of(sigmas=[8.0], skipped={0: Phrase(reason)}, is_whole=False).warns is (reason not in MEANT)


@pytest.mark.parametrize("is_whole, level", [(True, "WARNING"), (False, "INFO")])
def test_a_line_is_written_at_its_level_and_begins_with_the_packs_name(caplog, is_whole, level):
    caplog.set_level(logging.INFO)
    log = log_of(window=(0.5, 0), is_whole=is_whole)
    log.write()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [(level, f"SAG delayed activation: {log.text()}")]


def test_of_a_guider_that_begins_its_runs_itself_the_log_says_so_once(caplog):
    caplog.set_level(logging.INFO)
    say_once_that_runs_are_not_told.cache_clear()
    for _ in range(2):
        say_once_that_runs_are_not_told()
    assert len(caplog.records) == 1 and "what it does is not told" in caplog.text


def test_a_line_is_no_news_right_after_itself_at_one_level_in_one_prompt():
    last = LastLine()

    def is_news(prompt="a prompt", **more):
        return last.is_news(prompt, log_of(acted=[0], **more))

    assert is_news() and not is_news()
    for differs in ({"prompt": "another"}, {"not_finite": 1}, {"extra_calls": 5}):
        assert is_news(**differs) and is_news() and not is_news()
    assert is_news(None) and is_news(None)  # a script has no prompt
    assert copy.deepcopy({"last": last})["last"] is last


def test_a_run_that_ended_early_says_so_behind_all_else():
    assert log_of(acted=[0], cut_short=True).text().endswith("; the run ended early")


def test_an_early_end_is_said_once():
    assert log_of(cut_short=True).text().count("ended") == 1
