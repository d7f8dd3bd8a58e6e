"""The response of one product to its price, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import DataError, MissingDependencyError

# Where nothing is allowed, the picture still shows the neighbourhood of the current price.
_AROUND = (0.9, 1.1)


def prices_to_draw(advice: Mapping[str, Any], grid: int) -> np.ndarray:
    """Return the allowed prices of one row of advice, or those around the current one."""
    low, high, current = (advice[n] for n in ("lower_bound", "upper_bound", "current_price"))
    if current is None or not current > 0:
        raise DataError(
            "PriceOptimizer: the row to draw must have a price above 0, found none; fill it in, "
            "or say which `prices` to draw.",
            rule="positive",
            n_rows=1,
        )
    if low is None or high is None or not low < high:
        low, high = (current * factor for factor in _AROUND)
    return np.linspace(low, high, grid)


def draw_response(advice: Mapping[str, Any], curve: pl.DataFrame, *, title: str, ax: Any) -> Any:
    """Draw a demand curve with its interval, the current and the recommended price."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        who = "PriceOptimizer.plot_response"
        raise MissingDependencyError.from_extra(who, "plots") from error
    if ax is None:
        _, ax = plt.subplots()
    elif not hasattr(ax, "fill_between"):
        raise fail("PriceOptimizer", "ax", "matplotlib Axes or None", ax, "take `plt.gca()`")
    price = curve["price"].to_numpy()
    ax.fill_between(price, curve["q_lo"].to_numpy(), curve["q_hi"].to_numpy(), alpha=0.2, lw=0)
    ax.plot(price, curve["q"].to_numpy(), label="expected quantity")
    ax.axvline(advice["current_price"], color="0.5", ls=":", label="current price")
    if advice["status"] == "ok":
        ax.axvline(advice["recommended_price"], color="0.2", ls="--", label="recommended price")
    ax.set(xlabel="price", ylabel="quantity", title=f"{title}: {advice['status']}")
    ax.legend()
    return ax
