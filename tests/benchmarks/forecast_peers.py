"""Revenue projection beside the seasonal naive, AutoETS and boosting on mlforecast lags.

python tests/benchmarks/forecast_peers.py FOLDER [FOLDER OF REAL FILES]

The peers need pandas below 3, so they run in an environment of their own, which is made in FOLDER
the first time. All see the same past of the same origins, and are scored on the same rows.
"""

from __future__ import annotations

import subprocess
import sys
import venv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from timing import table

import tracer_sklearn as ts

NEEDS = ["pandas<3", "mlforecast==1.1.0", "statsforecast==2.1.1", "scikit-learn"]

# what runs among the peers: reads series and origins, writes projections
THEIRS = """
import sys
import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean, RollingStd
from sklearn.ensemble import HistGradientBoostingRegressor
from statsforecast import StatsForecast
from statsforecast.models import AutoETS

folder, freq, season, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
frame = pd.read_csv(f"{folder}/series.csv", parse_dates=["ds"])

def boosting():
    lags = [1, season, 2 * season] if freq != "D" else [1, 7, 14, 28]
    means = {1: [RollingMean(season, 1), RollingMean(4 * season, 1)]}
    parts = ["month"] if freq != "D" else ["dayofweek", "day", "month"]
    return MLForecast(
        {"boosting": HistGradientBoostingRegressor(random_state=0)},
        freq=freq, lags=lags, lag_transforms=means, date_features=parts,
    )

if steps == 0:  # the windows of the equality test
    made = MLForecast([], freq=freq, lag_transforms={
        1: [f(w, m) for w in (7, 30) for f, m in ((RollingMean, 1), (RollingStd, 2))]
    }).preprocess(frame, dropna=False)
    made.to_csv(f"{folder}/windows.csv", index=False)
    raise SystemExit

found = []
origins = pd.read_csv(f"{folder}/origins.csv", parse_dates=["origin", "fitted"])
for fitted, rows in origins.groupby("fitted"):
    model = None
    for origin in rows["origin"]:
        past = frame[frame["ds"] < origin]
        long = past.groupby("unique_id")["y"].transform("size") > 2 * season + 1
        past = past[long]
        ets = StatsForecast([AutoETS(season_length=season)], freq=freq, n_jobs=1)
        ahead = ets.forecast(df=past, h=steps)
        if model is None:
            model = boosting().fit(past)
        else:  # learnt once, as Tracer, and told what was observed since
            model.update(past[past["ds"] >= told])
        told = origin
        ahead = ahead.merge(model.predict(steps), on=["unique_id", "ds"])
        found.append(ahead.assign(origin=origin))
pd.concat(found).to_csv(f"{folder}/found.csv", index=False)
"""


@dataclass(frozen=True)
class Task:
    """One line of the table: a table of revenue, when it is projected, and how far."""

    rows: pd.DataFrame
    origins: list[pd.Timestamp]
    span: int  # periods scored after an origin
    steps: int  # periods projected at once
    freq: str = "D"
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def season(self) -> int:
        """Periods of a season."""
        return 7 if self.freq == "D" else 12

    def later(self, date: pd.Timestamp, periods: int) -> pd.Timestamp:
        """The date some periods on."""
        unit = "days" if self.freq == "D" else "months"
        return date + pd.DateOffset(**{unit: periods})

    def blocks(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Past and future of each origin."""
        for origin in self.origins:
            end = self.later(origin, self.span)
            dates = self.rows["date"]
            yield self.rows[dates < origin], self.rows[(dates >= origin) & (dates < end)]


def tasks(real_files: Path | None) -> dict[str, Task]:
    origins = list(pd.to_datetime(["2017-08-01", "2017-08-29", "2017-09-26", "2017-10-24"]))
    total, _ = ts.datasets.load_daily_revenue()
    total = total.assign(series="all")
    stores, _ = ts.datasets.load_daily_revenue(by="store")
    stores = stores.rename(columns={"store": "series"})
    found = {
        "groceries, 28 days (A6)": Task(total, origins, 28, 28),
        "groceries, 40 stores, 28 days (A7)": Task(stores, origins, 28, 28),
        "groceries, 1 day (A8)": Task(total, origins, 28, 1),
    }
    if real_files is None:
        return found
    events = pd.read_csv(real_files / "online_retail.csv.gz", low_memory=False)
    events["date"] = pd.to_datetime(events["InvoiceDate"])
    events["revenue"] = events["Quantity"] * events["UnitPrice"]
    shop = ts.daily_revenue(events, date_column="date", revenue_column="revenue")
    origins = list(pd.to_datetime(["2011-07-01", "2011-08-01", "2011-09-01", "2011-10-01"]))
    found["Online Retail, 28 days (A9)"] = Task(shop.assign(series="all"), origins, 28, 28)
    monthly = pd.read_csv(real_files / "aus_retail_monthly.csv.gz")
    monthly = pd.DataFrame(
        {
            "date": pd.to_datetime(monthly["Month"], format="%Y %b"),
            "series": monthly["Series ID"],
            "revenue": monthly["Turnover"].astype(float),
        }
    )
    origins = [pd.Timestamp(year=year, month=1, day=1) for year in (2015, 2016, 2017, 2018)]
    wide = (("features__windows", (92, 365)), ("features__growth_windows", (92, 365)))
    found["Australian retail, 12 months (A11)"] = Task(monthly, origins, 12, 12, "MS", wide)
    return found


def by_tracer(task: Task, model: Any, encoding: str) -> np.ndarray:
    """Projections of the rows of all blocks."""
    # a year for twelve months: its last month sees the same month of the year before
    horizon = task.steps if task.freq == "D" else 365
    pipe = ts.revenue_projection_pipeline(
        model,
        series_column="series",
        horizon_days=horizon,
        missing_value_strategy="median",
        scaling_method="standard",
    )
    pipe.set_params(features__seasonal_encoding=encoding, **dict(task.options))
    found = []
    for past, future in task.blocks():
        pipe.fit(past, past["revenue"])
        # a row sees what lies a horizon before it, so earlier days of the block where that is short
        found.append(np.asarray(pipe.predict(future)))
    return np.concatenate(found)


def by_naive(task: Task) -> np.ndarray:
    """The newest season that was known; nothing earned where it has no row."""
    back = -task.season * -(-task.steps // task.season)
    past = task.rows.set_index(["series", "date"])["revenue"]
    found = []
    for _, future in task.blocks():
        then = [task.later(date, back) for date in future["date"]]
        keys = pd.MultiIndex.from_arrays([future["series"], then])
        found.append(past.reindex(keys).fillna(0.0).to_numpy())
    return np.concatenate(found)


def environment(folder: Path) -> Path:
    """The interpreter of the peers."""
    python = folder / "env" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "env", with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *NEEDS], check=True)
    return python


def run_theirs(folder: Path, frame: pd.DataFrame, freq: str, season: int, steps: int) -> None:
    """Run the peers on a regular table of ``unique_id``, ``ds`` and ``y``."""
    python = environment(folder)
    frame.to_csv(folder / "series.csv", index=False)
    script = folder / "theirs.py"
    script.write_text(THEIRS)
    command = [str(python), "-W", "ignore", str(script), str(folder), freq, str(season), str(steps)]
    subprocess.run(command, check=True)


def by_peers(task: Task, folder: Path) -> dict[str, np.ndarray]:
    """Projections of the peers, which need every date: no row is no revenue."""
    series = []
    for name, rows in task.rows.groupby("series"):
        dates = pd.date_range(rows["date"].min(), task.rows["date"].max(), freq=task.freq)
        values = rows.set_index("date")["revenue"].reindex(dates).fillna(0.0)
        series.append(pd.DataFrame({"unique_id": name, "ds": dates, "y": values.to_numpy()}))
    every = range(0, task.span, task.steps)
    asked = [(task.later(o, step), o) for o in task.origins for step in every]
    pd.DataFrame(asked, columns=["origin", "fitted"]).to_csv(folder / "origins.csv", index=False)
    run_theirs(folder, pd.concat(series), task.freq, task.season, task.steps)
    found = pd.read_csv(folder / "found.csv", parse_dates=["ds"])
    found["unique_id"] = found["unique_id"].astype(str)
    found = found.set_index(["unique_id", "ds"])
    future = pd.concat([future for _, future in task.blocks()])
    keys = pd.MultiIndex.from_arrays([future["series"].astype(str), future["date"]])
    columns = {"AutoETS": "AutoETS", "boosting": "boosting, mlforecast lags"}
    return {mine: found[name].reindex(keys).to_numpy() for name, mine in columns.items()}


def compare(task: Task, folder: Path) -> dict[str, float]:
    """WAPE by method, over the rows that all methods have an answer for."""
    actual = np.concatenate([future["revenue"] for _, future in task.blocks()])
    found = {
        "Tracer, ridge": by_tracer(task, Ridge(10.0), "onehot"),
        "Tracer, boosting": by_tracer(
            task, HistGradientBoostingRegressor(random_state=0), "ordinal"
        ),
        "seasonal naive": by_naive(task),
        **by_peers(task, folder),
    }
    there = np.all([np.isfinite(column) for column in found.values()], axis=0)
    assert there.mean() > 0.95
    return {
        name: float(np.abs(actual - column)[there].sum() / np.abs(actual[there]).sum())
        for name, column in found.items()
    }


def windows_agree(folder: Path) -> None:
    """The windows of mlforecast, which counts rows, on series without gaps."""
    X, _ = ts.datasets.make_daily_revenue(n_days=300, n_series=3, random_state=0)
    given = X.rename(columns={"series": "unique_id", "date": "ds", "revenue": "y"})
    run_theirs(folder, given[["unique_id", "ds", "y"]], "D", 7, 0)
    theirs = pd.read_csv(folder / "windows.csv")
    features = ts.RevenueFeatures(series_column="series", windows=(7, 30))
    mine = features.fit_transform(X.drop(columns="promotion"))
    for width in (7, 30):
        for what, name in (("mean", "ma"), ("std", "volatility")):
            column = next(c for c in theirs if f"rolling_{what}_lag1_window_size{width}" in c)
            found = mine[f"revenue_{name}_{width}d"].to_numpy()
            np.testing.assert_allclose(found, theirs[column], rtol=1e-9)


def main(folder: Path, real_files: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    windows_agree(folder)
    rows = {}
    for name, task in tasks(real_files).items():
        rows[name] = {who: f"{wape:.3f}" for who, wape in compare(task, folder).items()}
        print(name, rows[name], file=sys.stderr, flush=True)
    print(table("WAPE", rows))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
