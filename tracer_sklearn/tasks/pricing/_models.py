"""Any regressor as a demand model: fitted once to all rows, and on every draw of the bootstrap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from tracer_sklearn.blueprints import price_optimization_pipeline

# What the price of the row itself moves, and where demand goes when the column rises. One sign
# left out, and the curve need not fall with the price: the other columns move as well.
PRICE_SIGNS = {
    "price": -1,
    "price_index_own": -1,
    "price_percentile_own": -1,
    "discount_depth": 1,
    "price_change_pct": -1,
    "price_index_category": -1,
    "price_gap_competitor": -1,
}

_FIELDS = {"product": "product_id", "price": "price", "date": "date"}


@dataclass(frozen=True)
class FittedModel:
    """A fitted estimator and its refits on resampled rows.

    Attributes
    ----------
    estimator : estimator
        Fitted to all rows.
    head : Pipeline or None
        What comes before the model; it is fitted once.
    refits : list of estimators
        Models (where there is a head, of its output) of the draws.
    """

    estimator: Any
    head: Any
    refits: list[Any]

    def predict(self, X: Any) -> np.ndarray:
        """Predict by the fit to all rows."""
        predicted: np.ndarray = self.estimator.predict(X)
        return predicted

    def quantities(self, X: Any) -> np.ndarray:
        """Predict by the fit to all rows and by every refit: shape (1 + n_draws, n_rows)."""
        if self.head is None:
            return np.stack([model.predict(X) for model in [self.estimator, *self.refits]])
        made = self.head.transform(X)
        return np.stack([model.predict(made) for model in [self.estimator[-1], *self.refits]])


def fit_model(
    estimator: Any,
    X: Any,
    quantity: np.ndarray,
    draws: Iterable[np.ndarray],
    rng: np.random.RandomState,
    *,
    roles: Mapping[str, str | None],
) -> FittedModel:
    """Fit an estimator, or the default one, to all rows and to each draw of them."""
    chosen = _default(rng, roles) if estimator is None else estimator
    if estimator is None:
        quantity = np.maximum(quantity, 0.0)  # a Poisson model knows no negative counts
    if not isinstance(chosen, Pipeline) or len(chosen.steps) < 2:
        chosen.fit(X, quantity)
        refits = [clone(chosen).fit(_safe_indexing(X, drawn), quantity[drawn]) for drawn in draws]
        return FittedModel(chosen, None, refits)
    head = chosen[:-1]
    made = head.fit_transform(X, quantity)
    chosen.steps[:-1] = head.steps  # with a memory, the head's steps are copies
    if estimator is None:
        names = list(nw.from_native(made).columns)
        signs = {name: sign for name, sign in _signs(roles).items() if name in names}
        chosen[-1].set_params(monotonic_cst=signs)
    chosen[-1].fit(made, quantity)
    refits = [
        clone(chosen[-1]).fit(_safe_indexing(made, drawn), quantity[drawn]) for drawn in draws
    ]
    return FittedModel(chosen, head, refits)


def resampled(blocks: np.ndarray, n_draws: int, rng: np.random.RandomState) -> Iterator[np.ndarray]:
    """Yield the rows of dates drawn with replacement; a date comes with all of its rows."""
    _, block = np.unique(blocks, return_inverse=True)
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block))
    rows_of = np.split(order, ends[:-1])
    for _ in range(n_draws):
        drawn = rng.randint(0, len(rows_of), len(rows_of))
        yield np.concatenate([rows_of[number] for number in drawn])


def _signs(roles: Mapping[str, str | None]) -> dict[str, int]:
    signs = dict(PRICE_SIGNS)
    signs[str(roles["price"])] = signs.pop("price")
    return signs


def _default(rng: np.random.RandomState, roles: Mapping[str, str | None]) -> Pipeline:
    fields = {_FIELDS[role]: column for role, column in roles.items() if column is not None}
    seed = int(rng.randint(2**31 - 1))
    model = HistGradientBoostingRegressor(loss="poisson", random_state=seed)
    # the signs go by name, so the model must see names
    return price_optimization_pipeline(model, fields=fields).set_output(transform="pandas")
