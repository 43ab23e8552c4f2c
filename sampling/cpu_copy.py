"""Bringing small tensors from the GPU to the CPU without making the CPU wait for the GPU."""

from __future__ import annotations

import torch


class CpuCopy:
    """A tensor on its way to the CPU. The copy starts at once; only `tensor()` waits for it.

    The plain way to read a value off a GPU waits until all work queued before it is done, and leaves the GPU idle then:
    twice a step costs 3 to 4 % of the time. CUDA can copy into pinned memory in the background instead. Other devices
    cannot: there a clone stays on the device until somebody asks.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        tensor = tensor.detach()
        self.arrival: torch.cuda.Event | None = None
        if tensor.device.type == "cuda":
            self.copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self.copy.copy_(tensor, non_blocking=True)
            self.arrival = torch.cuda.Event()
            self.arrival.record(torch.cuda.current_stream(tensor.device))
        else:
            self.copy = tensor.clone()

    def tensor(self) -> torch.Tensor:
        """The tensor on the CPU, of the shape and type it had."""
        if self.arrival is not None:
            self.arrival.synchronize()
        return self.copy.cpu()
