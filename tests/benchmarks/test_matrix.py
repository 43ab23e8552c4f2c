"""The table of hosts in words, and where it is put."""

import pytest

from lab.markdown import put
from lab.matrix import in_words


def test_what_a_host_lacks_is_said_once_older_versions_first():
    reasons = ["needs ComfyUI 0.24: a guider on two models", "needs ComfyUI 0.3.60: attention overrides",
               "needs ComfyUI 0.3.60: attention overrides", "needs ComfyUI of summer 2026: CFG Override"]  # fmt: skip
    assert in_words(reasons) == "attention overrides, a guider on two models, CFG Override"


def test_a_host_lacks_nothing_if_tests_are_skipped_for_other_reasons():
    reasons = ["needs ComfyUI before 0.40", "only in ComfyUI 0.40 and newer"]
    assert in_words(reasons) == in_words([]) == "nothing"


def test_text_between_two_marks_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- a -->\nold\n<!-- a ends -->\nbelow\n")
    put(page, "<!-- a -->", "<!-- a ends -->", "new")
    assert page.read_text() == "above\n<!-- a -->\nnew\n<!-- a ends -->\nbelow\n"
    with pytest.raises(ValueError):
        put(page, "<!-- b -->", "<!-- b ends -->", "new")
