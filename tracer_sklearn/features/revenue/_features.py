"""The stage: parameters, the history that it keeps, and the columns it makes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils.validation import check_is_fitted

from tracer_sklearn._frame import Entered, enter, gather
from tracer_sklearn._params import fail
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import DataError, HorizonWarning, SchemaError
from tracer_sklearn.features import _expressions as ex
from tracer_sklearn.features._windows import Calendar, Rows, Track
from tracer_sklearn.features.revenue._calendar import (
    FIRST_TREND_DAY,
    calendar_columns,
    holiday_columns,
)
from tracer_sklearn.features.revenue._checks import (
    check_kinds,
    check_parameters,
    warn_of_short_windows,
)
from tracer_sklearn.features.revenue._compute import Setting, window_features
from tracer_sklearn.features.revenue._reading import (
    Labels,
    Sheet,
    learn_format,
    learn_labels,
    numbers,
    observed,
    read,
    with_unseen,
)
from tracer_sklearn.features.revenue._season import (
    Lag,
    frequency_of,
    lags_of,
    period_days,
    weekdays_of,
)

__all__ = ["RevenueFeatures"]

_OUTCOMES = ("revenue", "customers")
_DEFAULT_CUSTOMERS = "customer_count"

# A year and a half: less tells the season of a year from a trend badly.
_DAYS_FOR_YEARLY_PAIRS = 548

# So many rows between the dates of fit are no coincidence.
_MIN_HOLES = 20


class RevenueFeatures(Stage):
    r"""Turn daily revenue into what was known of it a horizon before each row.

    Use it on one row per date, or per series and date, to project revenue: a row of day t sees
    revenue up to day t - h and the calendar of t, and nothing else. ``fit`` keeps the history, so
    rows of the future need no revenue, and `update` adds what has been observed since. It is not
    meant for single sales (see `daily_revenue`), nor for rows whose order stands for time.

    Parameters
    ----------
    date_column : str, default="date"
        Day of the row. A number counts days since 1970-01-01.
    revenue_column : str, default="revenue"
        Revenue of that day. ``fit`` needs it, ``transform`` can miss it, it never leaves; where a
        later frame has it, it is history for the rows at least a horizon after it.
    customer_count_column : str or None, default="customer_count"
        Customers of that day; as unknown beforehand as its revenue, and treated like it. A frame
        of ``fit`` without the default column has no features of customers.
    series_column : str or None, default=None
        Which series (store, region) the row belongs to. None makes all rows one series.
    horizon_days : int >= 0, default=1
        Calendar days between a row and the newest revenue that it may see. It must be at least as
        long as the stretch that is projected at once: 28 for four weeks ahead (`check_horizon`
        tells). 1 is for a projection of tomorrow, made daily. 0 lets a row see its own revenue:
        only for another, later target.
    windows : list or tuple of int, default=(7, 30, 90)
        Widths in days. The second one has the coefficient of variation, the first two have the
        features of customers.
    growth_windows : list or tuple of int, default=(1, 7, 30)
        Widths that growth compares.
    growth : {"window", "point", "symmetric"}, default="window"
        ``window`` compares the mean of a window with that of the window before it, ``symmetric``
        the same by twice the difference over the sum of sizes, within [-2, 2]; ``point`` compares
        two single days, which for 30 days are different weekdays.
    seasonal_encoding : {"ordinal", "onehot", "cyclical", "fourier"}, default="ordinal"
        How the calendar is written: numbers for trees, flags over fixed domains or waves for
        linear models. ``fourier`` has yearly waves only where ``fit`` saw a year and a half.
    seasonal_lags : {"auto", "none"}, list or tuple of int, default="auto"
        Looks back by whole seasons, in periods of ``freq_``. ``auto`` takes the newest season
        that the horizon lets a row see; for daily data also the mean of its weekday over four
        weeks and, with 400 days in ``fit``, the day 52 weeks before.
    season_length : int >= 2 or "auto", default="auto"
        Periods of a season. ``auto`` takes 7 for daily, 52 for weekly and 12 for monthly data.
    holidays : list, Series, callable or None, default=None
        Dates of holidays, the future ones included, or a callable of two dates that returns those
        between. None is bundled: guessing a country would be a silent error.
    missing_dates : {"skip", "zero"}, default="skip"
        What a date without a row means: not observed, or nothing earned (daily and weekly data).
        A shop that is closed on Saturdays needs ``skip``, or each weekly mean loses a seventh.
    duplicates : {"raise", "sum", "mean", "last"}, default="raise"
        What several observations of a series and date make.
    keep_last_days : int >= 1 or None, default=None
        How much history to keep before its newest day. None keeps all; with fewer days than the
        horizon and the widest window, older rows are no longer answered as in ``fit``.
    tz : str, default="UTC"
        Time zone whose days count. Zone-aware datetimes are converted to it, all others are taken
        as already in it.

    Attributes
    ----------
    columns_ : list of str
        Columns that are read.
    roles_ : dict of str to str
        The column of each role that ``fit`` found.
    series_ : list
        The series that are known, in the order of their codes.
    history_ : dict of str to dict of str to ndarray
        For ``revenue`` and ``customers`` the observations of each series, by day: ``starts`` of
        shape (n_series + 1,), ``days`` and ``values`` of shape (n_observations,), and ``before``
        of shape (n_series,), how many older ones were not kept.
    freq_ : str
        The usual distance of dates: ``D``, ``W``, ``M``, or days such as ``14D``.
    weekdays_ : list of int
        Weekdays that have observations, Monday is 0.
    seasonal_lags_ : list of tuple
        Name, unit and amount of each look back.
    yearly_pairs_ : bool
        Whether ``fourier`` has yearly waves.
    date_format_ : str or None
        The format of dates that are text.
    dates_left_out_ : list of str
        Columns of dates that have no role; they do not leave, and ``transform`` can miss them.
    learned_statistics_ : dict of str to list of str
        For each column whose existence or meaning is learnt, the attributes it depends on.
    counts_ : dict of str to dict of str to int
        What was missing or negative in the training data, by column.

    Raises
    ------
    ParameterError
        If a parameter is illegal, or a lag shorter than the horizon.
    SchemaError
        If a column that was named is missing, or of a kind that its role cannot have.
    DataError
        If a series has several observations of a date and ``duplicates="raise"``, if no date or
        no revenue can be used, or if with ``horizon_days=0`` the target is the revenue itself.

    Warns
    -----
    HorizonWarning
        If rows lie further ahead than the horizon: their windows are missing. If rows with
        revenue lie between the dates of ``fit``, as a shuffled split makes them.
    DataQualityWarning
        If windows are shorter than the distance of dates.

    Notes
    -----
    With :math:`W(w)` the observed revenue of the days :math:`(t-h-w, t-h]`:

    - ``revenue_ma_<w>d``: its mean; ``revenue_volatility_<w>d``: its standard deviation
      (``ddof=1``, two observations); ``revenue_cv_<w>d``: their ratio, missing at mean 0.
    - ``revenue_growth_<w>d``: :math:`(a - b)/|b|` of its mean :math:`a` and that of the w days
      before, :math:`b`; missing where b is missing or 0.
    - ``revenue_lag_<n>d`` (``<n>m`` for months), ``revenue_same_weekday_mean_4w``: the seasonal
      lags.
    - ``customer_count_ma_<w>d``, ``revenue_per_customer_ma_<w>d``: mean customers, and the sum of
      revenue over that of customers, on days that know both.
    - The calendar of t, ``days_to_next_holiday`` and ``days_since_last_holiday`` (at most 14),
      ``trend_days`` (days since 2000-01-01; trees cannot follow it beyond what they saw) and
      ``n_history``, the number of observations up to t - h (0 for a new series).

    Then come the series as a category and the other columns as they are, which must be known
    ahead (promotions, forecasts of weather); dates without a role are left out. All made columns
    are floats; a ratio beyond the largest float is that float. Missing and infinite
    revenue is not observed. Each window is computed from its own
    observations alone. A row whose date is missing or a placeholder has no features.

    A row is beyond the horizon if t - h is past the newest revenue of all series, weekdays
    without any observation (as in ``weekdays_``) not counted: its windows are missing rather than
    stale. Windows that lie in a gap of the dates have fewer observations.

    In `sklearn.model_selection.cross_val_score` a test row uses earlier test rows up to t - h.
    That is a score of projections made h days ahead; for a whole month at once set h to its
    length. Cost: linear in rows times the widest window in observations.

    References
    ----------
    Makridakis, Spiliotis & Assimakopoulos (2022), doi 10.1016/j.ijforecast.2021.11.013, on how
    hard the seasonal naive is to beat.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import RevenueFeatures
    >>> dates = pd.date_range("2024-01-01", periods=10)
    >>> X = pd.DataFrame({"date": dates, "revenue": [10.0 * i for i in range(10)]})
    >>> features = RevenueFeatures(windows=(3,), growth_windows=(1,)).fit(X)
    >>> tomorrow = pd.DataFrame({"date": [pd.Timestamp("2024-01-11")]})
    >>> features.transform(tomorrow)[["revenue_ma_3d", "revenue_growth_1d", "revenue_lag_7d"]]
       revenue_ma_3d  revenue_growth_1d  revenue_lag_7d
    0           80.0              0.125            30.0
    """

    _gathers: ClassVar[bool] = True

    def __init__(
        self,
        *,
        date_column: str = "date",
        revenue_column: str = "revenue",
        customer_count_column: str | None = "customer_count",
        series_column: str | None = None,
        horizon_days: int = 1,
        windows: Sequence[int] = (7, 30, 90),
        growth_windows: Sequence[int] = (1, 7, 30),
        growth: str = "window",
        seasonal_encoding: str = "ordinal",
        seasonal_lags: Any = "auto",
        season_length: Any = "auto",
        holidays: Any = None,
        missing_dates: str = "skip",
        duplicates: str = "raise",
        keep_last_days: int | None = None,
        tz: str = "UTC",
    ) -> None:
        self.date_column = date_column
        self.revenue_column = revenue_column
        self.customer_count_column = customer_count_column
        self.series_column = series_column
        self.horizon_days = horizon_days
        self.windows = windows
        self.growth_windows = growth_windows
        self.growth = growth
        self.seasonal_encoding = seasonal_encoding
        self.seasonal_lags = seasonal_lags
        self.season_length = season_length
        self.holidays = holidays
        self.missing_dates = missing_dates
        self.duplicates = duplicates
        self.keep_last_days = keep_last_days
        self.tz = tz

    def update(self, X: Any) -> Self:
        """Add what has been observed since to the history, without learning anew.

        Use it day by day in production: what ``fit`` chose stays, and the rows that follow see the
        new outcomes. For a series and date that is known already the value of X wins.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)
            Rows with their revenue.

        Returns
        -------
        self : object
            The stage with a longer history.

        Raises
        ------
        SchemaError
            If a column is missing, that of revenue included.
        DataError
            If a series has several observations of a date and ``duplicates="raise"``.
        """
        check_is_fitted(self, "columns_")
        self._check_params()
        entered = self._bind_names(enter(X, stage=self._name))
        self._require([self.roles_["date"], self.roles_["revenue"]], entered.names)
        rows = gather(entered) if entered.is_lazy else entered
        frame = nw.from_native(rows.cross(self._present(rows))).lazy()
        sheet, labels = self._sheet(self._conform(frame).collect())
        usable = sheet.usable()
        n = len(labels.levels)
        _, newer = observed(sheet, usable, n, self.duplicates, self._name)
        known = self._tracks(n)
        self._keep({role: t.merged(newer.get(role, t)) for role, t in known.items()}, labels)
        return self

    # -- parameters and columns -----------------------------------------------------------------

    def _check_params(self) -> None:
        check_parameters(self._name, self.get_params(deep=False))

    def _bind(self, schema: Mapping[str, nw.dtypes.DType]) -> list[str]:
        wanted = {
            "date": self.date_column,
            "revenue": self.revenue_column,
            "customers": self.customer_count_column,
            "series": self.series_column,
        }
        if wanted["customers"] == _DEFAULT_CUSTOMERS and _DEFAULT_CUSTOMERS not in schema:
            wanted["customers"] = None
        self.roles_ = {role: column for role, column in wanted.items() if column is not None}
        self._require(list(self.roles_.values()), list(schema))
        return list(self.roles_.values())

    def _require(self, names: Sequence[str], available: Sequence[str]) -> None:
        missing = [name for name in names if name not in available]
        if missing and list(available) == [f"x{i}" for i in range(len(available))]:
            raise SchemaError(
                f"{self._name}: an array must have the columns that the roles name, it lacks "
                f"{missing!r} with n_features = {len(available)}; name others, or give a frame.",
                missing=missing,
            )
        super()._require(names, available)

    def _bound(self, entered: Entered) -> list[str]:
        columns = super()._bound(entered)
        schema = entered.schema()
        self.dates_left_out_ = [
            name
            for name, dtype in schema.items()
            if dtype in (nw.Date, nw.Datetime) and name not in columns
        ]
        return columns

    def _same_kind(self, name: str, fitted: str, found: str) -> bool:
        if name == self.roles_["date"]:
            return found in (fitted, "date")
        return fitted == found or {fitted, found} == {"number", "flag"}

    def _optional_columns(self) -> set[str]:
        return {*self.dates_left_out_, *self._outcomes()}

    def _outcomes(self) -> list[str]:
        return [self.roles_[role] for role in _OUTCOMES if role in self.roles_]

    def _names_out(self, names: Sequence[str], made: Sequence[str]) -> list[str]:
        # the default names of outcomes do not leave either, whoever has their role
        defaults = {"revenue", _DEFAULT_CUSTOMERS}
        hidden = {self.roles_["date"], *self._outcomes(), *self.dates_left_out_, *defaults}
        apart = {*hidden, *made}
        return [*made, *(name for name in names if name not in apart)]

    # -- learning ---------------------------------------------------------------------------------

    @property
    def _needs_rows(self) -> str | None:
        return "the history of the series"

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:
        check_kinds(self._name, self.roles_, self._kinds_)
        self.date_format_: str | None = None
        if self._kinds_[self.roles_["date"]] == "text":
            self.date_format_ = learn_format(frame, self.roles_["date"], self.tz, self._name)
        labels = learn_labels(frame, self.roles_.get("series"))
        self.series_, self._integral_ = labels.levels, labels.integral
        sheet, labels = self._sheet(frame)
        usable = sheet.usable()
        n = max(len(labels.levels), 1)
        rows, tracks = observed(sheet, usable, n, self.duplicates, self._name)
        # numbers that are no days come from arrays, which have nothing better to offer
        if len(tracks["revenue"].days) == 0 and self._kinds_[self.roles_["date"]] != "number":
            raise DataError(
                f"{self._name}: fit needs revenue on at least one date, found none in {len(frame)} "
                f"rows; check {self.roles_['date']!r} and {self.roles_['revenue']!r}.",
                column=self.roles_["revenue"],
                rule="no revenue",
                n_rows=len(frame),
            )
        self._refuse_known_target(sheet, y)
        self._learn_season(rows)
        self._keep(tracks, labels)

    def _refuse_known_target(self, sheet: Sheet, y: np.ndarray | None) -> None:
        if self.horizon_days > 0 or y is None or y.ndim != 1 or y.dtype.kind not in "fiu":
            return
        revenue = sheet.values["revenue"]
        if np.array_equal(np.asarray(y, dtype=np.float64), revenue, equal_nan=True):
            raise DataError(
                f"{self._name}: with `horizon_days=0` a row sees its own revenue, so y must be "
                "another, later target, found y equal to the revenue column; set `horizon_days` "
                "to how far ahead is projected.",
                column=self.roles_["revenue"],
                rule="target among the features",
                n_rows=len(revenue),
            )

    def _learn_season(self, rows: Rows) -> None:
        self.freq_ = frequency_of(rows)
        self.weekdays_ = weekdays_of(rows, self.freq_)
        if self.missing_dates == "zero" and self.freq_ == "M":
            raise fail(
                self._name,
                "missing_dates",
                "'skip' for monthly data, whose dates lie unevenly",
                self.missing_dates,
                "add the missing months with revenue 0",
            )
        span = int(np.ptp(rows.days)) + 1 if len(rows.days) else 0
        lags = lags_of(
            self._name, self.freq_, span, self.horizon_days, self.season_length, self.seasonal_lags
        )
        self.seasonal_lags_ = [(lag.name, lag.unit, lag.amount) for lag in lags]
        self.yearly_pairs_ = span >= _DAYS_FOR_YEARLY_PAIRS
        self.learned_statistics_ = {lag.name: ["freq_", "seasonal_lags_"] for lag in lags}
        setting = self._setting()
        names = [f"revenue_{what}_{w}d" for what in ("ma", "volatility") for w in setting.windows]
        names += [f"revenue_growth_{w}d" for w in setting.growth_windows]
        warn_of_short_windows(self._name, names, period_days(self.freq_))

    # -- history ----------------------------------------------------------------------------------

    def _keep(self, tracks: Mapping[str, Track], labels: Labels) -> None:
        newest = tracks["revenue"].newest_day
        self.series_ = labels.levels
        self.history_ = {}
        for role, track in tracks.items():
            if self.keep_last_days is not None and newest is not None:
                since = np.full(track.n_groups, newest - self.keep_last_days + 1)
                track = track.recent(np.arange(track.n_groups), since)
            self.history_[role] = {
                "starts": track.starts,
                "days": track.days,
                "values": track.values,
                "before": track.before,
            }

    def _tracks(self, n_groups: int) -> dict[str, Track]:
        return {role: Track(**arrays).grown(n_groups) for role, arrays in self.history_.items()}

    def _sheet(self, frame: nw.DataFrame[Any]) -> tuple[Sheet, Labels]:
        known = Labels(self.series_, self._integral_)
        labels = with_unseen(frame, self.roles_.get("series"), known)

        def build(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
            return numbers(
                rows, self.roles_, tz=self.tz, date_format=self.date_format_, stage=self._name
            )

        table = frame.to_native()
        found = nw.from_native(self._plan("numbers", table.schema, build).run(table))
        return read(frame, found, self.roles_, labels), labels

    # -- making -----------------------------------------------------------------------------------

    def _setting(self) -> Setting:
        return Setting(
            horizon_days=self.horizon_days,
            windows=tuple(self.windows),
            growth_windows=tuple(self.growth_windows),
            growth=self.growth,
            lags=[Lag(*lag) for lag in self.seasonal_lags_],
            grid_days=period_days(self.freq_) if self.missing_dates == "zero" else None,
        )

    def _apply_rows(self, table: Any) -> Any:
        frame = nw.from_native(table, eager_only=True)
        sheet, labels = self._sheet(frame)
        made = self._features(sheet, max(len(labels.levels), 1))
        columns: dict[str, Any] = dict(made)
        series = self.roles_.get("series")
        if series is not None:
            columns[series] = frame[series].to_native()
        out = nw.from_dict(columns, backend=nw.get_native_namespace(frame)).to_native()

        def build(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
            return rows.select(
                nw.col(name).cast(nw.String).cast(nw.Categorical)
                if name == series
                else nw.col(name).fill_nan(None)
                for name in columns
            )

        return self._plan("made", out.schema, build).run(out)

    def _features(self, sheet: Sheet, n_series: int) -> dict[str, np.ndarray]:
        usable = sheet.usable()
        found = self._look_back(sheet, usable, n_series)
        history = found.pop("n_history")
        out = {}
        everything = len(usable) == len(sheet.days)
        for name, values in found.items():
            out[name] = values if everything else np.full(len(sheet.days), np.nan)
            if not everything:
                out[name][usable] = values
        pairs = {"week": self.freq_ == "D", "year": self.yearly_pairs_}
        out |= calendar_columns(sheet.days, self.seasonal_encoding, pairs)
        if self.holidays is not None:
            out |= holiday_columns(sheet.days, self.holidays, self._name)
        out["trend_days"] = sheet.days - FIRST_TREND_DAY
        out["n_history"] = np.zeros(len(sheet.days))
        out["n_history"][usable] = history
        return out

    def _look_back(self, sheet: Sheet, usable: np.ndarray, n_series: int) -> dict[str, np.ndarray]:
        """Return the columns of the past for the usable rows."""
        setting = self._setting()
        rows, given = observed(sheet, usable, n_series, self.duplicates, self._name)
        known = self._tracks(n_series)
        self._warn_of_holes(rows, given.get("revenue"), known["revenue"])
        is_first = np.diff(rows.codes, prepend=-1) > 0
        groups = rows.codes[is_first]
        since = rows.days[is_first] - setting.reach_days
        local = Rows(np.cumsum(is_first) - 1, rows.days, None)
        union = {}
        for role, track in known.items():
            union[role] = track.recent(groups, since)
            if role in given:
                newer = given[role]
                starts = newer.starts[np.append(groups, n_series)]
                mine = Track(starts, newer.days, newer.values, np.zeros(len(groups), np.int64))
                union[role] = union[role].merged(mine)
        found = window_features(local, union["revenue"], union.get("customers"), setting)
        beyond = self._beyond(rows.days, [known["revenue"], given.get("revenue")])
        for name, values in found.items():
            if name != "n_history":
                values[beyond] = np.nan
            found[name] = rows.spread(values)
        self._warn_of_reach(int(rows.spread(beyond).sum()))
        return found

    def _beyond(self, days: np.ndarray, tracks: Sequence[Track | None]) -> np.ndarray:
        """Tell which days lie further ahead than the horizon lets a row look."""
        known = [t.newest_day for t in tracks if t is not None and t.newest_day is not None]
        if not known:
            return np.zeros(len(days), dtype=bool)
        newest = max(known)
        last = days - self.horizon_days
        if self.freq_ != "D" or len(self.weekdays_) == 7:
            beyond: np.ndarray = last >= newest + period_days(self.freq_)
            return beyond
        following = next(d for d in range(1, 8) if (newest + d + 3) % 7 in self.weekdays_)
        later: np.ndarray = last >= newest + following
        return later

    def _warn_of_reach(self, n_rows: int) -> None:
        if n_rows:
            warnings.warn(
                f"{self._name}: revenue must be known up to {self.horizon_days} days before a "
                f"row, for {n_rows} rows it is not, and their windows are missing; add what has "
                "been observed with `update`, or fit with a larger `horizon_days`.",
                HorizonWarning,
                stacklevel=2,
            )

    def _warn_of_holes(self, rows: Rows, given: Track | None, known: Track) -> None:
        """Warn where most rows are dates that fit was denied, older than what it was given."""
        if given is None or len(given.days) < _MIN_HOLES:
            return
        codes = np.repeat(np.arange(given.n_groups), np.diff(given.starts))
        until = Calendar(known, len(codes)).until(codes, given.days)
        inside = until < known.starts[codes + 1]
        there = until > known.starts[codes]
        there[there] = known.days[until[there] - 1] == given.days[there]
        n_holes = int((inside & ~there).sum())
        if n_holes >= max(_MIN_HOLES, len(rows.codes) // 2):
            warnings.warn(
                f"{self._name}: rows to score should be later than those of fit, {n_holes} of "
                f"{len(rows.codes)} lie before its newest date and were not among them, as a "
                "shuffled or unordered split makes them; split by date, for example with "
                "`DateSeriesSplit`.",
                HorizonWarning,
                stacklevel=2,
            )

    # -- counting ---------------------------------------------------------------------------------

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        schema = frame.collect_schema()
        counts: dict[str, dict[str, nw.Expr]] = {}
        for role in ("date", "series"):
            name = self.roles_.get(role)
            if name is not None:
                counts[name] = {"missing": ex.count_true(ex.is_blank(name, schema[name]))}
        for name in self._outcomes():
            if name in schema:
                value = ex.number(name, schema[name])
                counts[name] = {
                    "missing": ex.count_true(value.is_null()),
                    "negative": ex.count_true(value < 0),
                }
        return counts
