"""What a network would cost, without running it: operations and memory, counted on tensors that hold no numbers."""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """flops: multiplications and additions of products and convolutions. peak: bytes of the results that are alive at
    once at most; kept: bytes of all results, which is what a backward pass may need. Both without the weights."""

    flops: int
    peak: int
    kept: int


def cost_of(call: Callable[[], Any]) -> Cost:
    """The cost of `call`, whose tensors must all be on the meta device.

    Attention counts as the fused kernels do it, without the matrix of weights.
    """
    live, attention = _Live(), _Fused()
    with FlopCounterMode(display=False) as counter, attention, live:
        call()
    return Cost(counter.get_total_flops() + attention.flops, live.peak, live.kept)


class _Live(TorchDispatchMode):
    """Adds up results as they come and go; views share their storage and count nothing."""

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.now = self.peak = self.kept = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        shared = any(r.alias_info is not None for r in func._schema.returns)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and not shared:
                self._born(tensor, tensor.numel() * tensor.element_size())
        return result

    def _born(self, tensor: Tensor, size: int) -> None:
        self.now += size
        self.kept += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(tensor, self._gone, size)

    def _gone(self, size: int) -> None:
        self.now -= size


class _Fused(TorchFunctionMode):
    """Scaled dot-product attention as one operation, whose only result is its output."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **named)
        query, key, value = (
            args[i] if len(args) > i else named[name] for i, name in enumerate(("query", "key", "value"))
        )
        pairs = query.shape[:-1].numel() * key.shape[-2]
        self.flops += 2 * pairs * (query.shape[-1] + value.shape[-1])
        return query.new_empty(*query.shape[:-1], value.shape[-1])
