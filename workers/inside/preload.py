"""What the zygote loads and warms for every snippet. The only file here that imports torch."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import importlib
import io
import logging
import multiprocessing.util
import sys
import types
from collections.abc import Callable
from typing import Any

from workers.inside import gpu

MAIN = types.ModuleType("__main__")
NAMESPACE: dict[str, Any] = MAIN.__dict__
"""What a snippet starts with. Filled in the zygote; each run has its own copy by the fork."""


def everything(own: gpu.Gpu) -> dict[str, Any]:
    """In the zygote: import everything a first snippet would wait for. Returns what the supervisor wants to know."""
    sys.modules["redis"] = None  # type: ignore[assignment]  # it is the worker's; torch would load 6 MB of it
    import numpy
    import torch

    with gpu.hidden(torch):
        _import_lazy_parts()
        torch.set_num_threads(1)  # a parallel region here would leave every fork a thread pool without threads
        NAMESPACE.update(__builtins__=builtins, torch=torch, nn=torch.nn, F=torch.nn.functional, np=numpy)
        _patch_compile(torch)
        with contextlib.suppress(ImportError):
            _preload_figures()
        _warm_up(torch)
        if own:
            _forget_missing_device()
    del sys.modules["redis"]
    _keep_only_needed_exit_handlers()
    _forget_ourselves()
    return {"torch_version": str(torch.__version__), "python": sys.version.split()[0]}


def _import_lazy_parts() -> None:
    for name in ("_dynamo", "export", "func", "nn.functional", "optim", "profiler"):
        importlib.import_module(f"torch.{name}")


def _forget_ourselves() -> None:
    """A snippet has no business in this package. Done in the zygote: a walk over all modules copies many pages."""
    for name in [name for name in sys.modules if name == "workers" or name.startswith("workers.")]:
        del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if entry and not entry.startswith("/opt/torchquiz")]


def _preload_figures() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.font_manager as font_manager
    import matplotlib.pyplot as pyplot

    pyplot.show = lambda *_, **__: None  # figures are saved at the end; Agg would only warn
    figure = pyplot.figure()
    figure.add_subplot().plot([0, 1], label="warm")
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close(figure)
    font_manager._get_font.cache_clear()  # type: ignore[attr-defined]  # open files: forks would share their position


def _patch_compile(torch: Any) -> None:
    """Inductor needs a C++ compiler, which the jail has not."""
    original: Callable[..., Any] = torch.compile
    told: list[bool] = []

    def compile(model: Any = None, *, backend: Any = "inductor", **options: Any) -> Any:
        if backend == "inductor":
            backend = "aot_eager"
            options.pop("mode", None)  # inductor's own
            options.pop("options", None)
            if not told:
                told.append(True)
                print(
                    "torch.compile: no C++ compiler here, so backend 'aot_eager' stands in for 'inductor'.",
                    file=sys.stderr,
                )
        return original(model, backend=backend, **options)

    compile.__doc__ = original.__doc__
    torch.compile = compile


def _keep_only_needed_exit_handlers() -> None:
    """What torch and its friends registered tidies an interpreter up, for some 60 ms; a run needs only these two."""
    atexit._clear()
    atexit.register(logging.shutdown)
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]


def _warm_up(torch: Any) -> None:
    """Once through the paths that import or build something at their first use; all single-threaded."""
    weight = torch.nn.Linear(4, 4)
    optimizer = torch.optim.Adam(weight.parameters())
    torch.nn.functional.mse_loss(weight(torch.ones(2, 4)), torch.zeros(2, 4)).backward()
    optimizer.step()
    torch.func.vmap(torch.sin)(torch.ones(2))
    torch.func.grad(lambda x: (x * x).sum())(torch.ones(2))
    torch.nn.Conv2d(1, 1, 3)(torch.ones(1, 1, 8, 8))
    torch.compile(lambda x: x.sin() + 1, backend="aot_eager")(torch.ones(2))
    torch._dynamo.reset()
    for _ in range(100):  # the interpreter rewrites code that runs often; better here than in each fork
        repr(torch.ones(2))


def _forget_missing_device() -> None:
    """The compiler noted in the zygote which devices there are, when there seemed to be none."""
    import torch._dynamo.device_interface as interfaces

    interfaces._device_initialized = False
