"""A warning says first what to do, then why, and all of it is to be seen at the width with which a node is born."""

import pytest
from demo_graph import sampled
from page_strip import NOT_RUN, Strip, tell

from sag_delayed_activation.sampling.sentences import Phrase

pytestmark = pytest.mark.browser
in_both_modes = pytest.mark.parametrize("mode", ["classic", "Nodes 2.0"])
SIGMAS = [14.6146 - 0.5 * step for step in range(20)]
WHY = [
    Phrase("noNegative"), Phrase("negativeNotActive"), Phrase("unetNotRun"), NOT_RUN,
    Phrase.of("replaced", module="IPAdapter_plus.CrossAttentionPatch", stage=Phrase("middle"), layer="middle 0"),
    Phrase.of("foreign", name="ReCrossAttention of RES4LYF", stage=Phrase("output"), layer="output 11"),
]  # fmt: skip
BEGINNINGS = {"en": "raise cfg, or set branch", "zh": "提高 CFG", "ja": "CFG を上げるか", "ko": "CFG를 올리거나"}


@pytest.fixture
def speaks(server, language):
    """The pages that are opened from now on."""
    server.post("/settings", {"Comfy.Locale": language})
    yield
    server.post("/settings", {"Comfy.Locale": "en"})


@in_both_modes
@pytest.mark.parametrize("language", BEGINNINGS)
def test_a_warning_begins_with_its_remedy_and_is_never_cut(speaks, fresh, language):
    fresh.build(*sampled())
    guide = Strip(fresh, "sag")
    guide.element()
    height = fresh.area(guide.id)["height"]
    for number, why in enumerate(WHY):
        tell(fresh, SIGMAS, acted=[], skipped=range(20), reason=why)
        guide.waits_for(str(why) if language == "en" else "20")
        if not number:
            assert guide.line().startswith(BEGINNINGS[language])
        fresh.drawn()
        assert fresh.ask("fits", guide.id), guide.line()
    tell(fresh, SIGMAS, acted=[3])
    fresh.wait("isCalm", guide.id)
    fresh.drawn()
    assert fresh.area(guide.id)["height"] == height  # the room is given back
