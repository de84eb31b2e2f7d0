"""A CPU build of torch that behaves as if it had one GPU of 1 GiB: for the paths around the device, not for the device.

As a script, `python disguise.py -c SOURCE` runs SOURCE with such a torch. Inside a jail its text stands in for what
opens a context. Standard library only, because both happen where nothing of ours can be imported.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any


def disguise(torch: Any) -> None:
    """Give `torch` a GPU."""
    room, launched = [1 << 30], list[int]()

    class OutOfMemoryError(RuntimeError):
        pass

    def factory(original: Any, fill: float) -> Any:
        def make(*size: Any, device: Any = None, **options: Any) -> Any:
            if device is None:
                return original(*size, **options)
            shape = size[0] if isinstance(size[0], tuple) else size
            value = size[1] if len(size) > 1 and isinstance(size[0], tuple) else fill
            count = 1
            for each in shape:
                count *= each
            room[0] -= 4 * count
            if room[0] < 0:
                raise OutOfMemoryError("CUDA out of memory.")
            return original_full((1,), float(value)).expand(*shape)  # takes no memory

        return make

    original_full, tensor = torch.full, torch.tensor
    torch.full = factory(torch.full, 0)
    torch.ones, torch.empty, torch.zeros = factory(torch.ones, 1), factory(torch.empty, 0), factory(torch.zeros, 0)
    torch.tensor = lambda data, device=None, **options: tensor(data, **options)
    torch.cuda.OutOfMemoryError = OutOfMemoryError
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch.cuda._sleep = launched.append  # a kernel is launched at once; it is waited for later
    torch.cuda.synchronize = lambda: time.sleep(sum(launched) and 3600)
    torch.cuda.max_memory_reserved = lambda: (1 << 30) - room[0]
    torch.version.cuda = "13.0"


def open_context(torch: Any) -> None:
    """In place of the one of workers/inside/gpu.py: the device files must open, and open for writing."""
    for name in ("nvidiactl", "nvidia0", "nvidia-uvm"):
        os.close(os.open(f"/dev/{name}", os.O_RDWR))
    Path(f"/proc/self/task/{os.getpid()}/comm").write_text("cuda")
    disguise(torch)
    Path("/tmp/context").write_text(str(time.monotonic()))


if __name__ == "__main__" and len(sys.argv) == 3:
    import torch as disguised

    disguise(disguised)
    exec(sys.argv[2])
