"""The stage: parameters, what it learns, and the columns it makes."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._frame import Entered
from tracer_sklearn._params import (
    check_choice,
    check_column,
    check_date,
    check_real,
    check_zone,
    fail,
)
from tracer_sklearn._statistics import finite_values, median_of, quantiles
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import (
    DataError,
    DataQualityWarning,
    ReferenceDateWarning,
    SchemaError,
)
from tracer_sklearn.features import _expressions as ex
from tracer_sklearn.features.churn import _names
from tracer_sklearn.features.churn._checks import (
    KINDS,
    WEIGHTS,
    check_hierarchy,
    check_kinds,
    check_weights,
    warn_of_dates,
    warn_of_plans,
)
from tracer_sklearn.features.churn._facts import (
    DATES,
    EPOCH,
    INPUTS,
    Reading,
    conditions,
    counts,
    date_counts,
    flag,
    helper,
    learn_format,
    of,
    with_facts,
)
from tracer_sklearn.features.churn._guard import inspect_dates, inspect_future
from tracer_sklearn.features.churn._plans import levels_of, mean_score, plan_scores

__all__ = ["ChurnFeatures"]

_POLICIES = ("guard", "clip", "nan", "raise")
_HALF_LIFE_RANGE = (7.0, 180.0)
_HALF_LIFE_DEFAULT = 30.0


class ChurnFeatures(Stage):
    r"""Turn the fields of a customer at a snapshot date into nine churn features.

    Use it on snapshots: one row per customer and date, holding what was known at the start of
    that day. It is not meant for events themselves (one row a purchase); make snapshots of those
    first. Of all roles only the last activity is indispensable: a feature whose inputs are not
    given is left out.

    Parameters
    ----------
    customer_column : str or None, default="customer_id"
        Who the row is about. Never read, never in the output.
    last_activity_column : str, default="last_activity_date"
        Newest activity before the snapshot.
    created_column : str or None, default="account_created_date"
        Begin of the account; without it there is no tenure and no rate per day of it.
    value_column : str or None, default="total_value"
        Money received up to the snapshot; negative values (refunds) are kept.
    tickets_column : str or None, default="support_tickets"
        Number of support tickets up to the snapshot.
    usage_column : str or None, default="feature_usage_count"
        Number of uses up to the snapshot, or in the window before it.
    plan_column : str or None, default="plan_type"
        Plan at the snapshot (not today's); blanks around it and case do not matter.
    as_of_column : str or None, default="as_of"
        Snapshot date of each row. It wins over ``reference_date`` when the frame of ``fit`` has
        it, and is then needed in ``transform`` too.
    label_end_column : str or None, default="label_end"
        End of the label window. Never read, never in the output; ``transform`` can miss it.
    reference_date : date, naive datetime, ISO str or None, default=None
        One snapshot date for all rows. None learns the day after the newest activity of ``fit``,
        with a warning. ``set_params(reference_date=...)`` takes effect without another ``fit``.
    future_policy : {"guard", "clip", "nan", "raise"}, default="guard"
        What an activity after the snapshot means: ``guard`` and ``clip`` take it for one on the
        day, ``nan`` and ``raise`` make it missing. On rows in memory ``guard`` warns of
        activities more than a day late and raises when they are over 5 % of 20 rows or more
        (the reference date is stale); ``raise`` raises for any. The default lets a random
        cross-validation of one snapshot pass and stops a forgotten date.
    half_life_days : float >= 1 or "auto", default=30
        Days in which the recency score halves; the decay rate is :math:`\ln 2` divided by it.
        ``auto`` takes the median recency of ``fit``, within [7, 180]. It matters for linear
        models and the composite only: trees see the same order whatever it is.
    min_exposure_days : float >= 1, default=30
        Least tenure that rates are divided by: one ticket on the first day is not thirty a month.
        1 gives the literal quotient.
    usage_window_days : float >= 1 or None, default=None
        Days that the usage count covers. None divides by tenure.
    plan_hierarchy : list, dict or None, default=None
        Plans from lowest to highest, or a dict plan to score. None takes the order free, trial,
        basic, starter, standard, plus, pro, business, premium, enterprise if every plan of
        ``fit`` is among them, and else ranks the plans by their median ``daily_value_rate``.
    weights : dict or None, default=None
        Weights of ``recency``, ``usage``, ``value`` and ``support`` in the engagement score;
        those not named keep 1, 1, 1 and 0 (support can mean use or pain). Equal weights are the
        defensible choice where no label may be used.
    missing_counts : {"missing", "zero"}, default="missing"
        What a missing number of tickets or uses means.
    inputs : {"keep", "drop"}, default="keep"
        Whether value, tickets, usage and plan leave beside the features.
    tz : str, default="UTC"
        Time zone whose days count. Zone-aware datetimes are converted to it, all others are
        taken as already in it.

    Attributes
    ----------
    columns_ : list of str
        Columns that are read.
    roles_ : dict of str to str
        The column of each role that ``fit`` found.
    reference_date_ : datetime.date or None
        The reference date of ``fit``; None with an as-of column.
    dates_left_out_ : list of str
        Columns of dates that have no role; they do not leave, and ``transform`` can miss them.
    date_formats_ : dict of str to str
        The format of each date column that holds text.
    half_life_ : float
        The half-life in days.
    value_edges_ : list of float
        Quartiles of the value; empty without values.
    usage_median_, value_median_, support_median_ : float or None
        Medians over the positive rates; None without any.
    plan_levels_ : list
        The plans that are known, ``plan_scores_`` (dict) their scores, empty where they cannot
        be ranked, and ``plan_mean_score_`` (float or None) the score of any other.
    weights_ : dict of str to float
        Weights of the parts that the engagement score has.
    flags_ : list of str
        Names of the flags in the output.
    choices_ : dict of str to str
        How each output came about, or why it is absent, with the figure that decided.
    learned_statistics_ : dict of str to list of str
        For each feature that depends on training rows, the attributes it depends on.
    counts_ : dict of str to dict of str to int
        What was missing, unreadable, invalid or unknown in the training data, by column.

    Raises
    ------
    ParameterError
        If a parameter is illegal; for ``reference_date`` in ``transform`` too.
    SchemaError
        If a column that was named is missing, or of a kind that its role cannot have.
    DataError
        If a text column has no ISO dates, or no date is left to learn a reference date from.
    StaleReferenceDateError
        See ``future_policy``.
    InputTypeError
        If datetimes bear a time zone that the engine cannot convert.

    Warns
    -----
    ReferenceDateWarning
        If the reference date is learnt, or a few activities lie more than a day after it.
    DataQualityWarning
        If texts have another format than that of ``fit``, if no date of a column can be used, if
        quartiles coincide, if ``plan_hierarchy`` names no plan of ``fit``, or if columns of
        dates have no role.

    Notes
    -----
    Days are whole days. With :math:`e` the larger of tenure and ``min_exposure_days``:

    - ``days_since_last_activity``: as-of minus last activity.
    - ``account_tenure_days``: as-of minus creation; negative is missing.
    - ``daily_value_rate``: value / :math:`e`.
    - ``support_intensity``: tickets a month, tickets / (:math:`e` / 30.4375).
    - ``feature_usage_rate``: usage / :math:`e`, or / ``usage_window_days``.
    - ``activity_recency_score``: :math:`2^{-\mathrm{recency}/\mathrm{half\_life}}`.
    - ``value_tier``: 1 + the number of training quartiles below the value, in 1 to 4.
    - ``plan_value_score``: place in the hierarchy, from 0 to 1; unknown plans take the mean.
    - ``engagement_score``: weighted mean, over the parts present in the row, of the recency
      score and :math:`r/(r + m)` of the rates, :math:`m` being the training median of positive
      rates: saturating, robust to skew, free of labels.

    A date is invalid, and taken as missing, up to 1900-01-01, on 1970-01-01 exactly (day number
    0 too) and from 2200-01-01 on. A number in a date column counts days since 1970-01-01. Text
    must be in the one ISO format (days, or days and times) that most training cells have; text
    in another format is missing and counted. Negative counts are missing. Infinite numbers are
    missing. Nothing missing is filled, except by ``missing_counts="zero"``.

    Then come the inputs, the other columns as they are (dates are left out), and flags of 0 and
    1: ``plan_unknown`` where a plan is given, and ``last_activity_missing``,
    ``date_order_violation`` (activity before creation; both are kept) and ``future_activity`` if
    they occurred in ``fit``. Columns named like the default of an identifier or date role do not
    leave even where the role is given to another column.

    Only what ``learned_statistics_`` lists comes from other rows, never from a target; a row is
    computed from itself, so batches do not matter. Cost: linear in the rows.

    References
    ----------
    Dawes (1979), doi 10.1037/0003-066X.34.7.571, for equal weights. Wübben & Wangenheim (2008),
    doi 10.1509/jmkg.72.3.82, for recency as a baseline.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import ChurnFeatures
    >>> X = pd.DataFrame({
    ...     "customer_id": ["a", "b"],
    ...     "account_created_date": pd.to_datetime(["2023-12-02", "2024-02-10"]),
    ...     "last_activity_date": pd.to_datetime(["2024-01-31", "2024-02-29"]),
    ...     "total_value": [180.0, 60.0],
    ... })
    >>> features = ChurnFeatures(reference_date="2024-03-01", inputs="drop").fit_transform(X)
    >>> features.T.round(3)
                                 0       1
    days_since_last_activity  30.0   1.000
    account_tenure_days       90.0  20.000
    daily_value_rate           2.0   2.000
    activity_recency_score     0.5   0.977
    value_tier                 4.0   1.000
    engagement_score           0.5   0.739
    """

    def __init__(
        self,
        *,
        customer_column: str | None = "customer_id",
        last_activity_column: str = "last_activity_date",
        created_column: str | None = "account_created_date",
        value_column: str | None = "total_value",
        tickets_column: str | None = "support_tickets",
        usage_column: str | None = "feature_usage_count",
        plan_column: str | None = "plan_type",
        as_of_column: str | None = "as_of",
        label_end_column: str | None = "label_end",
        reference_date: Any = None,
        future_policy: str = "guard",
        half_life_days: Any = 30,
        min_exposure_days: float = 30,
        usage_window_days: float | None = None,
        plan_hierarchy: Any = None,
        weights: Any = None,
        missing_counts: str = "missing",
        inputs: str = "keep",
        tz: str = "UTC",
    ) -> None:
        self.customer_column = customer_column
        self.last_activity_column = last_activity_column
        self.created_column = created_column
        self.value_column = value_column
        self.tickets_column = tickets_column
        self.usage_column = usage_column
        self.plan_column = plan_column
        self.as_of_column = as_of_column
        self.label_end_column = label_end_column
        self.reference_date = reference_date
        self.future_policy = future_policy
        self.half_life_days = half_life_days
        self.min_exposure_days = min_exposure_days
        self.usage_window_days = usage_window_days
        self.plan_hierarchy = plan_hierarchy
        self.weights = weights
        self.missing_counts = missing_counts
        self.inputs = inputs
        self.tz = tz

    # -- parameters and columns -------------------------------------------------------------

    def _check_params(self) -> None:
        taken: dict[str, str] = {}
        for role in _names.ROLES:
            parameter = f"{role}_column"
            column = getattr(self, parameter)
            check_column(self._name, parameter, column, optional=role != "last_activity")
            if column is not None and taken.setdefault(column, parameter) != parameter:
                must = f"another column than `{taken[column]}`"
                raise fail(self._name, parameter, must, column, "give each role its own column")
        check_date(self._name, "reference_date", self.reference_date)
        check_choice(self._name, "future_policy", self.future_policy, _POLICIES)
        if isinstance(self.half_life_days, str):
            check_choice(self._name, "half_life_days", self.half_life_days, ("auto",))
        else:
            check_real(self._name, "half_life_days", self.half_life_days, low=1)
        check_real(self._name, "min_exposure_days", self.min_exposure_days, low=1)
        if self.usage_window_days is not None:
            check_real(self._name, "usage_window_days", self.usage_window_days, low=1)
        check_hierarchy(self._name, self.plan_hierarchy)
        check_weights(self._name, self.weights)
        check_choice(self._name, "missing_counts", self.missing_counts, ("missing", "zero"))
        check_choice(self._name, "inputs", self.inputs, ("keep", "drop"))
        check_zone(self._name, self.tz)

    def _bind(self, schema: Mapping[str, nw.dtypes.DType]) -> list[str]:
        wanted = {role: getattr(self, f"{role}_column") for role in _names.ROLES}
        self.roles_ = {role: column for role, column in wanted.items() if column in schema}
        needed = [
            column
            for role, column in wanted.items()
            if column is not None
            and (role == "last_activity" or column != _default_columns()[role])
        ]
        self._require(needed, list(schema))
        columns = [self.roles_[role] for role in _names.READ if role in self.roles_]
        generated = [column for column in columns if column in (*_names.FEATURES, *_names.FLAGS)]
        if generated:
            raise SchemaError(
                f"{self._name}: a generated column must not bear the name of an existing one, "
                f"the inputs {generated!r} do; rename those in X.",
                unexpected=generated,
            )
        return columns

    def _bound(self, entered: Entered) -> list[str]:
        columns = super()._bound(entered)
        schema = entered.schema()
        objects = [name for name, dtype in schema.items() if dtype == nw.Object]
        schema |= nw.from_native(entered.cross(objects)).schema  # pandas has dates as objects too
        self.dates_left_out_ = [
            name
            for name, dtype in schema.items()
            if dtype in (nw.Date, nw.Datetime) and name not in self._hidden()
        ]
        return columns

    def _same_kind(self, name: str, fitted: str, found: str) -> bool:
        role = next(role for role, column in self.roles_.items() if column == name)
        if role in DATES:
            return found in (fitted, "date")  # a day is a day, however it was written in fit
        if role == "plan" and not self._has_plans_:
            return found in KINDS["plan"]  # a column of nothing has no kind to keep
        return fitted == found or {fitted, found} == {"number", "flag"}

    def _optional_columns(self) -> set[str]:
        label_end = {self.roles_["label_end"]} if "label_end" in self.roles_ else set()
        return label_end | set(self.dates_left_out_)

    def _hidden(self) -> set[str]:
        """Return identifiers and dates, by role and by default name."""
        hidden = {self.roles_[role] for role in _names.HIDDEN if role in self.roles_}
        hidden |= {_default_columns()[role] for role in _names.HIDDEN}
        return hidden - {self.roles_.get(role) for role in INPUTS}

    def _names_out(self, names: Sequence[str], made: Sequence[str]) -> list[str]:
        inputs = [self.roles_[role] for role in INPUTS if role in self.roles_]
        apart = {*inputs, *made, *self._hidden(), *self.dates_left_out_}
        return [
            *(name for name in made if name in _names.FEATURES),
            *(inputs if self.inputs == "keep" else []),
            *(name for name in names if name not in apart),
            *(name for name in made if name in _names.FLAGS),
        ]

    # -- learning ---------------------------------------------------------------------------

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        self.choices_: dict[str, str] = {}
        self.learned_statistics_: dict[str, list[str]] = {}
        check_kinds(self._name, self.roles_, self._kinds_)
        warn_of_dates(self._name, self.dates_left_out_)
        self.date_formats_ = {
            name: learn_format(frame[name], self.tz, self._name)
            for name in (self.roles_[role] for role in DATES if role in self.roles_)
            if self._kinds_[name] == "text"
        }
        self.reference_date_: dt.date | None = None
        self.reference_date_ = self._learn_reference(frame.lazy())
        prepared = self._prepare(frame.lazy())
        flags = conditions(self._reading())
        helpers = [name for name in prepared.collect_schema() if name not in frame.columns]
        rows = prepared.select(*helpers, **flags).collect()
        self._learn_half_life(rows)
        self._learn_tiers(rows)
        self._learn_plans(rows)
        self._learn_engagement(rows)
        if self.reference_date_ is not None and self.reference_date is None:
            self._note_learnt_reference(rows)
        self.flags_ = ["plan_unknown"] if "plan" in self.roles_ else []
        self.flags_ += [name for name in flags if rows[name].any()]

    def _learn_reference(self, frame: nw.LazyFrame[Any]) -> dt.date | None:
        if "as_of" in self.roles_:
            self._require_a_date(frame, "as_of", "a snapshot date must be known in a row of fit")
            return None
        given = check_date(self._name, "reference_date", self.reference_date)
        if given is not None:
            return given
        newest = self._require_a_date(
            frame, "last_activity", "a reference date can be learnt from valid dates only"
        )
        column = self.roles_["last_activity"]
        learnt = EPOCH + dt.timedelta(days=int(newest) + 1)
        warnings.warn(
            f"{self._name}: the date of the snapshot should be given, it was learnt as {learnt}, "
            f"the day after the newest {column!r}; give an as-of column, or `reference_date`.",
            ReferenceDateWarning,
            stacklevel=2,
        )
        return learnt

    def _require_a_date(self, frame: nw.LazyFrame[Any], role: str, must: str) -> float:
        """Return the newest valid day of a role, or say that there is none."""
        day = ex.calendar_day(self._reading().day(frame, role))
        newest: float | None = frame.select(day=day.max()).collect()["day"].item()
        if newest is None:
            column = self.roles_[role]
            raise DataError(
                f"{self._name}: {must}, column {column!r} has none; check the column, or set "
                "`reference_date` and give no as-of column.",
                column=column,
                rule="no valid date",
            )
        return newest

    def _note_learnt_reference(self, rows: nw.DataFrame[Any]) -> None:
        dated = {feature for feature, key in _names.DIRECT.items() if helper(key) in rows.columns}
        dated |= {"activity_recency_score"} | ({"engagement_score"} if self.weights_ else set())
        if self.usage_window_days is not None:
            dated.discard("feature_usage_rate")
        for feature in (feature for feature in _names.FEATURES if feature in dated):
            others = self.learned_statistics_.get(feature, [])
            self.learned_statistics_[feature] = ["reference_date_", *others]

    def _learn_half_life(self, rows: nw.DataFrame[Any]) -> None:
        self.half_life_ = _HALF_LIFE_DEFAULT
        if self.half_life_days != "auto":
            self.half_life_ = float(self.half_life_days)
            choice = f"half-life {self.half_life_:g} days: given"
        else:
            median = median_of(finite_values(rows[helper("recency")]))
            choice = f"half-life {_HALF_LIFE_DEFAULT:g} days: no recency to learn from"
            if median is not None:
                low, high = _HALF_LIFE_RANGE
                self.half_life_ = min(max(median, low), high)
                choice = f"half-life {self.half_life_:g} days: median recency {median:g}"
            self.learned_statistics_["activity_recency_score"] = ["half_life_"]
        self.choices_["activity_recency_score"] = choice

    def _learn_tiers(self, rows: nw.DataFrame[Any]) -> None:
        self.value_edges_: list[float] = []
        if "value" not in self.roles_:
            return
        values = finite_values(rows[helper("value")])
        if not len(values):
            self.choices_["value_tier"] = "absent: no value to learn quartiles from"
            return
        self.value_edges_ = quantiles(values, (0.25, 0.5, 0.75))
        shown = ", ".join(f"{edge:.6g}" for edge in self.value_edges_)
        self.choices_["value_tier"] = f"quartiles {shown}"
        self.learned_statistics_["value_tier"] = ["value_edges_"]
        if len(set(self.value_edges_)) < len(self.value_edges_):
            warnings.warn(
                f"{self._name}: the quartiles of {self.roles_['value']!r} should differ, some are "
                "equal; tiers between equal quartiles stay empty, consider dropping value_tier.",
                DataQualityWarning,
                stacklevel=2,
            )

    def _learn_plans(self, rows: nw.DataFrame[Any]) -> None:
        self.plan_levels_: list[Any] = []
        self.plan_scores_: dict[Any, float] = {}
        self.plan_mean_score_: float | None = None
        self._has_plans_ = False
        if "plan" not in self.roles_:
            return
        levels, overall = levels_of(rows), None
        self._has_plans_ = bool(levels)
        if helper("value_rate") in rows.columns:
            overall = median_of(finite_values(rows[helper("value_rate")]))
        self.plan_scores_, choice = plan_scores(self.plan_hierarchy, levels, overall)
        self.choices_["plan_value_score"] = choice
        self.plan_levels_ = list(self.plan_scores_) or [level.name for level in levels]
        warn_of_plans(self._name, [level.name for level in levels], self.plan_levels_)
        if self.plan_scores_:
            self.plan_mean_score_ = mean_score(self.plan_scores_, levels)
            self.learned_statistics_["plan_value_score"] = ["plan_scores_", "plan_mean_score_"]

    def _learn_engagement(self, rows: nw.DataFrame[Any]) -> None:
        present = [part for part, key in _names.PARTS.items() if helper(key) in rows.columns]
        medians = {
            part: _positive_median(rows[helper(_names.PARTS[part])])
            for part in present
            if part != "recency"
        }
        self.usage_median_ = medians.get("usage")
        self.value_median_ = medians.get("value")
        self.support_median_ = medians.get("support")
        weights = {**WEIGHTS, **(self.weights or {})}
        self.weights_ = {part: float(weights[part]) for part in present if weights[part] != 0}
        shown = ", ".join(f"{part} {weight:g}" for part, weight in self.weights_.items())
        self.choices_["engagement_score"] = (
            f"weights {shown}" if shown else "absent: no part with a weight has its inputs"
        )
        learned = [f"{part}_median_" for part in self.weights_ if part != "recency"]
        if "recency" in self.weights_:
            learned += self.learned_statistics_.get("activity_recency_score", [])
        if learned:
            self.learned_statistics_["engagement_score"] = learned

    # -- applying ---------------------------------------------------------------------------

    def _reading(self) -> Reading:
        given = check_date(self._name, "reference_date", self.reference_date)
        reference = given if given is not None else self.reference_date_
        return Reading(
            stage=self._name,
            roles=self.roles_,
            date_formats=self.date_formats_,
            tz=self.tz,
            reference=None if "as_of" in self.roles_ else reference,
            moves_future=self.future_policy in ("guard", "clip"),
            min_exposure_days=self.min_exposure_days,
            usage_window_days=self.usage_window_days,
            missing_counts=self.missing_counts,
        )

    def _prepare(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        return with_facts(frame, self._reading())

    def _apply(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:
        known = set(frame.collect_schema())
        made = {feature: of(key) for feature, key in _names.DIRECT.items() if helper(key) in known}
        recency_score = ex.half_life_score(of("recency"), self.half_life_)
        made["activity_recency_score"] = recency_score
        if self.value_edges_:
            made["value_tier"] = ex.tier(of("value"), self.value_edges_)
        if self.plan_scores_:
            found = self._plan_in(frame, self.plan_scores_)
            other = nw.lit(self.plan_mean_score_)
            made["plan_value_score"] = nw.when(found.is_null()).then(other).otherwise(found)
        if self.weights_:
            parts = {
                "recency": recency_score,
                "usage": ex.saturated(of("usage_rate"), self.usage_median_),
                "value": ex.saturated(of("value_rate"), self.value_median_),
                "support": ex.saturated(of("support_rate"), self.support_median_),
            }
            weighted = [(weight, parts[part]) for part, weight in self.weights_.items()]
            made["engagement_score"] = ex.weighted_mean(weighted)
        flags = conditions(self._reading())
        if "plan" in self.roles_:
            flags["plan_unknown"] = self._unknown_plan(frame)
        return {
            **{name: made[name].cast(nw.Float64) for name in _names.FEATURES if name in made},
            **{name: flag(flags[name]) for name in self.flags_},
        }

    def _plan_in(self, frame: nw.LazyFrame[Any], positions: Mapping[Any, float]) -> nw.Expr:
        return ex.position_of(of("plan"), positions, frame.collect_schema()[helper("plan")])

    def _unknown_plan(self, frame: nw.LazyFrame[Any]) -> nw.Expr:
        return self._plan_in(frame, dict.fromkeys(self.plan_levels_, 1.0)).is_null()

    # -- counting and inspecting --------------------------------------------------------------

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        unknown = self._unknown_plan(frame) if "plan" in self.roles_ else None
        return counts(frame, self._reading(), unknown)

    def _watch(self, frame: nw.LazyFrame[Any]) -> Counts:
        return date_counts(frame, self._reading())

    def _inspect(self, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:
        reading = self._reading()
        inspect_dates(reading, counts, n_rows)
        activity = counts[self.roles_["last_activity"]]
        inspect_future(reading, self.future_policy, activity, n_rows)


@functools.cache
def _default_columns() -> Mapping[str, str]:
    parameters = inspect.signature(ChurnFeatures).parameters
    return {role: parameters[f"{role}_column"].default for role in _names.ROLES}


def _positive_median(rates: nw.Series[Any]) -> float | None:
    values = finite_values(rates)
    return median_of(values[values > 0.0])
