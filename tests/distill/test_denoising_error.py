import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from distill.catalog import oracle, pictures
from distill.catalog.captions import VOCABULARY
from distill.denoising_error import LEVELS, denoising_error, held_out_bank
from guidance.teacher import CameraLaw
from guidance.teachers.mixture import Mixture, MixtureCond
from samplers.schedule import EDM, NoiseSchedule, RectifiedFlow, VPCosine, VPLinear


class Gaussian:
    """Believes that pictures are N(0, variance), whatever it is told; notes what that was."""

    cameras: CameraLaw | None = pictures.LAW

    def __init__(self, variance: float, schedule: NoiseSchedule, kind: str = "x0", side: int = 16) -> None:
        self.shape = (3, side, side)
        self.schedule = schedule
        self.exact = Mixture(schedule, torch.ones(1), torch.zeros(1, *self.shape), torch.tensor(variance), {}, kind)
        self.prompts: list[str] = []
        self.views: list = []

    def embed(self, prompts) -> "Rows":
        self.prompts += prompts
        return Rows(self.exact.embed([""] * len(prompts)), self.views)

    def encode(self, images: Tensor) -> Tensor:
        return images * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        return (latents + 1) / 2

    def __call__(self, x_t, t, cond):
        return self.exact(x_t, t, cond)


class Rows(MixtureCond):
    def __init__(self, cond: MixtureCond, views: list) -> None:
        object.__setattr__(self, "log_weights", cond.log_weights)
        object.__setattr__(self, "views", views)

    def at(self, views):
        self.views.append(views)
        return MixtureCond(self.log_weights[:1]).at(views)


@pytest.fixture(scope="module")
def bank() -> pictures.Bank:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "SHARD", 160)
        return held_out_bank(16)


def test_a_gaussians_errors_in_closed_form(bank):
    """E (x0 - w x_t / alpha)^2 = (1 - w)^2 E x0^2 + w^2 exp(-2 lam), w = v / (v + exp(-2 lam)), told or not."""
    variance = 0.3
    found = denoising_error(Gaussian(variance, VPCosine()), bank, count=120)
    again = Gaussian(1e9, VPCosine())  # believes everything: its error is that of the noise
    noise = denoising_error(again, bank, count=120).told.mean(1)
    untouched = denoising_error(Gaussian(1e-9, VPCosine()), bank, count=120).told.mean(1)  # and one that believes none
    for i, lam in enumerate(LEVELS):
        assert float(noise[i]) == pytest.approx(math.exp(-2 * lam), rel=0.01)
        share = variance / (variance + math.exp(-2 * lam))
        expected = (1 - share) ** 2 * float(untouched[i]) + share**2 * math.exp(-2 * lam)
        assert float(found.told[i].mean()) == pytest.approx(expected, rel=0.02)
    assert torch.equal(found.told, found.turned)
    assert torch.equal(found.told, found.untold)
    assert torch.equal(found.camera, torch.ones(7, dtype=torch.float64))
    assert found.overall()["error"] == pytest.approx(math.exp(found.told.mean(1).log().mean()))
    assert found.overall(-1, 0)["error"] == pytest.approx(float(found.told.mean(1)[2:4].prod()) ** 0.5)
    assert found.overall()["condition"] == 1


@pytest.mark.parametrize(
    ("schedule", "kind"), [(VPCosine(), "v"), (VPLinear(), "eps"), (EDM(), "x0"), (RectifiedFlow(), "flow")]
)
def test_the_figures_are_the_same_on_every_process_and_for_every_kind(bank, schedule, kind):
    """What the comparison of designs rests on. At equal t, the wrong variant, they differ by more than half."""
    one, other = Gaussian(0.3, VPCosine()), Gaussian(0.3, schedule, kind)
    a, b = (denoising_error(teacher, bank, count=40).told for teacher in (one, other))
    assert torch.allclose(a, b, rtol=2e-3)
    assert not torch.allclose(a, denoising_error(Gaussian(0.5, schedule, kind), bank, count=40).told, rtol=2e-2)


class Blind(oracle.OracleTeacher):
    """The oracle, looking from the front whatever camera it is given."""

    def embed(self, prompts):
        return BlindRows(**vars(super().embed(prompts)))


class BlindRows(oracle.OracleRows):
    def at(self, views):
        return super().at(replace(views, azimuth=torch.zeros_like(views.azimuth)))


def test_who_follows_the_camera_is_seen(bank):
    following, blind = (
        denoising_error(kind(16, jitters=2), bank, count=64, levels=(0.0, 1.0, 2.0))
        for kind in (oracle.OracleTeacher, Blind)
    )
    assert following.camera.min() > 3
    assert following.condition.min() > 3
    assert torch.equal(blind.camera, torch.ones_like(blind.camera))
    assert (blind.told.mean(1) > 2 * following.told.mean(1)).all()
    assert following.overall()["camera"] == pytest.approx(float(following.camera.prod()) ** (1 / 3))


def test_every_caption_is_held_out_and_only_the_azimuth_is_turned(bank):
    teacher = Gaussian(0.3, VPCosine())
    denoising_error(teacher, bank, count=40, levels=(0.0,))
    captions = [VOCABULARY.parse(p) for p in teacher.prompts if p]
    assert len(captions) == 40
    assert all(c.held_out for c in captions)
    assert {len(c.things) for c in captions} == {1, 2}
    told, turned, untold = teacher.views[:3]
    assert (told.azimuth - turned.azimuth).abs().median() > 0.5
    assert torch.equal(told.azimuth, untold.azimuth)
    for name in ("elevation", "distance", "fov"):
        assert torch.equal(getattr(told, name), getattr(turned, name))
    seen = {(float(a), float(e)) for a, e in zip(bank.cameras.azimuth, bank.cameras.elevation, strict=True)}
    used = [(float(a), float(e)) for v in teacher.views[::3] for a, e in zip(v.azimuth, v.elevation, strict=True)]
    assert set(used) <= seen
    assert len(set(used)) == 40  # every scene once


def test_the_seed_decides_everything(bank):
    one, same, other = (denoising_error(Gaussian(0.3, EDM()), bank, count=33, seed=seed).told for seed in (4, 4, 5))
    assert one.shape == (len(LEVELS), 33)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_geometry_is_not_that_of_training(bank, monkeypatch):
    monkeypatch.setattr(pictures, "SHARD", 160)
    assert not torch.equal(bank.layers[0], pictures.render_shard(0, 16).layers[0])
    assert torch.equal(bank.layers[0], held_out_bank(16).layers[0])


def test_misuse_is_one_clear_line(bank):
    blind = Gaussian(0.3, EDM())
    blind.cameras = None
    with pytest.raises(ValueError, match="takes no camera"):
        denoising_error(blind, bank)
    with pytest.raises(ValueError, match=r"level -5.0 is past the end of the teacher's process, at half log-SNR -4.38"):
        denoising_error(Gaussian(0.3, EDM()), bank, levels=(-5.0, 0.0))
    for count in (0, 161):
        with pytest.raises(ValueError, match=rf"count must be 1 to \d+, .*, got {count}"):
            denoising_error(Gaussian(0.3, EDM()), bank, count=count)
