import errno
import io
import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals

from nerf import atomic
from nerf.export import FORMATS, Placement, export
from nerf.mesh import extract
from nerf.mesh_clean import is_closed
from nerf.mesh_load import load
from tests.nerf.soft_solids import box, soft, sphere, union


def albedo(points):
    return 0.5 + 0.5 * points


@pytest.fixture(scope="module")
def mesh():
    density = soft(union(sphere(0.4), box((0.15, 0.2, 0.1), (0.0, 0.55, 0.1))), 300.0, 0.005)
    return extract(density, albedo, resolution=48, faces=1500, texture=256)[0]


def surface_points(vertices, faces, count=4000):
    rng = np.random.default_rng(0)
    face, weights = rng.integers(0, len(faces), count), rng.dirichlet([1, 1, 1], count)
    return face, weights, np.einsum("nk,nkd->nd", weights, vertices[faces[face]])


def color_error(path):
    """Mean error of a file's colors at surface points, read by trimesh and looked up by hand."""
    found = trimesh.load(path, force="mesh", process=False)
    assert isinstance(found.visual, TextureVisuals)
    face, weights, points = surface_points(np.asarray(found.vertices), np.asarray(found.faces))
    uv = np.einsum("nk,nkd->nd", weights, np.asarray(found.visual.uv)[found.faces[face]])
    material = found.visual.material
    picture = np.asarray(getattr(material, "baseColorTexture", None) or material.image)[..., :3]
    size = picture.shape[0]
    column, row = (uv[:, 0] * size).astype(int), ((1 - uv[:, 1]) * size).astype(int)  # trimesh: bottom left
    colors = picture[row.clip(0, size - 1), column.clip(0, size - 1)] / 255
    return np.abs(colors - albedo(points)).mean()


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_texture_colors_survive_the_round_trip(mesh, tmp_path, suffix):
    good, bad = tmp_path / f"good{suffix}", tmp_path / f"bad{suffix}"
    export(mesh, good)
    assert color_error(good) < 0.02
    export(replace(mesh, texture=mesh.texture[::-1].copy()), bad)  # the wrong variant: the picture upside down
    assert color_error(bad) > 0.08


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("up", ["y", "z"])
def test_places_and_sizes(mesh, tmp_path, suffix, up):
    path = tmp_path / f"asset{suffix}"
    export(mesh, path, Placement(up, 2.0))
    found = trimesh.load(path, force="mesh", process=False)
    unit = 100.0 if suffix == ".stl" else 2.0
    x, y, z = mesh.vertices.max(0) * unit
    x0, y0, z0 = mesh.vertices.min(0) * unit
    expected = [[x0, y0, z0], [x, y, z]] if up == "y" else [[x0, -z, y0], [x, -z0, y]]
    np.testing.assert_allclose(found.bounds, expected, rtol=1e-4)
    assert found.volume > 0


def test_glb_is_what_viewers_expect(mesh, tmp_path):
    export(mesh, tmp_path / "asset.glb")
    data = (tmp_path / "asset.glb").read_bytes()
    magic, version, length, size, kind = struct.unpack("<4sIII4s", data[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    header = json.loads(data[20 : 20 + size])

    def block(index):
        view = header["bufferViews"][index]
        start = 28 + size + view["byteOffset"]
        return data[start : start + view["byteLength"]]

    material = header["materials"][0]["pbrMetallicRoughness"]
    assert material["metallicFactor"] == 0
    assert 0.8 <= material["roughnessFactor"] <= 1
    assert "baseColorFactor" not in material
    picture = np.asarray(Image.open(io.BytesIO(block(header["images"][0]["bufferView"]))))
    np.testing.assert_array_equal(picture, mesh.texture)
    attributes = header["meshes"][0]["primitives"][0]["attributes"]
    normals = np.frombuffer(block(header["accessors"][attributes["NORMAL"]]["bufferView"]), "<f4").reshape(-1, 3)
    np.testing.assert_array_equal(normals, mesh.normals[mesh.vertex_of_uv])
    assert all(v["byteOffset"] % 4 == 0 for v in header["bufferViews"])


@pytest.mark.parametrize("suffix", [".stl", ".ply"])
def test_geometry_formats_are_watertight(mesh, tmp_path, suffix):
    export(mesh, tmp_path / f"asset{suffix}")
    found = trimesh.load(tmp_path / f"asset{suffix}", force="mesh")
    assert found.is_watertight
    assert found.is_winding_consistent
    assert len(found.vertices) == len(mesh.vertices)


def test_ply_has_colors_at_its_vertices(mesh, tmp_path):
    export(mesh, tmp_path / "asset.ply")
    found = trimesh.load(tmp_path / "asset.ply", process=False)
    colors = np.asarray(found.visual.vertex_colors)[:, :3] / 255
    assert np.abs(colors - albedo(np.asarray(found.vertices))).max() < 0.06
    np.testing.assert_allclose(found.vertex_normals, mesh.normals, atol=1e-3)


def test_obj_names_its_own_files(mesh, tmp_path):
    files = export(mesh, tmp_path / "chair.obj")
    assert sorted(f.name for f in files) == ["chair.mtl", "chair.obj", "chair.png"]
    assert "mtllib chair.mtl" in (tmp_path / "chair.obj").read_text()
    assert "map_Kd chair.png" in (tmp_path / "chair.mtl").read_text()


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_loading_joins_what_the_atlas_split(mesh, tmp_path, suffix):
    export(mesh, tmp_path / f"asset{suffix}")
    found = load(tmp_path / f"asset{suffix}")
    assert len(mesh.uv) > len(mesh.vertices)
    assert len(found.vertices) == len(mesh.vertices)
    assert is_closed(found.faces)
    face, weights, points = surface_points(found.vertices, found.faces)
    assert np.abs(found.color(face, weights) - albedo(points)).mean() < 0.02


@pytest.mark.parametrize("suffix", FORMATS)
def test_bytes_are_the_same_every_time(mesh, tmp_path, suffix):
    encode = FORMATS[suffix]
    assert encode(mesh, "asset") == encode(mesh, "asset")


def test_a_failed_export_leaves_the_earlier_file(mesh, tmp_path, monkeypatch):
    path = tmp_path / "asset.glb"
    path.write_bytes(b"earlier")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ValueError, match=r"asset\.glb.*No space left.*free some space") as caught:
        export(mesh, path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_places_are_named(mesh, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ValueError, match="cannot write"):
        export(mesh, tmp_path / "file" / "asset.glb")


def test_missing_folders_are_made(mesh, tmp_path):
    export(mesh, tmp_path / "new" / "folder" / "asset.stl")
    assert (tmp_path / "new" / "folder" / "asset.stl").exists()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan"), 1e-300, 1e300])
def test_wrong_scales_are_refused(scale):
    with pytest.raises(ValueError, match="between 1e-6 and 1e6"):
        Placement(scale=scale)


def test_unknown_formats_and_broken_files_are_refused(mesh, tmp_path):
    with pytest.raises(ValueError, match=r"fbx.*\.glb"):
        export(mesh, tmp_path / "asset.fbx")
    for name, data in {"missing.glb": None, "broken.glb": b"glTF no", "plain.stl": b""}.items():
        path: Path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(ValueError, match=name):
            load(path)
    export(mesh, tmp_path / "bare.ply")
    with pytest.raises(ValueError, match="no textured mesh"):
        load(tmp_path / "bare.ply")


def test_colors_are_stored_as_srgb_bytes(tmp_path):
    """No gamma on the way: a field's 0.5 is the texture's 128."""
    density = soft(sphere(0.4), 300.0, 0.005)
    gray = extract(density, lambda p: torch.full((len(p), 3), 0.5), resolution=24, faces=300, texture=64)[0]
    assert set(np.unique(gray.texture).tolist()) == {128}
