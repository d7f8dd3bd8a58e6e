"""Candidate prices, what they earn, and which one is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracer_sklearn.exceptions import ParameterError
from tracer_sklearn.tasks.pricing._reading import Prices

Objective = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

STATUSES = ("ok", "at_bound", "insufficient_variation", "nonnegative_elasticity", "extrapolation")

# a 90 % interval, and the quantile that a cautious choice looks at
LOW, HIGH, CAUTIOUS = 0.05, 0.95, 0.10

_NEAR = 1e-9
# flatter than this is rounding, not demand that falls with the price
_FLAT = -1e-6


@dataclass(frozen=True)
class Choice:
    """What was chosen for each row.

    Attributes
    ----------
    best : ndarray of int of shape (n_rows,)
        Place of the best candidate; 0 is the current price.
    status : ndarray of str of shape (n_rows,)
        One of `STATUSES`.
    lift, lift_low, lift_high : ndarray of shape (n_rows,)
        Gain over the current price as a share of what that earns.
    """

    best: np.ndarray
    status: np.ndarray
    lift: np.ndarray
    lift_low: np.ndarray
    lift_high: np.ndarray


def price_limits(
    current: np.ndarray,
    codes: np.ndarray,
    ids: Sequence[Any],
    prices: Prices,
    bounds: str | tuple[float, float] | Mapping[Any, tuple[float, float]],
    max_change: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest price allowed for each row; lowest > highest: none is."""
    if isinstance(bounds, Mapping):
        open_end = (0.0, np.inf)
        given = np.array([bounds.get(product, open_end) for product in ids]).reshape(-1, 2)
        low, high = given[:, 0], given[:, 1]
    elif isinstance(bounds, str):
        low, high = prices.low[codes], prices.high[codes]
    else:
        low, high = current * bounds[0], current * bounds[1]
    # where nothing was observed, nothing but the current price is known to work
    low = np.maximum(np.nan_to_num(low, nan=np.inf), current * (1 - max_change))
    high = np.minimum(np.nan_to_num(high, nan=-np.inf), current * (1 + max_change))
    return low, high


def candidates(
    current: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    grid: int,
    endings: Sequence[float] | None,
) -> np.ndarray:
    """Return candidate prices of shape (grid + 1, n_rows); the first is the current price."""
    allowed = low <= high
    start, stop = np.where(allowed, low, current), np.where(allowed, high, current)
    spaced = start + np.linspace(0.0, 1.0, grid)[:, None] * (stop - start)
    spaced[-1] = stop
    if endings is not None:
        spaced = _with_endings(spaced, start, stop, current, endings)
    return np.vstack([current[None], spaced])


def _with_endings(
    spaced: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    current: np.ndarray,
    endings: Sequence[float],
) -> np.ndarray:
    """Move each price to the nearest allowed one with such an ending, else to the current one."""
    whole = np.floor(spaced)
    near = np.stack([whole + step + ending for step in (-1, 0, 1) for ending in endings])
    near = np.round(near, 10)
    far = np.where((near >= low - _NEAR) & (near <= high + _NEAR), np.abs(near - spaced), np.inf)
    nearest = far.argmin(axis=0)[None]
    found = np.take_along_axis(near, nearest, axis=0)[0]
    allowed = np.isfinite(np.take_along_axis(far, nearest, axis=0)[0])
    return np.where(allowed, found, np.broadcast_to(current, found.shape))


def choose(
    tried: np.ndarray,
    values: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    codes: np.ndarray,
    prices: Prices,
    elasticity: np.ndarray,
    complete: np.ndarray,
    min_price_levels: int,
    risk: str,
) -> Choice:
    """Choose the best candidate of each row, or say why the current price stays.

    Parameters
    ----------
    tried : ndarray of shape (n_candidates, n_rows)
        From `candidates`.
    values : ndarray of shape (1 + n_draws, n_candidates, n_rows)
        What each candidate earns: by the fit to all rows, then by each bootstrap draw.
    complete : ndarray of bool of shape (n_rows,)
        Whether a row has what an answer needs.
    risk : {"mean", "lower"}
        What is maximised: the mean over the draws, or the lower tenth of the gain.
    """
    draws = values[1:] if len(values) > 1 else values
    if risk == "mean":
        target = draws.mean(axis=0)
    else:  # of the gain: what makes all prices earn more or less decides nothing
        target = np.quantile(draws - draws[:, :1], CAUTIOUS, axis=0)
    best = np.where(np.isnan(target), -np.inf, target).argmax(axis=0)
    rows = np.arange(tried.shape[1])
    chosen, current = tried[best, rows], tried[0]
    room = _NEAR * np.abs(current)
    status = np.full(len(rows), "ok", dtype=object)
    moved = np.abs(chosen - current) > room
    status[moved & ((chosen <= low + room) | (chosen >= high - room))] = "at_bound"
    seen = (chosen >= prices.least[codes] - room) & (chosen <= prices.most[codes] + room)
    status[~seen] = "extrapolation"
    status[~(elasticity < _FLAT)] = "nonnegative_elasticity"
    status[~(low <= high) | ~complete | np.isnan(target[0])] = "extrapolation"
    status[prices.n_levels[codes] < min_price_levels] = "insufficient_variation"
    best = np.where(status == "ok", best, 0)

    def lift(of: np.ndarray) -> np.ndarray:
        now = of[..., 0, :]
        with np.errstate(invalid="ignore", divide="ignore"):
            gain = of[..., best, rows] / now - 1
        gained: np.ndarray = np.where(now > 0, gain, np.nan)
        return gained

    sure = len(values) > 1
    gains = lift(draws)
    nothing = np.full(len(rows), np.nan)
    return Choice(
        best=best,
        status=status.astype(str),
        lift=lift(draws.mean(axis=0)),
        lift_low=np.quantile(gains, LOW, axis=0) if sure else nothing,
        lift_high=np.quantile(gains, HIGH, axis=0) if sure else nothing,
    )


def earned(
    who: str, objective: Any, prices: np.ndarray, quantity: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """Return what quantities at prices earn: arrays of shape (n_candidates, n_rows)."""
    values: np.ndarray
    if not callable(objective):
        values = (prices if objective == "revenue" else prices - costs) * quantity
        return values
    values = objective(prices, quantity, np.broadcast_to(costs, prices.shape))
    values = np.asarray(values, dtype=float)
    if values.shape != prices.shape:
        raise ParameterError(
            f"{who}: `objective` must return one value for each price, got shape "
            f"{values.shape} for {prices.shape}; compute it element by element.",
            stage=who,
            parameter="objective",
            value=objective,
        )
    return values


def interval(quantities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the expected quantity and a 90 % interval, from a fit and its draws."""
    if len(quantities) == 1:
        nothing = np.full(quantities.shape[1:], np.nan)
        return quantities[0], nothing, nothing
    draws = quantities[1:]
    low, high = np.quantile(draws, [LOW, HIGH], axis=0)
    return draws.mean(axis=0), low, high


def arc_elasticity(tried: np.ndarray, quantity: np.ndarray) -> np.ndarray:
    """Return the slope of log quantity on log price over the candidates, row by row.

    ``quantity`` has shape (..., n_candidates, n_rows); quantities of 0 count as a trace of the
    largest. NaN where the candidates do not differ.
    """
    floor = 1e-9 * np.maximum(quantity.max(axis=-2, keepdims=True), np.finfo(float).tiny)
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = np.log(tried), np.log(np.maximum(quantity, floor))
        x = x - x.mean(axis=0)
        slope: np.ndarray = (x * y).sum(axis=-2) / (x * x).sum(axis=0)
    return np.where((x * x).sum(axis=0) > _NEAR, slope, np.nan)
