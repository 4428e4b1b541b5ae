"""What this machine has, and how fast it computes."""

import os
import platform
import time
from dataclasses import dataclass

import psutil
import torch

GIB = 2**30


@dataclass(frozen=True)
class Memory:
    """In bytes."""

    free: int
    total: int


def memory_of(device: torch.device) -> Memory:
    """Of the device: its own memory where it has one, otherwise the machine's."""
    if device.type == "cuda":
        return Memory(*torch.cuda.mem_get_info(device))
    machine = psutil.virtual_memory()
    return Memory(machine.available, machine.total)


def describe() -> list[str]:
    """A line for the processor and the main memory, and one for each GPU."""
    memory = memory_of(torch.device("cpu"))
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores"
    lines = [f"{system}, {memory.total / GIB:.0f} GiB of memory, {memory.free / GIB:.0f} free"]
    for index in range(torch.cuda.device_count()):
        there = torch.cuda.get_device_properties(index)
        lines.append(f"GPU {index}: {there.name}, {there.total_memory / GIB:.0f} GiB")
    if torch.backends.mps.is_available():
        lines.append("GPU: Apple, through MPS")
    return lines


def operations_per_second(device: torch.device, dtype: torch.dtype) -> float:
    """Multiplications and additions of a convolution like those of diffusion networks; takes a fraction of a second."""
    wide = device.type == "cuda"
    channels, side = (640, 64) if wide else (160, 32)
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1).to(device, dtype).requires_grad_(False)
    x = torch.ones(2, channels, side, side, device=device, dtype=dtype)
    once = 2 * 2 * channels * channels * 9 * side * side
    with torch.no_grad():
        layer(x)
        synchronize(device)
        began, calls = time.perf_counter(), 0
        while calls < 3 or time.perf_counter() - began < 0.2:
            layer(x)
            synchronize(device)
            calls += 1
    return calls * once / (time.perf_counter() - began)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
