"""Data to try things on: simulated grocery shopping, and generated data with known answers."""

from tracer_sklearn.datasets._churn import (
    generated_churn_probability,
    load_customer_churn,
    load_transactions,
    make_customer_churn,
)
from tracer_sklearn.datasets._price import load_price_panel, make_price_panel
from tracer_sklearn.datasets._revenue import load_daily_revenue, make_daily_revenue

__all__ = [
    "generated_churn_probability",
    "load_customer_churn",
    "load_daily_revenue",
    "load_price_panel",
    "load_transactions",
    "make_customer_churn",
    "make_daily_revenue",
    "make_price_panel",
]
