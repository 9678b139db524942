"""Where the model looked is drawn over the picture, and the picture can still be seen."""

import numpy as np
import pytest

from training.looked import overlay
from vehiclevision.labels import MODEL_INPUT_SIDE

GREY = np.full((MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3), 100, np.uint8)
CHANCE = np.random.default_rng(1)


def corner_map(value: float = 1.0) -> np.ndarray:
    """A map that speaks for the label at the top left alone."""
    activation_map = np.zeros((7, 7), np.float32)
    activation_map[0, 0] = value
    return activation_map


def test_the_tint_lies_where_the_map_is_high_and_is_warm() -> None:
    """The strong corner turns redder and less blue, the far one stays as it was."""
    drawn = overlay(GREY, corner_map())

    red, _, blue = drawn[5, 5].astype(int)
    assert red > 150
    assert blue < 60
    assert (drawn[120:, 120:] == GREY[120:, 120:]).all()


def test_the_picture_can_still_be_seen_under_the_strongest_tint() -> None:
    """Black and white pixels stay far apart even where the map is at its largest everywhere."""
    board = np.zeros_like(GREY)
    board[::2] = 255

    drawn = overlay(board, np.ones((7, 7), np.float32)).astype(int)

    assert np.abs(drawn[0::2] - drawn[1::2]).mean() > 90


def test_a_map_counts_by_its_own_largest_value_and_only_what_speaks_for_the_label() -> None:
    """A map a hundred times as strong is drawn the same; what speaks against the label is not drawn."""
    positive = CHANCE.normal(size=(7, 7)).astype(np.float32)

    assert np.abs(overlay(GREY, positive).astype(int) - overlay(GREY, 100 * positive)).max() <= 1
    assert (overlay(GREY, positive) == overlay(GREY, np.maximum(positive, 0))).all()


@pytest.mark.parametrize("value", [0.0, -3.0, float("nan"), float("inf")])
def test_a_map_that_says_nothing_leaves_the_picture(value: float) -> None:
    """Nothing positive, or no number: the same pixels come back, and not the caller's own array."""
    drawn = overlay(GREY, corner_map(value))

    assert (drawn == GREY).all()
    assert drawn is not GREY


def test_the_tint_is_smooth() -> None:
    """Neighbouring pixels differ by little: no edges of the map's own few rows and columns show."""
    drawn = overlay(GREY, CHANCE.random((7, 7))).astype(int)

    assert np.abs(np.diff(drawn, axis=0)).max() <= 8
    assert np.abs(np.diff(drawn, axis=1)).max() <= 8


@pytest.mark.parametrize(("shape", "map_shape"), [((32, 48, 3), (7, 7)), ((1, 1, 3), (1, 1)), ((20, 20, 3), (64, 3))])
def test_any_size_of_picture_and_map_goes_together(shape: tuple[int, ...], map_shape: tuple[int, ...]) -> None:
    """The drawing has the picture's size and type."""
    drawn = overlay(np.zeros(shape, np.uint8), np.ones(map_shape))

    assert drawn.shape == shape
    assert drawn.dtype == np.uint8
