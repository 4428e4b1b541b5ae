"""Meshes read back from files, as measuring needs them."""

from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals

from nerf.mesh_clean import vertex_normals
from nerf.mesh_textured import TexturedMesh


def load(path: Path) -> TexturedMesh:
    """A textured GLB or OBJ. Vertices at the same place become one again, as before the atlas split them.

    Raises ValueError, in one line, for a file that is missing, damaged, or holds no textured mesh.
    """
    try:
        mesh = trimesh.load(path, force="mesh", process=False)
    except Exception as error:  # trimesh raises many kinds for a broken file
        raise ValueError(f"cannot read a mesh from {path}: {str(error).splitlines()[0]}") from error
    if not isinstance(mesh, trimesh.Trimesh) or not isinstance(mesh.visual, TextureVisuals) or mesh.visual.uv is None:
        raise ValueError(f"{path} holds no textured mesh")
    material = mesh.visual.material
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if not isinstance(picture, Image.Image):
        raise ValueError(f"the material in {path} has no texture")
    uv_faces = np.asarray(mesh.faces, dtype=np.int32)
    vertices, index = np.unique(np.asarray(mesh.vertices, dtype=np.float32), axis=0, return_inverse=True)
    faces = index.reshape(-1).astype(np.int32)[uv_faces]
    normals = vertex_normals(vertices, faces)
    uv = np.asarray(mesh.visual.uv, dtype=np.float32)
    return TexturedMesh(vertices, faces, normals, uv, uv_faces, np.asarray(picture.convert("RGB")))
