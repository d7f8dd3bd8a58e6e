"""How many threads a model may use while it is fitted again and again."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from threadpoolctl import threadpool_limits

# below, a model's threads have too little to do to make up for meeting after each step
_FEW_ROWS = 20_000


def threads_for(n_rows: int) -> AbstractContextManager[object]:
    """Keep a model of few rows in one thread.

    Gradient boosting lets its threads meet thousands of times. Where other processes want the
    cores, each meeting waits for them: a fit of half a second then takes half a minute. The
    numbers do not depend on it.
    """
    # not BLAS: its limit is the whole process's
    return threadpool_limits(limits=1, user_api="openmp") if n_rows < _FEW_ROWS else nullcontext()
