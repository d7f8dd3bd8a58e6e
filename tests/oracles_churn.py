"""ChurnFeatures once more: row by row, in slow plain Python, written from the specification."""

from __future__ import annotations

import datetime as dt
import math
import re
import statistics
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
FEATURES = [
    "days_since_last_activity",
    "account_tenure_days",
    "daily_value_rate",
    "support_intensity",
    "feature_usage_rate",
    "activity_recency_score",
    "value_tier",
    "plan_value_score",
    "engagement_score",
]
PLANS = ["free", "trial", "basic", "starter", "standard", "plus", "pro", "business"]
PLANS += ["premium", "enterprise"]
EPOCH = dt.date(1970, 1, 1)


def parse(text: str, text_format: str, tz: str) -> dt.date | None:
    """Read a text in one of two formats: "date", or "time" for a day and a time of day."""
    try:
        if text_format == "date":
            return dt.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
        shape = r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:(?<=:\d\d:\d\d)\.\d+)?(Z|\+00:?00)?"
        found = re.fullmatch(shape, text)
        if found is None or (found[3] and tz != "UTC"):
            return None
        dt.time.fromisoformat(found[2])
        return dt.date.fromisoformat(found[1])
    except ValueError:
        return None


def text_format(values: Sequence[Any], tz: str) -> str:
    texts = [v for v in values if isinstance(v, str)]
    found = {f: sum(parse(t, f, tz) is not None for t in texts) for f in ("date", "time")}
    return max(found, key=found.__getitem__)


def to_date(value: Any, tz: str, text_format: str) -> dt.date | None:
    """Return the day of a cell, or None where it is missing, unreadable or a stand-in."""
    if isinstance(value, str):
        day = parse(value, text_format, tz)
    elif isinstance(value, dt.datetime):
        day = (value.astimezone(zoneinfo.ZoneInfo(tz)) if value.tzinfo else value).date()
        if value.tzinfo and value == dt.datetime(1970, 1, 1, tzinfo=dt.UTC):
            day = None  # a zero that became a date
    elif isinstance(value, dt.date):
        day = value
    elif value is None or not math.isfinite(value) or abs(value) > 1e6:
        day = None
    else:
        day = EPOCH + dt.timedelta(days=math.floor(value))
    if day is None or day <= dt.date(1900, 1, 1) or day >= dt.date(2200, 1, 1) or day == EPOCH:
        return None
    return day


def to_number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def to_plan(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip(" \t\r\n").lower() or None
    return to_number(value)


def quantile(values: Sequence[float], p: float) -> float:
    ordered = sorted(values)
    at = p * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


class SlowChurn:
    """`roles` maps role to column; a role that is not in it is not given."""

    def __init__(
        self,
        roles: Mapping[str, str],
        *,
        reference_date: dt.date | None = None,
        future_policy: str = "guard",
        half_life_days: Any = 30,
        min_exposure_days: float = 30,
        usage_window_days: float | None = None,
        plan_hierarchy: Any = None,
        weights: Mapping[str, float] | None = None,
        missing_counts: str = "missing",
        inputs: str = "keep",
        tz: str = "UTC",
    ) -> None:
        self.roles = roles
        self.reference_date = reference_date
        self.future_policy = future_policy
        self.half_life = half_life_days
        self.min_exposure = min_exposure_days
        self.window = usage_window_days
        self.hierarchy = plan_hierarchy
        self.weights = {"recency": 1, "usage": 1, "value": 1, "support": 0, **(weights or {})}
        self.missing_counts = missing_counts
        self.inputs = inputs
        self.tz = tz

    def date(self, row: Row, role: str) -> dt.date | None:
        if role not in self.roles:
            return None
        return to_date(row[self.roles[role]], self.tz, self.formats[role])

    def count(self, row: Row, role: str) -> float | None:
        value = to_number(row[self.roles[role]])
        if value is None and self.missing_counts == "zero":
            return 0.0
        return None if value is None or value < 0 else value

    def facts(self, row: Row) -> dict[str, float | None]:
        """Return what the row says by itself."""
        active, created = self.date(row, "last_activity"), self.date(row, "created")
        as_of = self.date(row, "as_of") if "as_of" in self.roles else self.reference_date
        out: dict[str, float | None] = {}
        elapsed = None if active is None or as_of is None else (as_of - active).days
        out["elapsed"] = elapsed
        if elapsed is not None and elapsed < 0:
            elapsed = 0 if self.future_policy in ("guard", "clip") else None
        out["days_since_last_activity"] = elapsed
        exposure = None
        if "created" in self.roles:
            tenure = None if created is None or as_of is None else (as_of - created).days
            if tenure is not None and tenure < 0:
                tenure = None
            out["account_tenure_days"] = tenure
            exposure = None if tenure is None else max(tenure, self.min_exposure)
            if "value" in self.roles:
                value = to_number(row[self.roles["value"]])
                known = value is not None and exposure is not None
                out["daily_value_rate"] = value / exposure if known else None
            if "tickets" in self.roles:
                tickets = self.count(row, "tickets")
                known = tickets is not None and exposure is not None
                out["support_intensity"] = tickets / (exposure / 30.4375) if known else None
        if "usage" in self.roles and (self.window or "created" in self.roles):
            usage, over = self.count(row, "usage"), self.window or exposure
            known = usage is not None and over is not None
            out["feature_usage_rate"] = usage / over if known else None
        out["last_activity_missing"] = int(active is None)
        both = active is not None and created is not None
        out["date_order_violation"] = int(both and active < created)
        out["future_activity"] = int(out["elapsed"] is not None and out["elapsed"] < 0)
        return out

    def fit(self, rows: Sequence[Row]) -> SlowChurn:
        self.formats = {
            role: text_format([row[self.roles[role]] for row in rows], self.tz)
            for role in ("last_activity", "created", "as_of")
            if role in self.roles
        }
        if "as_of" not in self.roles and self.reference_date is None:
            known = [self.date(row, "last_activity") for row in rows]
            self.reference_date = max(d for d in known if d is not None) + dt.timedelta(days=1)
        facts = [self.facts(row) for row in rows]

        def present(name: str) -> list[float]:
            return [f[name] for f in facts if f.get(name) is not None]

        if self.half_life == "auto":
            found = present("days_since_last_activity")
            self.half_life = min(max(statistics.median(found), 7), 180) if found else 30
        values = []
        if "value" in self.roles:
            values = [to_number(row[self.roles["value"]]) for row in rows]
            values = [v for v in values if v is not None]
        self.edges = [quantile(values, p) for p in (0.25, 0.5, 0.75)] if values else None
        self.medians = {}
        for name in ("feature_usage_rate", "daily_value_rate", "support_intensity"):
            positive = [v for v in present(name) if v > 0]
            self.medians[name] = statistics.median(positive) if positive else None
        self.learn_plans(rows, facts, present("daily_value_rate"))
        self.flags = ["plan_unknown"] if "plan" in self.roles else []
        for name in ("last_activity_missing", "date_order_violation", "future_activity"):
            self.flags += [name] if any(f[name] for f in facts) else []
        made = {name for f in facts for name in f} | {"activity_recency_score"}
        made |= {"value_tier"} if self.edges else set()
        made |= {"plan_value_score"} if self.scores else set()
        parts = {
            "recency": "activity_recency_score",
            "usage": "feature_usage_rate",
            "value": "daily_value_rate",
            "support": "support_intensity",
        }
        self.parts = {p: n for p, n in parts.items() if n in made and self.weights[p] != 0}
        made |= {"engagement_score"} if self.parts else set()
        self.features = [name for name in FEATURES if name in made]
        return self

    def learn_plans(
        self, rows: Sequence[Row], facts: Sequence[Mapping[str, Any]], rates: Sequence[float]
    ) -> None:
        self.scores: dict[Any, float] = {}
        self.levels: set[Any] = set()
        if "plan" not in self.roles:
            return
        plans = [to_plan(row[self.roles["plan"]]) for row in rows]
        found = sorted({p for p in plans if p is not None})
        if isinstance(self.hierarchy, dict):
            self.scores = {to_plan(k): float(v) for k, v in self.hierarchy.items()}
        elif self.hierarchy is not None:
            self.scores = self.spread([[to_plan(p)] for p in self.hierarchy])
        elif found and all(p in PLANS for p in found):
            self.scores = self.spread([[p] for p in PLANS if p in found])
        elif found and rates:
            medians = {}
            for plan in found:
                own = [
                    f["daily_value_rate"] for p, f in zip(plans, facts, strict=True) if p == plan
                ]
                own = [r for r in own if r is not None]
                medians[plan] = statistics.median(own if len(own) >= 20 else rates)
            places = sorted(set(medians.values()))
            self.scores = self.spread([[p for p in found if medians[p] == m] for m in places])
        self.levels = set(self.scores) or set(found)
        known = [self.scores[p] for p in plans if p in self.scores]
        self.mean = statistics.fmean(known or self.scores.values()) if self.scores else None

    @staticmethod
    def spread(places: Sequence[Sequence[Any]]) -> dict[Any, float]:
        if len(places) == 1:
            return dict.fromkeys(places[0], 0.5)
        return {p: i / (len(places) - 1) for i, group in enumerate(places) for p in group}

    def transform(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [self.one(row) for row in rows]

    def one(self, row: Row) -> dict[str, Any]:
        made = self.facts(row)
        recency = made["days_since_last_activity"]
        made["activity_recency_score"] = (
            None if recency is None else 2 ** (-recency / self.half_life)
        )
        if self.edges:
            value = to_number(row[self.roles["value"]])
            made["value_tier"] = None if value is None else 1 + sum(e < value for e in self.edges)
        if "plan" in self.roles:
            plan = to_plan(row[self.roles["plan"]])
            made["plan_unknown"] = int(plan not in self.levels)
            if self.scores:
                made["plan_value_score"] = self.scores.get(plan, self.mean)
        total = weight = 0.0
        for part, name in self.parts.items():
            value = made[name]
            if value is None:
                continue
            if part != "recency":
                median = self.medians[name]
                value = max(value, 0.0)
                value = value / (value + median) if median is not None else float(value > 0)
            total += self.weights[part] * value
            weight += abs(self.weights[part])
        made["engagement_score"] = total / weight if weight else None
        hidden = {self.roles.get(r) for r in ("customer", "last_activity", "created", "as_of")}
        hidden.add(self.roles.get("label_end"))
        inputs = [self.roles[r] for r in ("value", "tickets", "usage", "plan") if r in self.roles]
        others = [name for name in row if name not in hidden and name not in inputs]
        kept = inputs if self.inputs == "keep" else []
        return {
            **{name: made[name] for name in self.features},
            **{name: row[name] for name in [*kept, *others]},
            **{name: made[name] for name in self.flags},
        }
