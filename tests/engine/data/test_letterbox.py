"""Letterboxes land where the original's do."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.data.letterbox import letterbox, letterbox_geometry


def test_geometry_equals_the_originals(golden: Path) -> None:
    cases = json.loads((golden / "data" / "letterbox.json").read_text())
    assert len(cases) > 10
    for case in cases:
        args = dict(case["args"])
        options = {"scale_fill": args.pop("scaleFill", False), "scale_up": args.pop("scaleup", True), **args}
        shape = case["new_shape"] if isinstance(case["new_shape"], int) else tuple(case["new_shape"])
        g = letterbox_geometry(tuple(case["image_hw"]), shape, **options)
        assert list(g.shape) == case["out_hw"], case
        assert g.ratio == pytest.approx(case["ratio_wh"])
        assert g.pad == pytest.approx(case["pad_wh"])
        if "top" in case:
            assert [g.top, g.bottom, g.left, g.right] == [case[k] for k in ("top", "bottom", "left", "right")]


@pytest.mark.parametrize(
    ("index", "shape", "options"),
    [(0, 64, {"auto": False}), (1, 64, {"auto": False}), (2, (64, 48), {"auto": False, "scale_up": False})],
)
def test_pixels_equal_the_originals(golden: Path, index: int, shape: int, options: dict[str, bool]) -> None:
    pixels = np.load(golden / "data" / "letterbox_pixels.npz")
    image, expected = pixels[f"in{index}"], pixels[f"out{index}"]
    result = letterbox(image, letterbox_geometry(image.shape[:2], shape, **options))
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).max() <= 1
