"""What a run's line is made of; no host is needed."""

import logging

import pytest
import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.run_log import RunLog


def test_guidance_that_was_not_finite_is_counted_once_and_its_tensors_are_let_go():
    log = RunLog(SigmaWindow(15, 0), sigmas=[4.0, 2.0, 1.0], acted=[0, 1, 2])
    log.finite = [torch.tensor(all_of_it) for all_of_it in ([True, True], [True, False], [False, False])]
    log.settle()
    assert (log.not_finite, log.finite) == (2, [])
    log.settle()
    assert log.not_finite == 2 and "on 2 of them guidance was not finite" in log.summary()


def log_of(sigmas=(8.0, 4.0, 2.0, 1.0), window=(15, 0), **log):
    return RunLog(SigmaWindow(*window), list(sigmas), **log)


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
    text = log_of(skipped={0: "one", 1: "two", 3: "two"}).text()
    assert "acted on 0 of 4" in text and text.endswith("skipped 3 in the window: 2 because two; 1 because one")


@pytest.mark.parametrize(
    "done, excused, level",
    [
        ({"acted": [0]}, False, "INFO"),
        ({}, False, "WARNING"),
        ({}, True, "INFO"),
        ({"acted": [0], "not_finite": 1}, False, "WARNING"),
        ({"not_finite": 1}, True, "WARNING"),
        ({"sigmas": [], "remark": "a reason"}, False, "WARNING"),
        ({"sigmas": []}, False, None),
    ],
    ids=str,
)
def test_a_line_warns_where_something_went_wrong_or_nothing_was_done_without_excuse(done, excused, level, caplog):
    caplog.set_level(logging.INFO)
    log = log_of(**done)
    log.write(excused)
    assert [record.levelname for record in caplog.records] == ([level] if level else [])
    assert log.warns == (level != "INFO")


def test_a_line_begins_with_the_packs_name(caplog):
    log_of().write()
    assert caplog.records[0].getMessage() == f"SAG delayed activation: {log_of().text()}"
