import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from distill.catalog.captions import VOCABULARY
from distill.catalog.truth import GROUPS, color_at, slot_colors, truth
from distill.evaluation import (
    FOUR,
    MEASURES,
    AssetScore,
    Result,
    means,
    score_asset,
    sheet_row,
    sixteen_views,
    true_pictures,
)
from distill.metrics import interval, psnr
from nerf.cameras import orbit
from nerf.mesh_atlas import unwrap
from nerf.mesh_clean import vertex_normals
from nerf.mesh_decimate import decimate
from nerf.mesh_texture import bake
from nerf.mesh_textured import TexturedMesh
from nerf.solids import render_groups_reference, stack
from tests.nerf.sample_meshes import meshed

MUG = VOCABULARY.parse("a red mug with a white handle")


@pytest.fixture(scope="module")
def mug() -> TexturedMesh:
    """The exact truth as a mesh, as near as cells of 1/40 and a texture of 512 px come."""
    points, triangles, *_ = meshed(truth(MUG).distance, 80)
    points, triangles = decimate(points, triangles, 10_000)
    atlas = unwrap(points, triangles, 512)
    texture = bake(lambda p: color_at(MUG, p), points, triangles, atlas, 512, device="cpu")
    return TexturedMesh(points, triangles, vertex_normals(points, triangles), atlas.uv, atlas.faces, texture)


def moved(mesh: TexturedMesh, *, shift=(0.0, 0.0, 0.0), turn: float = 0.0, scale: float = 1.0) -> TexturedMesh:
    c, s = math.cos(turn), math.sin(turn)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=np.float32)
    vertices = (scale * mesh.vertices @ rotation.T + np.array(shift)).astype(np.float32)
    return replace(mesh, vertices=vertices, normals=(mesh.normals @ rotation.T).astype(np.float32))


# Scores


def test_the_truth_itself_scores_full_marks(mug):
    score = score_asset(mug, MUG)
    assert score.iou > 0.99
    assert score.fscore == 1
    assert score.chamfer_l1 < 0.0095  # of 20,000 points a side; samples of one surface are about as far apart
    assert score.color < 0.005
    assert score.psnr > 33
    assert score_asset(mug, MUG) == score


@pytest.mark.parametrize(
    ("change", "iou", "fscore", "drop"),
    [
        ({"shift": (0.1, 0.0, 0.0)}, 0.8, 0.6, 15),
        ({"turn": math.pi}, 0.5, 0.4, 15),
        ({"scale": 0.85}, 0.65, 0.2, 15),
    ],
    ids=["shifted", "turned", "smaller"],
)
def test_nothing_is_aligned_or_scaled(mug, change, iou, fscore, drop):
    right, wrong = score_asset(mug, MUG), score_asset(moved(mug, **change), MUG)
    assert wrong.iou < iou
    assert wrong.fscore < fscore
    assert wrong.psnr < right.psnr - drop
    assert wrong.chamfer_l1 > right.chamfer_l1


def test_color_is_the_mean_error_of_a_channel(mug):
    """Every texel darker by 25 of 255; and two channels exchanged."""
    right = score_asset(mug, MUG)
    darker = replace(mug, texture=(mug.texture.astype(int) - 25).clip(0, 255).astype(np.uint8))
    assert score_asset(darker, MUG).color == pytest.approx(25 / 255, abs=0.005)
    swapped = score_asset(replace(mug, texture=mug.texture[..., [2, 1, 0]].copy()), MUG)
    assert swapped.color > 0.25
    assert (swapped.iou, swapped.fscore) == (right.iou, right.fscore)
    assert swapped.psnr < right.psnr - 8


def test_another_caption_is_another_truth(mug):
    other = score_asset(mug, VOCABULARY.parse("a red chair"))
    assert other.iou < 0.3
    assert other.fscore < 0.4
    blue = score_asset(mug, VOCABULARY.parse("a blue mug with a white handle"))
    assert blue.iou == score_asset(mug, MUG).iou
    assert blue.color > 0.2


def test_color_knows_patterns_and_who_stands_where():
    caption = VOCABULARY.parse("a red and gold striped cube next to a blue and white spotted sphere")
    points, triangles, *_ = meshed(truth(caption).distance, 80)
    points, triangles = decimate(points, triangles, 10_000)
    atlas = unwrap(points, triangles, 512)
    texture = bake(lambda p: color_at(caption, p), points, triangles, atlas, 512, device="cpu")
    made = TexturedMesh(points, triangles, vertex_normals(points, triangles), atlas.uv, atlas.faces, texture)
    right = score_asset(made, caption)
    assert right.iou > 0.97
    assert right.color < 0.03  # neighbors across the edges of a pattern
    for other in (
        "a red cube next to a blue sphere",
        "a red and gold checkered cube next to a blue and white spotted sphere",
        "a gold and red striped cube next to a blue and white spotted sphere",
    ):
        wrong = score_asset(made, VOCABULARY.parse(other))
        assert wrong.iou == right.iou
        assert wrong.color > 2 * right.color + 0.03
    swapped = score_asset(made, VOCABULARY.parse("a blue and white spotted sphere next to a red and gold striped cube"))
    assert swapped.iou < 0.7


# Pictures


@pytest.mark.parametrize("prompt", ["a red mug with a white handle", "a red and gold striped mug next to a blue cone"])
def test_true_pictures_are_the_exact_render_on_white(prompt):
    views, caption = orbit(3, elevation=0.3, distance=3.2, fov=0.7), VOCABULARY.parse(prompt)
    shown = true_pictures(caption, views, 24)
    layers = render_groups_reference(stack([truth(caption)] * 3), views, 24, GROUPS)
    exact = torch.einsum("vghw,gc->vchw", layers[:, :GROUPS], slot_colors(caption.things)) + 1 - layers[:, GROUPS:]
    assert psnr(shown, exact) > 40
    assert psnr(shown, exact.flip(-1)) < 25
    assert torch.equal(shown[:, :, 0, 0], torch.ones(3, 3))
    assert psnr(shown, true_pictures(caption, views, 24)) == math.inf


def test_sixteen_views_surround_the_asset():
    views = sixteen_views()
    directions = torch.nn.functional.normalize(views.position, dim=-1)
    angles = torch.rad2deg((directions @ directions.T).clamp(-1, 1).acos())
    assert len(views) == 16
    assert angles.fill_diagonal_(180).min() > 25
    assert sorted({round(math.degrees(float(e))) for e in views.elevation}) == [5, 35]
    assert directions.mean(0)[[0, 2]].abs().max() < 1e-6


def test_a_row_of_the_sheet_shows_asset_and_truth(mug):
    score = AssetScore(0.91, 0.012, 0.98, 0.031, 27.4)
    row = sheet_row("a mug", Result("a mug", 0, score), mug, MUG, size=48)
    true = true_pictures(MUG, FOUR, 48)
    assert row.captions == [
        "IoU 0.91  F 0.98",
        "Chamfer 0.012",
        "color 0.031",
        "PSNR 27.4 dB",
        "ground truth",
        "",
        "",
        "",
    ]
    for k in range(4):
        assert torch.equal(row.pictures[4 + k], true[k])
        assert psnr(row.pictures[k], true[k]) > 22
        assert psnr(row.pictures[k], true[(k + 2) % 4]) < psnr(row.pictures[k], true[k]) - (3 if k % 2 == 0 else -99)
    failed = sheet_row("a mug", Result("a mug", 0, None, "the field is empty"), None, MUG, size=48)
    assert failed.captions[0] == "failed: the field is empty"
    assert all(p.amin() == p.amax() for p in failed.pictures[:4])
    assert torch.equal(failed.pictures[4], true[0])


# Means


def scored(prompt: str, seed: int, iou: float) -> Result:
    return Result(prompt, seed, AssetScore(iou, 1 - iou, iou / 2, 0.1, 20.0))


def test_the_unit_of_the_means_is_the_prompt():
    """The wrong variant, over all assets, would be 0.7 of four."""
    found = means([scored("a", 0, 0.9), scored("a", 1, 0.9), scored("a", 2, 0.9), scored("b", 0, 0.1)])["iou"]
    assert found.mean == pytest.approx(0.5)
    assert found.count == 2
    assert (found.low, found.high) == (0, 1)  # of two values Student's alone would reach from -4.6 to 5.6


def test_a_distance_is_never_below_zero_and_decibels_may_be():
    varied = [Result(p, 0, AssetScore(0.5, c, 0.5, 0.1, d)) for p, c, d in (("a", 0.02, 3.0), ("b", 0.3, 30.0))]
    assert means(varied)["chamfer_l1"].low == 0
    assert means(varied)["psnr"].low < 0


def test_failed_assets_count_as_zero_where_zero_is_the_worst():
    found = means([scored("a", 0, 0.8), Result("a", 1, None, "x"), Result("b", 0, None, "x")])
    assert found["iou"].mean == pytest.approx((0.4 + 0) / 2)
    assert found["fscore"].mean == pytest.approx((0.2 + 0) / 2)
    for name in ("chamfer_l1", "color", "psnr"):
        assert found[name].count == 1
        assert found[name].mean == pytest.approx({"chamfer_l1": 0.2, "color": 0.1, "psnr": 20.0}[name])
    assert set(means([Result("b", 0, None, "x")])) == {"iou", "fscore"}
    assert set(found) == set(MEASURES)


def test_the_interval_is_students():
    values = [0.3, 0.9, 0.5, 0.8, 0.85]
    found = interval(values)
    low, high = student.interval(0.95, 4, loc=np.mean(values), scale=np.std(values, ddof=1) / math.sqrt(5))
    assert (found.mean, found.count) == (pytest.approx(0.67), 5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    normal = 1.96 * np.std(values, ddof=1) / math.sqrt(5)  # the wrong variant: too sure of few values
    assert found.mean - found.low > 1.3 * normal
    cut = interval(values, within=(0.0, 0.9))
    assert (cut.low, cut.high) == (found.low, 0.9)
    assert interval([0.4]).low is interval([0.4]).high is None
    with pytest.raises(ValueError, match="at least one value"):
        interval([])


def test_a_result_is_a_score_or_a_reason():
    for score, error in ((None, None), (AssetScore(1, 0, 1, 0, 30), "x")):
        with pytest.raises(ValueError, match="either a score or an error"):
            Result("a cube", 0, score, error)
