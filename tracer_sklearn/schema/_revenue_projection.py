"""The schema of the revenue-projection blueprint."""

from __future__ import annotations

from typing import Any

from tracer_sklearn.schema._blueprint import BlueprintSchema
from tracer_sklearn.schema._calendar import EARLIEST, LATEST
from tracer_sklearn.schema._fields import FieldSpec

_ALIASES = {
    "date": """
        day dt ds sales_date revenue_date order_date invoice_date transaction_date
        business_date posting_date trading_date report_date week week_start month period
    """,
    "revenue": """
        sales turnover net_sales gross_sales net_revenue gross_revenue daily_revenue
        daily_sales weekly_sales monthly_sales revenue_amount sales_amount sales_value
        total_sales total_revenue income
    """,
    "customer_count": """
        customers num_customers n_customers unique_customers active_customers buyers
        shoppers visitors transactions transaction_count order_count num_orders
    """,
    "series": """
        series_id unique_id store store_id shop branch outlet location location_id region
        department dept business_unit segment market
    """,
}


def _field(name: str, description: str, **options: Any) -> FieldSpec:
    aliases = tuple(_ALIASES[name].split())
    return FieldSpec(name=name, description=description, aliases=aliases, **options)


REVENUE_PROJECTION = BlueprintSchema(
    name="revenue_projection",
    description="One row per date, or per series and date, with the revenue of that date.",
    fields=(
        _field(
            "date",
            "Day, or first day of the week or month, that the row is about.",
            kind="datetime",
            required=True,
            min=EARLIEST,
            max=LATEST,
        ),
        _field(
            "revenue",
            "Revenue of the date; a day of refunds may make it negative.",
            kind="number",
            required=True,
            unit="currency",
            fit_only=True,
        ),
        _field(
            "customer_count",
            "Customers of the date; as unknown beforehand as its revenue.",
            kind="count",
            min=0,
            unit="customers",
            fit_only=True,
        ),
        _field(
            "series",
            "Which series the row belongs to, where there are several.",
            kind="category",
        ),
    ),
    key=("series", "date"),
    target="revenue",
)
