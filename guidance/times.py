"""Which noise levels an objective looks at, over the course of a run."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Times:
    """Uniform t in [low, high], with `high` moved linearly to `final_high` between two points of the run.

    Early, large t settle what and where; later, small t settle detail (annealing as in ProlificDreamer, Wang et al.
    2023, 2305.16213).

    anneal: (start, end) as shares of the run.
    """

    low: float = 0.02
    high: float = 0.98
    final_high: float = 0.5
    anneal: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 < self.low < self.final_high <= self.high <= 1:
            raise ValueError(
                f"times need 0 < low < final_high <= high <= 1, got low={self.low}, "
                f"final_high={self.final_high}, high={self.high}"
            )
        if not 0 <= self.anneal[0] <= self.anneal[1] <= 1:
            raise ValueError(f"anneal must be (start, end) with 0 <= start <= end <= 1, got {self.anneal}")

    def interval(self, progress: float) -> tuple[float, float]:
        """(t_min, t_max) after the share `progress` of the run."""
        start, end = self.anneal
        if progress <= start:
            return self.low, self.high
        done = min((progress - start) / (end - start), 1.0) if end > start else 1.0
        return self.low, self.high + done * (self.final_high - self.high)

    def draw(self, count: int, progress: float, generator: torch.Generator) -> Tensor:
        """`count` times, float64 on the host: one in each of `count` equal strata of the interval, in random order.

        The order is random because neighboring samples of a batch may be neighboring views.
        """
        low, high = self.interval(progress)
        offsets = torch.rand(count, generator=generator, dtype=torch.float64, device=generator.device)
        strata = torch.randperm(count, generator=generator, device=generator.device)
        return (low + (high - low) * (strata + offsets) / count).cpu()
