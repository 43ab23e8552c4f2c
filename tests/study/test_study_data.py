"""What is packed for the study: which pictures, and which of them are kept apart for testing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab.study import cifar_data
from lab.study.wesnoth_data import FEWEST, GRAY, cut, drawn, split, unit_of


def picture(left=20, top=20, right=52, bottom=52, colour=(255, 0, 0)):
    """72 x 72, transparent but for a block."""
    made = Image.new("RGBA", (72, 72))
    made.paste((*colour, 255), (left, top, right, bottom))
    return made


def test_a_picture_loses_its_border_and_stands_on_gray():
    pixels = cut(picture())
    assert pixels.shape == (64, 64, 3)
    assert pixels[16, 16].tolist() == [255, 0, 0] and pixels[15, 15].tolist() == [GRAY] * 3


@pytest.mark.parametrize("block", [(30, 30, 40, 40), (0, 20, 40, 52)])
def test_a_picture_with_little_on_it_or_much_of_it_cut_off_does_not_serve(block):
    assert cut(picture(*block)) is None


@pytest.mark.parametrize("name", ["fighter", "fighter-attack-1", "fighter+female-die2", "fighter2"])
def test_all_pictures_of_a_unit_are_known_by_its_first_word(name):
    assert unit_of(Path("orcs") / f"{name}.png") == ("orcs", "fighter")


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """Two peoples of five units with 12 pictures each, one of too few, one picture of another size."""
    folder = tmp_path_factory.mktemp("units")
    for people, count in (("orcs", 5), ("drakes", 5), ("ogres", 1)):
        (folder / people).mkdir()
        for unit in range(count):
            for frame in range(12):
                made = picture(right=40 + frame, colour=(50 * unit, 10 * frame, 100))
                made.save(folder / people / f"{'abcde'[unit]}-{frame}.png")
    Image.new("RGBA", (80, 80), "red").save(folder / "orcs" / "f.png")
    return folder


def test_a_people_of_few_pictures_and_pictures_of_another_size_are_left_out(units):
    assert FEWEST > 12 and {file.parts[0] for file in drawn(units)} == {"orcs", "drakes"} and len(drawn(units)) == 120


def test_one_unit_of_each_people_is_kept_for_testing_whole(units):
    arrays = split(units)
    red = {side: {(int(label), int(image[0, 32, 32])) for image, label in zip(*own, strict=True)} for side, own in {
        side: (arrays[f"{side}_images"], arrays[f"{side}_labels"]) for side in ("train", "test")}.items()}  # fmt: skip
    assert {label for label, _ in red["test"]} == {0, 1} and len(red["test"]) == 2
    assert not red["test"] & red["train"] and len(red["train"]) == 8


def test_half_of_the_pictures_are_mirrored_and_labels_go_with_them(units):
    arrays = split(units)
    images, labels = arrays["train_images"], arrays["train_labels"]
    left = (images[:, 0, 32, :16] != GRAY).any(axis=1)  # of a picture as it is, only the ground lies there
    mirrored = (images[:, 0, 32, 47] != GRAY) & (images[:, 0, 32, 16] == GRAY)
    assert not left.any() and 0.3 < mirrored.mean() < 0.7
    assert sorted(np.bincount(labels)) == [48, 48]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Of each side, twelve red ships and twelve green birds."""
    folder = tmp_path_factory.mktemp("photographs")
    for side, bright in (("train", 100), ("test", 200)):
        for name, colour in (("ship", (bright, 0, 0)), ("bird", (0, bright, 0))):
            (folder / side / name).mkdir(parents=True)
            for number in range(12):
                Image.new("RGB", (32, 32), colour).save(folder / side / name / f"{number:04}.jpg", quality=100)
    return cifar_data.split(folder)


@pytest.mark.parametrize("side, bright", [("train", 100), ("test", 200)])
def test_photographs_keep_their_side_and_their_class(photographs, side, bright):
    images, labels = photographs[f"{side}_images"], photographs[f"{side}_labels"]
    assert images.shape == (24, 3, 32, 32) and images.dtype == np.uint8
    assert photographs["classes"][labels].tolist() == ["ship" if red > 50 else "bird" for red in images[:, 0, 5, 5]]
    assert abs(images.max() - bright) <= 2


def test_photographs_come_with_their_classes_mixed(photographs):
    labels = photographs["train_labels"]
    assert 0 < labels[:12].sum() < 12 and labels.sum() == 12
