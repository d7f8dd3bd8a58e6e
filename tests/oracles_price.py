"""Price features and co-moments once more, in slow plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


def comoments(columns: Sequence[Sequence[float]]) -> tuple[list[float], list[list[float]]]:
    """Means and centred sums of products of the rows of one window, in exact arithmetic."""
    n = len(columns[0])
    exact = [[Fraction(v) for v in column] for column in columns]
    means = [sum(column, Fraction(0)) / n for column in exact]
    away = [[v - m for v in column] for column, m in zip(exact, means, strict=True)]
    cross = [
        [float(sum((a * b for a, b in zip(one, two, strict=True)), Fraction(0))) for two in away]
        for one in away
    ]
    return [float(m) for m in means], cross


def mid_rank(values: Sequence[float], at: float) -> float:
    if not values:
        return math.nan
    below = sum(v < at for v in values)
    equal = sum(v == at for v in values)
    return (below + equal / 2) / len(values)


def residuals(y: Sequence[float], controls: Sequence[Sequence[float]]) -> list[float]:
    """What is left of y after its mean and each control, one after the other (Gram-Schmidt)."""
    basis: list[list[float]] = []
    for column in [[1.0] * len(y), *controls]:
        left = _without(column, basis)
        if sum(v * v for v in left) > 1e-8 * sum((v - column[0]) ** 2 for v in column):
            basis.append(left)
    return _without(list(y), basis)


def _without(column: Sequence[float], basis: Sequence[Sequence[float]]) -> list[float]:
    left = list(column)
    for _ in range(2):  # once more, for what rounding left
        for b in basis:
            share = math.fsum(v * w for v, w in zip(left, b, strict=True)) / math.fsum(
                w * w for w in b
            )
            left = [v - share * w for v, w in zip(left, b, strict=True)]
    return left


# -- the features of one row ------------------------------------------------------------------


@dataclass
class Sale:
    """One row of a panel; a missing price or quantity is None."""

    series: tuple
    day: int
    price: float | None
    quantity: float | None
    category: object = None


NAN = math.nan


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else NAN


def _divided(above: float, below: float) -> float:
    return above / below if below and not math.isnan(below) else NAN


def price_features(
    history: Sequence[Sale],
    row: Sale,
    *,
    horizon: int = 1,
    windows: Sequence[int] = (7, 30, 90),
    kappa: float = 1.0,
    seasonal: str = "none",
) -> dict[str, float]:
    """What a row may know, from a history with one sale a series and day."""
    until = row.day - horizon
    known = sorted((s for s in history if s.day <= until), key=lambda s: s.day)
    own = [s for s in known if s.series == row.series]

    def inside(sales: Sequence[Sale], days: int, back: int = 0) -> list[Sale]:
        return [s for s in sales if until - back - days < s.day <= until - back]

    sold = [s for s in own if s.quantity is not None]
    earned = [s for s in sold if s.price is not None]
    asked = [s for s in own if s.price is not None]
    out: dict[str, float] = {}

    # revenue
    out["revenue_lag"] = earned[-1].price * earned[-1].quantity if earned else NAN
    for days in windows:
        out[f"revenue_ma_{days}d"] = _mean([s.price * s.quantity for s in inside(earned, days)])
    longest = inside(earned, max(windows))
    units = math.fsum(s.quantity for s in longest)
    out["revenue_per_unit_past"] = (
        math.fsum(s.price * s.quantity for s in longest) / units if units > 0 else NAN
    )
    every = [s for s in known if s.price is not None and s.quantity is not None]
    total = math.fsum(s.price * s.quantity for s in inside(every, 30))
    mine = inside(earned, 30)
    share = _divided(math.fsum(s.price * s.quantity for s in mine), total)
    out["product_revenue_share_past"] = share if mine and total > 0 else NAN

    # elasticity
    slope, error, weight, level = _elasticity(known, row, until, kappa, seasonal)
    usable = [s for s in inside(earned, 365) if s.quantity > 0]
    out["price_elasticity"], out["price_elasticity_se"] = slope, error
    out["elasticity_weight"] = weight
    out["n_price_levels"] = float(len({s.price for s in usable}))

    # demand
    for days in windows:
        out[f"demand_ma_{days}d"] = _mean([s.quantity for s in inside(sold, days)])
    for days in (7, 30):
        now = _mean([s.quantity for s in inside(sold, days)])
        before = _mean([s.quantity for s in inside(sold, days, back=days)])
        out[f"demand_growth_{days}d"] = _divided(now - before, abs(before))
    for days in (30, 90):
        part = inside(sold, days)
        x, y = [float(s.day) for s in part], [math.log1p(max(s.quantity, 0)) for s in part]
        mx, my = _mean(x), _mean(y)
        sxx = math.fsum((a - mx) ** 2 for a in x)
        sxy = math.fsum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
        out[f"demand_trend_{days}d"] = 30 * _divided(sxy, sxx)
    month = [s.quantity for s in inside(sold, 30)]
    m = _mean(month)
    spread = (
        math.sqrt(math.fsum((q - m) ** 2 for q in month) / (len(month) - 1))
        if len(month) > 1
        else NAN
    )
    out["demand_cv_30d"] = _divided(spread, abs(m))
    quarter = [s for s in inside(earned, 90) if s.quantity > 0]
    out["base_demand"] = _mean(
        [math.log(s.quantity) - slope * (math.log(s.price) - level) for s in quarter]
    )

    # position
    p = NAN if row.price is None else row.price
    out["price_index_own"] = _divided(p, _mean([s.price for s in inside(asked, 90)]))
    year = [s.price for s in inside(asked, 365)]
    out["price_percentile_own"] = NAN if math.isnan(p) else mid_rank(year, p)
    out["discount_depth"] = 1 - _divided(p, _quartile([s.price for s in inside(asked, 56)]))
    out["price_change_pct"] = _divided(p, asked[-1].price) - 1 if asked else NAN
    out["days_since_price_change"] = float(row.day - _run_start(asked)) if asked else NAN
    if row.category is not None:
        newest: dict[tuple, float] = {}
        for s in known:
            peer = s.category == row.category and s.series[1:] == row.series[1:]
            if s.price is not None and peer and s.series != row.series:
                newest[s.series] = math.log(s.price)
        peers = list(newest.values())
        out["price_index_category"] = _divided(p, math.exp(_mean(peers))) if peers else NAN
    return out


def _quartile(values: Sequence[float]) -> float:
    if not values:
        return NAN
    ordered = sorted(values)
    at = 0.75 * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def _run_start(asked: Sequence[Sale]) -> int:
    start = asked[-1]
    for sale in reversed(asked):
        if sale.price != start.price:
            break
        start = sale
    return start.day


def _elasticity(
    known: Sequence[Sale], row: Sale, until: int, kappa: float, seasonal: str
) -> tuple[float, float, float, float]:
    """Slope, error, weight of the row's own data, and mean log price."""
    by_series: dict[tuple, list[Sale]] = {}
    for s in known:
        usable = s.price is not None and s.quantity is not None and s.quantity > 0
        if usable and until - 365 < s.day:
            by_series.setdefault(s.series, []).append(s)
    first: dict[tuple, int] = {}
    for s in known:
        if s.price is not None and s.quantity is not None and s.quantity > 0:
            first.setdefault(s.series, s.day)
    moments = {}
    for series, sales in by_series.items():
        waves = []
        full = until - first[series] >= 365
        if seasonal == "fourier" or (seasonal == "auto" and full):
            angles = [2 * math.pi * s.day / 365.25 for s in sales]
            waves = [[math.sin(a) for a in angles], [math.cos(a) for a in angles]]
        x = residuals([math.log(s.price) for s in sales], waves)
        y = residuals([math.log(s.quantity) for s in sales], waves)
        sxx = math.fsum(v * v for v in x)
        sxy = math.fsum(v * u for v, u in zip(x, y, strict=True))
        syy = math.fsum(u * u for u in y)
        category = sales[0].category
        moments[series] = (len(sales), sxx, sxy, syy, len(waves), category)
    total_xx = math.fsum(m[1] for m in moments.values())
    total_xy = math.fsum(m[2] for m in moments.values())
    pooled = total_xy / total_xx if total_xx >= 1e-4 else NAN
    sure = [m for m in moments.values() if m[0] >= 8 and m[1] >= 1e-4]
    left = math.fsum(max(m[3] - m[2] ** 2 / m[1], 0.0) for m in sure)
    freedom = sum(m[0] - 2 - m[4] for m in sure)
    sigma = math.sqrt(left / freedom) if freedom > 0 else NAN
    target = pooled
    if row.category is not None and not math.isnan(pooled):
        peers = [m for m in moments.values() if m[5] == row.category]
        xx, xy = math.fsum(m[1] for m in peers), math.fsum(m[2] for m in peers)
        target = (xy + pooled) / (xx + 1.0)
    n, sxx, sxy, *_ = moments.get(row.series, (0, 0.0, 0.0))
    own = by_series.get(row.series, [])
    level = _mean([math.log(s.price) for s in own])
    if math.isnan(target):
        return NAN, NAN, 0.0, level
    if n < 8 or sxx < 1e-4:
        sxx = sxy = 0.0
    slope = (sxy + kappa * target) / (sxx + kappa)
    return slope, sigma / math.sqrt(sxx + kappa), sxx / (sxx + kappa), level
