"""Textured meshes as files: GLB, OBJ + MTL + PNG, PLY with vertex colors, STL in millimeters.

All writers are our own, some dozen lines each: what a format says about color spaces, texture origins and materials is
then stated here and not left to a library's defaults. The same mesh always gives the same bytes.
"""

import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nerf.atomic import write
from nerf.mesh_textured import TexturedMesh

ROUGHNESS = 0.9
STL_MILLIMETERS = 50.0

# glTF names its constants by OpenGL's numbers
FLOAT, UNSIGNED_INT = 5126, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
LINEAR, TRILINEAR, CLAMP = 9729, 9987, 33071


@dataclass(frozen=True)
class Placement:
    """How a scene lies in a file. The scene has y up, faces +z and fits [-1, 1]^3.

    up: the axis that points up in the file; z suits Blender's STL import and printers, y everything else.
    scale: factor on all coordinates, between 1e-6 and 1e6. Scene units are meters in a GLB, as glTF demands; in an STL
    one scene unit is 50 mm, so that an asset of the box's size is 10 cm tall.
    """

    up: Literal["y", "z"] = "y"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 1e-6 <= self.scale <= 1e6:  # beyond, coordinates of six decimals or of float32 run out
            raise ValueError(f"the scale must be between 1e-6 and 1e6, got {self.scale}")

    def apply(self, mesh: TexturedMesh) -> TexturedMesh:
        turn = np.eye(3) if self.up == "y" else np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
        vertices = (mesh.vertices.astype(np.float64) @ turn.T * self.scale).astype(np.float32)
        return replace(mesh, vertices=vertices, normals=(mesh.normals @ turn.T).astype(np.float32))


def export(mesh: TexturedMesh, path: Path, placement: Placement | None = None) -> list[Path]:
    """Write `mesh` in the format that the suffix of `path` names, and return the files written.

    Each file replaces an earlier one in one step. Raises ValueError with one line for an unknown format, a full disk
    or a folder that cannot be written.
    """
    encode = FORMATS.get(path.suffix.lower())
    if encode is None:
        raise ValueError(f"no mesh format {path.suffix!r} in {path.name}: use one of {', '.join(FORMATS)}")
    files = encode((placement or Placement()).apply(mesh), path.stem)
    for name, data in files.items():
        write(path.with_name(name or path.name), data)
    return [path.with_name(name or path.name) for name in files]


def png(picture: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def glb(mesh: TexturedMesh, _: str = "") -> dict[str, bytes]:
    """Binary glTF 2.0: one primitive, one metallic-roughness material with the albedo as sRGB baseColorTexture."""
    index = mesh.vertex_of_uv
    uv = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], -1)  # glTF's origin is at the top left
    positions = mesh.vertices[index].astype("<f4")
    blocks = [
        positions.tobytes(),
        mesh.normals[index].astype("<f4").tobytes(),
        uv.astype("<f4").tobytes(),
        mesh.uv_faces.astype("<u4").tobytes(),
        png(mesh.texture),
    ]
    bounds = {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()}
    accessors = [
        {"bufferView": 0, "componentType": FLOAT, "count": len(index), "type": "VEC3", **bounds},
        {"bufferView": 1, "componentType": FLOAT, "count": len(index), "type": "VEC3"},
        {"bufferView": 2, "componentType": FLOAT, "count": len(index), "type": "VEC2"},
        {"bufferView": 3, "componentType": UNSIGNED_INT, "count": mesh.uv_faces.size, "type": "SCALAR"},
    ]
    text = json.dumps(_gltf(accessors, [len(block) for block in blocks]), separators=(",", ":")).encode()
    text += b" " * (_padded(len(text)) - len(text))
    binary = b"".join(block.ljust(_padded(len(block)), b"\0") for block in blocks)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return {"": struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks}


def _gltf(accessors: list[dict[str, Any]], lengths: list[int]) -> dict[str, Any]:
    """The JSON part for blocks of these `lengths`: positions, normals, uv, indices, picture."""
    ends = np.cumsum([_padded(n) for n in lengths]).tolist()
    targets = [{"target": ARRAY_BUFFER}] * 3 + [{"target": ELEMENT_ARRAY_BUFFER}, {}]
    attributes = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}
    surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    return {
        "asset": {"version": "2.0", "generator": "Scorelift"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "asset"}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "materials": [{"name": "albedo", "pbrMetallicRoughness": surface}],
        "textures": [{"source": 0, "sampler": 0}],
        "images": [{"bufferView": 4, "mimeType": "image/png", "name": "albedo"}],
        "samplers": [{"magFilter": LINEAR, "minFilter": TRILINEAR, "wrapS": CLAMP, "wrapT": CLAMP}],
        "accessors": accessors,
        "bufferViews": [
            {"buffer": 0, "byteOffset": end - _padded(n), "byteLength": n, **target}
            for end, n, target in zip(ends, lengths, targets, strict=True)
        ],
        "buffers": [{"byteLength": ends[-1]}],
    }


def _padded(length: int) -> int:
    return -(-length // 4) * 4


def obj(mesh: TexturedMesh, stem: str) -> dict[str, bytes]:
    """Wavefront OBJ with its MTL and PNG; vertices are not split at seams. The OBJ is written last."""
    corners = np.stack([mesh.faces, mesh.uv_faces, mesh.faces], -1).reshape(-1, 9) + 1
    lines = [f"mtllib {stem}.mtl", "o asset"]
    for word, rows in (("v", mesh.vertices), ("vt", mesh.uv), ("vn", mesh.normals)):
        lines += [f"{word} " + " ".join(f"{x:.6f}" for x in row) for row in rows.tolist()]
    lines.append("usemtl albedo")
    lines += ["f {}/{}/{} {}/{}/{} {}/{}/{}".format(*row) for row in corners.tolist()]
    material = f"newmtl albedo\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {stem}.png\n"
    return {
        f"{stem}.png": png(mesh.texture),
        f"{stem}.mtl": material.encode(),
        "": ("\n".join(lines) + "\n").encode(),
    }


def ply(mesh: TexturedMesh, _: str = "") -> dict[str, bytes]:
    """Binary PLY with normals and sRGB colors at the vertices."""
    points = np.zeros(len(mesh.vertices), dtype=[("place", "<f4", 3), ("normal", "<f4", 3), ("color", "u1", 3)])
    points["place"], points["normal"] = mesh.vertices, mesh.normals
    points["color"] = (mesh.vertex_colors() * 255).round()
    triangles = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, mesh.faces
    names = ["float " + n for n in ("x", "y", "z", "nx", "ny", "nz")] + ["uchar " + n for n in ("red", "green", "blue")]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(points)}",
        *(f"property {name}" for name in names),
        f"element face {len(triangles)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    return {"": "\n".join(header).encode() + points.tobytes() + triangles.tobytes()}


def stl(mesh: TexturedMesh, _: str = "") -> dict[str, bytes]:
    """Binary STL in millimeters; STL knows no texture and no units, printers read millimeters."""
    corners = mesh.vertices[mesh.faces] * np.float32(STL_MILLIMETERS)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    records = np.zeros(len(corners), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])
    records["normal"], records["corners"] = normals, corners
    return {"": b"Scorelift, millimeters".ljust(80) + struct.pack("<I", len(records)) + records.tobytes()}


FORMATS: dict[str, Callable[[TexturedMesh, str], dict[str, bytes]]] = {
    ".glb": glb,
    ".obj": obj,
    ".ply": ply,
    ".stl": stl,
}
