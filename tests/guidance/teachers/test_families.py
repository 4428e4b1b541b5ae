import json
import re
import struct

import pytest
import torch
from safetensors.torch import save_file

from guidance.teachers import hub
from guidance.teachers.families import FAMILIES, known, parameters, recognize


def indexed(folder, data) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "model_index.json").write_text(data if isinstance(data, str) else json.dumps(data))


def test_every_family_is_recognized_and_no_class_means_two(tmp_path):
    classes = [kind for family in FAMILIES for kind in family.pipelines]
    assert len(set(classes)) == len(classes)
    for family in FAMILIES:
        for kind in family.pipelines:
            indexed(tmp_path, {"_class_name": kind})
            assert recognize(tmp_path) is family


def test_an_unknown_family_is_refused_with_the_list(tmp_path):
    indexed(tmp_path, {"_class_name": "StableAudioPipeline"})
    with pytest.raises(ValueError, match="is a StableAudioPipeline, which is not supported") as caught:
        recognize(tmp_path)
    assert known() in str(caught.value)
    assert "StableDiffusionXLPipeline" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", ["", "{", "[]", "{}", '{"_class_name": 3}'])
def test_a_damaged_index_is_one_line(tmp_path, data):
    indexed(tmp_path, data)
    with pytest.raises(ValueError, match="copy the checkpoint again"):
        recognize(tmp_path)


def test_sizes_are_read_off_the_headers(tmp_path):
    for part in ("unet", "vae", "tokenizer"):
        (tmp_path / part).mkdir()
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(())}, tmp_path / "unet" / "model-1.safetensors")
    save_file({"c": torch.zeros(4)}, tmp_path / "unet" / "model-2.safetensors")
    save_file({"c": torch.zeros(100).half()}, tmp_path / "unet" / "model.fp16.safetensors")
    save_file({"c": torch.zeros(7).half()}, tmp_path / "vae" / "model.fp16.safetensors", metadata={"format": "pt"})
    assert parameters(tmp_path) == {"unet": 20, "vae": 7}
    for damage in (b"", b"12", struct.pack("<Q", 9) + b"no header"):
        (tmp_path / "vae" / "model.fp16.safetensors").write_bytes(damage)
        with pytest.raises(ValueError, match="is damaged"):
            parameters(tmp_path)


# The hub

FILES = [
    "README.md",
    "v1-5-pruned.safetensors",
    "model_index.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder/flax_model.msgpack",
    "tokenizer/merges.txt",
    "vae/config.json",
    "vae/diffusion_pytorch_model.bin",
]


def test_only_what_is_needed_is_fetched_and_the_index_last():
    full = hub.wanted(FILES, half=False, pickles=False)
    assert [f for f in full if f.endswith(".safetensors")] == [
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
    ]
    assert "tokenizer/merges.txt" in full
    assert full[-1] == "model_index.json"
    assert not {"README.md", "v1-5-pruned.safetensors", "vae/diffusion_pytorch_model.bin"} & set(full)
    half = hub.wanted(FILES, half=True, pickles=False)
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in half
    assert "text_encoder/model.safetensors" in half  # there is no other
    assert "vae/diffusion_pytorch_model.bin" in hub.wanted(FILES, half=False, pickles=True)
    with pytest.raises(ValueError, match="no weights in safetensors"):
        hub.wanted(["model_index.json", "unet/model.bin"], half=False, pickles=False)


@pytest.fixture
def net(monkeypatch):
    """A hub that is not there: places that were asked, in order, and an empty cache."""
    asked: list[str] = []

    def refuse(place: str, half: bool, pickles: bool):
        asked.append(place)
        raise ValueError("it is gone, or private")

    monkeypatch.setattr(hub, "_download", refuse)
    monkeypatch.setattr(hub, "cached", lambda hub_id: None)
    return asked


def test_mirrors_are_asked_in_order_and_all_answers_told(net, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(ValueError, match="cannot be had") as caught:
        hub.fetch("runwayml/stable-diffusion-v1-5")
    assert net == list(hub.places("runwayml/stable-diffusion-v1-5"))
    assert len(net) == 3
    for place in net:
        assert f"{place}: it is gone, or private" in str(caught.value)
    assert "give its folder" in str(caught.value)


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_offline_asks_nobody(net, monkeypatch, how):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if how == "environment" else "0")
    with pytest.raises(ValueError, match="is not in the cache, and looking for it is switched off"):
        hub.fetch("someone/something", offline=how == "flag")
    assert net == []


def test_what_is_in_the_cache_is_taken_from_a_mirror_too(tmp_path, monkeypatch):
    """The library's own layout of its cache, with a mirror's snapshot in it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repo = tmp_path / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    snapshot = repo / "snapshots" / "0123456789012345678901234567890123456789"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(snapshot.name)
    indexed(snapshot, {"_class_name": "StableDiffusionPipeline"})
    assert hub.fetch("runwayml/stable-diffusion-v1-5", offline=True) == snapshot
    assert list(hub.all_cached()) == [("stable-diffusion-v1-5/stable-diffusion-v1-5", snapshot)]


def test_each_refusal_of_the_hub_says_what_it_is(monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    kinds = {
        "accept its license": GatedRepoError,
        "gone, or private": RepositoryNotFoundError,
        "no connection": ConnectionError,
    }
    for says, kind in kinds.items():

        class Hub:
            def list_repo_files(self, place: str, kind: type[Exception] = kind) -> list[str]:
                raise kind.__new__(kind)  # the library's own would want an answer of its client

        monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
        with pytest.raises(ValueError, match=says):
            hub._download("a/b", False, False)


def test_ids_and_folders_are_told_apart():
    assert [hub.is_hub_id(n) for n in ("a/b", "a-b/c.d_e", "a", "/a/b", "a/b/c", "./a", "../a", "C:\\a")] == [
        True,
        True,
        *[False] * 6,
    ]
    assert all(re.fullmatch(hub.HUB_ID, place) for places in hub.MIRRORS.values() for place in places)
