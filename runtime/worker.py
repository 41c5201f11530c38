"""Blocking work in a thread of its own, awaited."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_worker(
    worker: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return what a function returns that runs in `worker`; its exceptions are raised here."""
    call = asyncio.get_running_loop().run_in_executor
    return await call(worker, lambda: function(*args, **kwargs))
