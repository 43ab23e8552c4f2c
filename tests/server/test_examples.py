"""Every example on the real server, with a random checkpoint: loaded, sampled, decoded, saved."""

import json
from itertools import combinations

import pytest
from examples import ACTED, EXAMPLES, NOT_A_NUMBER, STEPS_THAT_ACT, run
from random_checkpoint import small_checkpoints

PACK = "sag-delayed-activation"
COMPARED, BETWEEN = 4, 8  # pictures side by side in the examples that compare, and pixels between them


@pytest.fixture(scope="session", params=["SMALL", pytest.param("SD15", marks=pytest.mark.nightly)])
def checkpoint(request):
    return request.param


@pytest.fixture(scope="session")
def server(serve, checkpoint):
    """One for each: it may keep the MODEL of a checkpoint of that name."""
    running = serve({"SMALL": "--cache-classic", "SD15": "--cache-none"}[checkpoint])
    with small_checkpoints(running.base, checkpoint):
        yield running


@pytest.fixture(scope="session")
def side(checkpoint):
    """Of the pictures, in pixels."""
    return {"SMALL": 64, "SD15": 128}[checkpoint]


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def example(request):
    return request.param


@pytest.fixture(scope="module")
def outcome(server, side, example):
    return run(server, json.loads(example.read_text(encoding="utf-8")), side)


def test_the_server_offers_each_example_with_its_thumbnail(server, example):
    assert example.stem in server.get("/workflow_templates")[PACK]
    thumbnail = server.get_bytes(f"/api/workflow_templates/{PACK}/{example.stem.replace(' ', '%20')}.jpg")
    assert thumbnail[:3] == b"\xff\xd8\xff" and len(thumbnail) < 100_000


def test_an_example_samples_to_the_end_and_guidance_acts_where_its_windows_say(outcome, example):
    _, log = outcome
    assert [int(steps) for steps in ACTED.findall(log)] == STEPS_THAT_ACT[example.stem]


def test_its_saved_picture_is_finite_and_of_the_size_asked_for_and_those_side_by_side_differ(outcome, side, example):
    pictures, log = outcome
    (saved,) = pictures["SaveImage"]
    beside = COMPARED if "compare" in example.stem else 1
    assert saved.shape == (side, side * beside + BETWEEN * (beside - 1), 3) and NOT_A_NUMBER not in log
    each = [saved[:, place * (side + BETWEEN) :][:, :side].astype(float) for place in range(beside)]
    assert min(picture.std() for picture in each) > 1
    apart = [abs(one - other).mean() for one, other in combinations(each, 2)]
    assert all(0 < mean < each[0].std() for mean in apart)  # of one seed, and no two alike


def test_what_it_previews_is_there(outcome, example):
    """The plot of the sigma window; of the masks one tile for each step that acted."""
    pictures, _ = outcome
    previews = {kind: len(shown) for kind, shown in pictures.items() if kind != "SaveImage"}
    wanted = {"SAG sigma window wired in": {"PreviewImage": 1}, "SAG mask preview": {"SAG mask preview": 2}}
    assert previews == wanted.get(example.stem, {})
