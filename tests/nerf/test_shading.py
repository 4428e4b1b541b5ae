import pytest
import torch

from nerf.shading import PAINT, SHADINGS, shade, unit

ALBEDO = torch.tensor([[0.4], [0.2], [0.1]])  # composited: opacity 0.5 of (0.8, 0.4, 0.2)
OPACITY = torch.tensor([[0.5]])
DOWN = torch.tensor([[0.0], [0.0], [-1.0]])


def lit(mode: str, normal: tuple[float, float, float]) -> list[float]:
    return shade(mode, ALBEDO, OPACITY, torch.tensor(normal)[:, None], DOWN)[:, 0].tolist()


def test_head_light_is_the_projects():
    """albedo (0.45 + 0.55 max(0, n.v)) with v toward the camera."""
    assert lit("headlight", (0, 0, 1)) == pytest.approx([0.4, 0.2, 0.1])
    assert lit("headlight", (0.8, 0, 0.6)) == pytest.approx([x * (0.45 + 0.55 * 0.6) for x in (0.4, 0.2, 0.1)])
    assert lit("headlight", (0, 0, -1)) == pytest.approx([x * 0.45 for x in (0.4, 0.2, 0.1)])


def test_other_looks():
    assert lit("albedo", (0, 0, -1)) == ALBEDO[:, 0].tolist()
    assert lit("normal", (0, 0.6, 0.8)) == pytest.approx([0.25, 0.4, 0.45])
    assert lit("textureless", (0, 0, -1)) == pytest.approx([0.5 * 0.45 * PAINT] * 3)


def test_unknown_look_is_named():
    with pytest.raises(Exception, match="shiny"):
        shade("shiny", ALBEDO, OPACITY, DOWN, DOWN)
    assert set(SHADINGS) == {"albedo", "headlight", "normal", "textureless"}


def test_unit_falls_back_where_there_is_no_direction():
    vectors, fallback = torch.tensor([[3.0, 0, 4], [0, 0, 0]]), torch.tensor([[0.0, 1, 0], [0, 1, 0]])
    assert torch.allclose(unit(vectors, fallback), torch.tensor([[0.6, 0, 0.8], [0, 1, 0]]))
