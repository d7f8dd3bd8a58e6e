"""The response of one product to its price, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from tracer_sklearn.exceptions import MissingDependencyError

# Where nothing is allowed, the picture still shows the neighbourhood of the current price.
_AROUND = (0.9, 1.1)


def prices_to_draw(advice: Mapping[str, Any], grid: int) -> np.ndarray:
    """Return the allowed prices of one row of advice, or those around the current one."""
    low, high = advice["lower_bound"], advice["upper_bound"]
    if low is None or high is None or not low < high:
        low, high = (advice["current_price"] * factor for factor in _AROUND)
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
    price = curve["price"].to_numpy()
    ax.fill_between(price, curve["q_lo"].to_numpy(), curve["q_hi"].to_numpy(), alpha=0.2, lw=0)
    ax.plot(price, curve["q"].to_numpy(), label="expected quantity")
    ax.axvline(advice["current_price"], color="0.5", ls=":", label="current price")
    if advice["status"] == "ok":
        ax.axvline(advice["recommended_price"], color="0.2", ls="--", label="recommended price")
    ax.set(xlabel="price", ylabel="quantity", title=f"{title}: {advice['status']}")
    ax.legend()
    return ax
