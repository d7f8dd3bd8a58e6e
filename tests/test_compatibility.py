"""check_compatibility: names met in the wild, kinds, and code that runs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer_sklearn as ts
from tracer_sklearn.schema import BlueprintSchema, FieldSpec, SchemaRegistry
from tracer_sklearn.schema._proposal import words_of
from tracer_sklearn.testing import to_engine

NAMES = {
    "customer_churn": {
        "customer_id": """
            CustID cust_id CustomerID customerID Customer-No client_id ClientNumber user_id UserID
            acct_id account_no memberId Customer_Key CUSTOMER_IDENTIFIER SubscriberID
        """,
        "as_of": "as_of AsOf snapshot_date SnapshotDt observation_date ScoringDate",
        "account_created_date": """
            signup_dt SignUpDate created_at CreatedAt account_open_date AccountOpened
            registration_dt date_joined JoinDate customer_since member_since account_start_dt
        """,
        "last_activity_date": """
            last_login LastLoginDate last_seen_at last_purchase_dt LastOrderDate latest_activity
            most_recent_purchase date_of_last_visit last_active_ts LastTxnDate recent_login_date
        """,
        "total_value": """
            LTV lifetime_value total_spend TotalSpent tot_revenue total_revenue_usd LifetimeSpend
            total_sales_amt monetary_value total_amount
        """,
        "support_tickets": """
            tickets num_tickets n_support_tickets SupportTicketCount support_cases TicketsOpened
            #tickets support_calls NumComplaints complaints_count
        """,
        "feature_usage_count": """
            feature_usage FeatureUses usage_count num_sessions sessions login_count event_cnt
            NumLogins usage_events
        """,
        "plan_type": """
            plan PlanName plan_tier subscription_plan SubscriptionType tier plan_code PlanType
        """,
    },
    "revenue_projection": {
        "date": "Date day order_date sales_dt SalesDate week_ending transaction_dt InvoiceDate ds",
        "revenue": "revenue Sales daily_revenue net_sales_eur SalesAmt Turnover total_sales",
        "customer_count": """
            customers num_customers CustomerCnt n_buyers customer_cnt NumberOfCustomers
        """,
        "series": "store_id StoreNumber region series_id branch shop_no Store",
    },
    "price_optimization": {
        "product_id": "sku SKU_ID ProductCode product item_no ItemID StockCode prod_id article_nr",
        "date": "date week InvoiceDate sales_date WeekEnding Day",
        "price": "price UnitPrice avg_price selling_price_usd PriceEUR list_price",
        "quantity_sold": "qty Quantity units_sold UnitsSold qty_sold sales_qty Total_Volume",
        "competitor_price": "comp_price CompetitorPrice rival_price_usd price_competitor",
    },
}
CASES = [
    (blueprint, field, name)
    for blueprint, fields in NAMES.items()
    for field, names in fields.items()
    for name in names.split()
]


def rows_for(blueprint: str, n: int = 30) -> pl.DataFrame:
    start = dt.datetime(2024, 1, 1)
    if blueprint == "customer_churn":
        X, _ = ts.datasets.make_customer_churn(n, random_state=0)
        return pl.from_pandas(X)
    days = [start + dt.timedelta(days=i) for i in range(n)]
    if blueprint == "revenue_projection":
        return pl.DataFrame(
            {
                "date": [start + dt.timedelta(days=i // 2) for i in range(n)],
                "revenue": [100.5 + i for i in range(n)],
                "customer_count": [10 + i % 7 for i in range(n)],
                "series": [("north", "south")[i % 2] for i in range(n)],
            }
        )
    return pl.DataFrame(
        {
            "product_id": [f"P{i % 5}" for i in range(n)],
            "date": days,
            "price": [9.95 + i % 3 for i in range(n)],
            "quantity_sold": [20 + i % 11 for i in range(n)],
            "competitor_price": [9.49 + i % 4 for i in range(n)],
        }
    )


FRAMES = {blueprint: rows_for(blueprint) for blueprint in NAMES}
NAMED_ONLY = ("series", "competitor_price")  # read by the pipelines where they are named


def mapping_of(blueprint: str, renamed: dict[str, str]) -> dict[str, str]:
    names = {field: renamed.get(field, field) for field in FRAMES[blueprint].columns}
    return {f: name for f, name in names.items() if f != name or f in NAMED_ONLY}


@pytest.mark.parametrize(("blueprint", "field", "name"), CASES)
def test_a_name_met_in_the_wild_is_mapped_to_its_field(blueprint, field, name):
    fit = ts.check_compatibility(FRAMES[blueprint].rename({field: name}))[blueprint]
    assert fit.can_run
    assert fit.mapping == mapping_of(blueprint, {field: name})
    assert 0.6 <= next(m.confidence for m in fit.fields if m.field == field) <= 1.0


def spelt(name: str, how: str) -> str:
    words = name.split("_")
    return {
        "as is": name,
        "upper": "_".join(words_of(name)).upper(),
        "camel": "".join(word[:1].upper() + word[1:] for word in words),
        "spaces": " ".join(words),
        "hyphens": "-".join(words),
        "padded": f" {name} ",
        "dots": ".".join(words),
    }[how]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("CUSTOMERIDENTIFIER", "customer_id"),
        ("CLIENTNUMBER", "customer_id"),
        ("clientid", "customer_id"),
        ("LASTLOGIN", "last_activity_date"),
        ("SUPPORTCASES", "support_tickets"),
    ],
)
def test_names_without_a_mark_between_their_words_are_cut(name, field):
    fit = ts.check_compatibility(FRAMES["customer_churn"].rename({field: name}))["customer_churn"]
    assert fit.mapping == {field: name}


@pytest.mark.parametrize("name", ["valid", "daytime", "subtotal", "uptime"])
def test_a_word_is_not_cut_into_short_ones(name):
    for blueprint, frame in FRAMES.items():
        spare = pl.Series(name, [None] * frame.height, dtype=pl.String)
        fit = ts.check_compatibility(frame.with_columns(spare))[blueprint]
        assert name not in fit.mapping.values()


@settings(max_examples=40)
@given(st.sampled_from(list(NAMES)), st.data())
def test_any_mixture_of_names_is_mapped_right(blueprint, data):
    frame = FRAMES[blueprint]
    renamed: dict[str, str] = {}
    for field, names in NAMES[blueprint].items():
        how = st.sampled_from(["as is", "upper", "camel", "spaces", "hyphens", "padded", "dots"])
        renamed[field] = spelt(data.draw(st.sampled_from(names.split())), data.draw(how))
    order = data.draw(st.permutations(frame.columns))
    fit = ts.check_compatibility(frame.select(order).rename(renamed))[blueprint]
    assert fit.mapping == mapping_of(blueprint, renamed)


def test_the_three_names_of_the_issue_and_the_line_of_code():
    X, y = ts.datasets.make_customer_churn(200, random_state=0)
    names = {
        "customer_id": "CustID",
        "account_created_date": "signup_dt",
        "total_value": "LTV",
        "last_activity_date": "LastLogin",
    }
    report = ts.check_compatibility(X.rename(columns=names))
    assert report.best.blueprint == "customer_churn"
    assert report.best.mapping == names
    pipe = eval(report.best.code, {"ts": ts})
    found = pipe.fit(X.rename(columns=names), y).transform(X.rename(columns=names))
    expected = ts.customer_churn_pipeline().fit(X, y).transform(X)
    pd.testing.assert_frame_equal(
        found.rename(columns={new: old for old, new in names.items()}), expected
    )


def test_the_line_of_code_of_a_price_panel_runs():
    X, y = ts.datasets.make_price_panel(n_products=5, random_state=0)
    names = {"product_id": "SKU", "price": "UnitPrice", "quantity_sold": "Qty"}
    renamed = X.rename(columns=names)
    best = ts.check_compatibility(renamed).best
    assert best.blueprint == "price_optimization"
    assert best.mapping == {**names, "category": "category"}
    found = eval(best.code, {"ts": ts}).fit(renamed, y).transform(renamed)
    assert len(found) == len(X)


def test_the_line_of_code_of_several_series_runs():
    names = {"date": "SalesDate", "revenue": "NetSales", "customer_count": "Visitors"}
    frame = rows_for("revenue_projection", 400).rename(names).to_pandas()
    best = ts.check_compatibility(frame).best
    assert best.mapping == {**names, "series": "series"}
    pipe = eval(best.code, {"ts": ts})
    assert pipe["features"].series_column == "series"
    assert len(pipe.fit(frame, frame["NetSales"]).transform(frame)) == len(frame)


def test_text_is_enough_and_every_engine_agrees():
    frame = FRAMES["customer_churn"].rename({"customer_id": "CustID"})
    text = frame.with_columns(pl.all().cast(pl.String))
    expected = ts.check_compatibility(text)["customer_churn"].mapping
    assert expected == {"customer_id": "CustID"}
    for engine in ("pandas", "polars-lazy", "pyarrow", "duckdb"):
        found = ts.check_compatibility(to_engine(text, engine))["customer_churn"]
        assert found.mapping == expected
        assert found.can_run


def test_a_column_of_the_right_name_and_the_wrong_kind_is_told():
    frame = FRAMES["customer_churn"].with_columns(last_activity_date=pl.lit("soon"))
    fit = ts.check_compatibility(frame)["customer_churn"]
    match = next(m for m in fit.fields if m.field == "last_activity_date")
    assert (match.status, match.column) == ("wrong_kind", "last_activity_date")
    assert match.reason == "holds a category, the field is a datetime"
    assert not fit.can_run
    assert fit.code.startswith("# customer_churn cannot run")
    assert fit.missing == ("last_activity_date",)


def test_values_decide_where_names_do_not():
    frame = FRAMES["price_optimization"].with_columns(list_price=-pl.col("price"))
    frame = frame.rename({"price": "shelf_price"})
    fit = ts.check_compatibility(frame)["price_optimization"]
    assert fit.mapping["price"] == "shelf_price"  # a price is not negative


def test_a_series_takes_the_only_column_of_dates_whatever_it_is_called():
    frame = FRAMES["revenue_projection"].rename({"date": "Stichtag"})
    fit = ts.check_compatibility(frame)["revenue_projection"]
    assert fit.mapping == {"date": "Stichtag", "series": "series"}
    assert next(m.reason for m in fit.fields if m.field == "date") == "the only column of dates"
    two = frame.with_columns(Buchung=pl.col("Stichtag"))
    assert not ts.check_compatibility(two)["revenue_projection"].can_run
    churn = FRAMES["customer_churn"].select("customer_id", Stichtag="last_activity_date")
    assert not ts.check_compatibility(churn)["customer_churn"].can_run  # it may mean anything


def test_a_typing_error_does_not_hide_a_column():
    frame = FRAMES["customer_churn"].rename({"last_activity_date": "last_activty_date"})
    mapping = ts.check_compatibility(frame)["customer_churn"].mapping
    assert mapping == {"last_activity_date": "last_activty_date"}


def test_a_frame_of_something_else_fits_nothing():
    frame = pl.DataFrame({"email": ["a@b.c", "d@e.f"], "lat": [1.5, 2.5], "status": ["x", "y"]})
    report = ts.check_compatibility(frame)
    assert [fit.can_run for fit in report.blueprints] == [False] * 3
    assert all(not fit.mapping for fit in report.blueprints)


def test_columns_of_other_things_are_not_taken():
    frame = FRAMES["customer_churn"].with_columns(
        last_name=pl.lit("Meier"), order_id=pl.lit("77"), birth_date=dt.datetime(1980, 1, 1)
    )
    assert ts.check_compatibility(frame)["customer_churn"].mapping == {}


def fleet_registry() -> SchemaRegistry:
    registry = SchemaRegistry()
    fields = (
        FieldSpec(name="van", kind="identifier", required=True),
        FieldSpec(name="km", kind="number", aliases=("mileage",)),
    )
    registry.register(BlueprintSchema(name="fleet", fields=fields))
    return registry


def test_the_code_of_a_third_partys_blueprint_runs(monkeypatch):
    frame = pl.DataFrame({"Van": ["a", "b"], "Mileage": [1.5, 2.0]})
    registry = fleet_registry()
    fit = ts.check_compatibility(frame, registry=registry).best
    assert fit.mapping == {"van": "Van", "km": "Mileage"}
    monkeypatch.setattr(ts.schema, "default_registry", registry)
    validator = eval(fit.code, {"ts": ts})
    assert validator.fit(frame).report_.blueprint == "fleet 1"


def test_what_is_no_frame_or_registry_is_refused():
    with pytest.raises(ts.InputTypeError, match="`frame` must be a pandas"):
        ts.check_compatibility([1, 2])
    with pytest.raises(ts.ParameterError, match="`registry`"):
        ts.check_compatibility(FRAMES["customer_churn"], registry="mine")
    with pytest.raises(ts.ParameterError, match="`blueprint`"):
        ts.check_compatibility(FRAMES["customer_churn"])["churn"]


def test_the_report_is_a_frame_json_text_and_safe_html():
    frame: Any = FRAMES["revenue_projection"].rename({"series": "<script>store"})
    report = ts.check_compatibility(frame)
    assert ts.CompatibilityReport.model_validate_json(report.to_json()) == report
    assert set(report.to_frame()["status"]) <= {"found", "missing", "wrong_kind"}
    assert len(report.to_frame()) == sum(len(fit.fields) for fit in report.blueprints)
    page = report._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;store" in page
    assert str(report).startswith("revenue_projection: can run")
