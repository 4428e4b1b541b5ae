"""Folders that are not as they should be, in one line each; nothing in them is run."""

import json
import re
import shutil
from typing import Any

import pytest
import torch

from guidance.teachers.diffusion import open_checkpoint
from guidance.teachers.loading import USUAL, Loading
from guidance.teachers.mvdream import Published
from guidance.teachers.parts import FolderParts
from tests.checkpoints import checkpoint
from tests.guidance.teachers.opened import CPU, copied, opened
from tests.multiview_unet import MultiViewUNet

WEIGHTS = "diffusion_pytorch_model"


def parts(folder, loading: Loading = USUAL) -> FolderParts:
    return FolderParts(folder, loading, CPU, torch.float32)


@pytest.fixture
def folder(tmp_path):
    return copied("ddpm", tmp_path / "checkpoint")


def refusal(call) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_that_are_missing_cut_or_of_another_shape(folder):
    file = folder / "unet" / f"{WEIGHTS}.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert f"{folder / 'unet'} cannot be loaded" in refusal(lambda: open_checkpoint(folder, USUAL, CPU))
    file.unlink()
    assert f"{folder / 'unet'} holds no weights" in refusal(lambda: open_checkpoint(folder, USUAL, CPU))
    file.write_bytes(whole)
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps({**config, "block_out_channels": [8, 32]}))
    assert f"{folder / 'unet'} cannot be loaded" in refusal(lambda: open_checkpoint(folder, USUAL, CPU))


def test_pickles_are_refused_until_allowed(folder):
    from safetensors.torch import load_file

    file = folder / "unet" / f"{WEIGHTS}.safetensors"
    torch.save(load_file(file), folder / "unet" / f"{WEIGHTS}.bin")
    file.unlink()
    told = refusal(lambda: open_checkpoint(folder, USUAL, CPU))
    assert "a pickle, which can run code" in told
    assert "--allow-pickle" in told
    found = open_checkpoint(folder, Loading(allow_pickle=True), CPU)
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(found(x, 0.5, found.embed([""])).value, opened("ddpm")(x, 0.5, found.embed([""])).value)


def test_weights_of_16_bits_are_taken_where_there_are_no_others(folder):
    file = folder / "unet" / f"{WEIGHTS}.safetensors"
    file.rename(folder / "unet" / f"{WEIGHTS}.fp16.safetensors")
    assert open_checkpoint(folder, USUAL, CPU).shape == (3, 32, 32)


def test_a_part_of_a_strange_library_is_refused_not_imported(folder):
    index = json.loads((folder / "model_index.json").read_text())
    for library, kind, says in (("antigravity", "UNet", "does not know"), ("diffusers", "UNet9", "update it")):
        (folder / "model_index.json").write_text(json.dumps({**index, "unet": [library, kind]}))
        assert says in refusal(lambda: open_checkpoint(folder, USUAL, CPU))


def test_a_scheduler_of_another_sort_is_refused(folder):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "scheduler": ["diffusers", "EDMEulerScheduler"]}))
    assert "EDMEulerScheduler" in refusal(lambda: open_checkpoint(folder, USUAL, CPU))


def test_quantized_encoders_say_what_they_need(tmp_path, monkeypatch):
    monkeypatch.setenv("SCORELIFT_CACHE", str(tmp_path))
    teacher = open_checkpoint(checkpoint("stable_diffusion"), Loading(text_encoder="8bit"), CPU)
    assert "needs a CUDA GPU and bitsandbytes" in refusal(lambda: teacher.embed(["a prompt"]))


def test_the_key_of_prompts_changes_with_the_encoder(tmp_path):
    folder = copied("stable_diffusion", tmp_path / "one")
    before = parts(folder)._fingerprint()
    assert parts(folder)._fingerprint() == before
    (folder / "text_encoder" / "config.json").write_text((folder / "text_encoder" / "config.json").read_text() + " ")
    assert parts(folder)._fingerprint() != before
    shutil.rmtree(folder / "unet")  # which prompts do not depend on
    after = parts(folder)._fingerprint()
    assert after == parts(folder)._fingerprint()


def test_the_published_multi_view_settings_in_the_librarys_words():
    settings: Any = Published(MultiViewUNet.CONFIG).settings()
    assert settings["block_out_channels"] == (32, 64)
    assert settings["down_block_types"] == ("DownBlock2D", "CrossAttnDownBlock2D")
    assert settings["attention_head_dim"] == (4, 8)
    with pytest.raises(ValueError, match="ImageDream"):
        Published({**MultiViewUNet.CONFIG, "ip_dim": 16}).settings()


def test_a_damaged_multi_view_network_is_one_line(tmp_path):
    folder = copied("mvdream", tmp_path / "damaged")
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps({**MultiViewUNet.CONFIG, "model_channels": 64}))
    told = refusal(lambda: open_checkpoint(folder, USUAL, CPU))
    assert re.match(re.escape(f"{folder / 'unet'} cannot be loaded: "), told)


def test_a_damaged_projection_is_one_line(tmp_path):
    folder = copied("zero123", tmp_path / "damaged")
    (folder / "cc_projection" / f"{WEIGHTS}.safetensors").write_bytes(b"nothing")
    assert "cc_projection cannot be loaded" in refusal(lambda: open_checkpoint(folder, USUAL, CPU))
