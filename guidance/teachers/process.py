"""The process of a diffusion checkpoint, from its own scheduler: schedule, kind of prediction, the network's clock."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from samplers.prediction import Kind
from samplers.schedule import NoiseSchedule, RectifiedFlow, Tabulated

KINDS: dict[str, Kind] = {"epsilon": "eps", "v_prediction": "v", "sample": "x0", "flow_prediction": "flow"}
LAST = 2.0**-24  # stands for an alpha^2 of zero, as in the library's own schedulers


@dataclass(frozen=True)
class Process:
    """ticks, late: the network reads t * ticks - late, at least 0. A table's entry k, which holds at t = (k + 1) / T,
    is the network's step k."""

    schedule: NoiseSchedule
    kind: Kind
    ticks: float
    late: float

    def clock(self, t: Tensor) -> Tensor:
        """What the network reads at times `t`: float32, computed in float64 on the host: whole steps stay whole."""
        exact = t.to("cpu", torch.float64) * self.ticks - self.late
        return exact.clamp_min(0).float()


def read_process(scheduler: Any) -> Process:
    """The process that `scheduler`, one of the library's, was configured for. ValueError where it is of another sort.

    `alphas_cumprod` is the library's own, so that beta schedule, trained betas and the rescaling to zero terminal SNR
    (Lin et al. 2023, 2305.08891) are what the checkpoint says.
    """
    name, config = type(scheduler).__name__, scheduler.config
    if name.startswith("FlowMatch"):
        return Process(RectifiedFlow(), "flow", float(config.num_train_timesteps), 0.0)
    table = getattr(scheduler, "alphas_cumprod", None)
    kind = KINDS.get(str(config.get("prediction_type", "epsilon")))
    if not isinstance(table, Tensor) or kind is None:
        raise ValueError(
            f"the checkpoint's scheduler is a {name} with prediction type {config.get('prediction_type')!r}; supported "
            f"are schedulers with a table of alphas and the types {', '.join(KINDS)}, and flow matching"
        )
    squares = table.double().tolist()
    squares[-1] = max(squares[-1], LAST)
    return Process(Tabulated(tuple(squares)), kind, float(len(squares)), 1.0)
