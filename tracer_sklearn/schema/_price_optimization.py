"""The schema of the price-optimization blueprint."""

from __future__ import annotations

from typing import Any

from tracer_sklearn.schema._blueprint import BlueprintSchema
from tracer_sklearn.schema._calendar import EARLIEST, LATEST
from tracer_sklearn.schema._fields import FieldSpec

# Bounds are closed, and nothing is sold at a price of 0.
_LOWEST_PRICE = 1e-9

_ALIASES = {
    "product_id": """
        product sku sku_id item item_id item_code article article_id article_number
        stock_code product_code product_number product_name upc ean gtin asin material
    """,
    "date": """
        day dt ds sales_date order_date invoice_date transaction_date business_date
        price_date week week_start week_ending period
    """,
    "price": """
        unit_price selling_price sale_price sales_price avg_price average_price
        avg_selling_price retail_price net_price shelf_price price_per_unit
    """,
    "quantity_sold": """
        quantity qty qty_sold units units_sold unit_sales sales_units sales_volume volume
        total_volume demand pieces_sold
    """,
    "store": """
        store_id store_number shop shop_id branch outlet location region channel
    """,
    "category": """
        product_category category_name product_group product_type department dept
        subcategory family class
    """,
    "competitor_price": "competitor competitors_price comp_price rival_price market_price",
}


def _field(name: str, description: str, **options: Any) -> FieldSpec:
    aliases = tuple(_ALIASES[name].split())
    return FieldSpec(name=name, description=description, aliases=aliases, **options)


PRICE_OPTIMIZATION = BlueprintSchema(
    name="price_optimization",
    description="One row per product (and store) and date, with price and quantity sold.",
    fields=(
        _field(
            "product_id",
            "The product.",
            kind="identifier",
            required=True,
        ),
        _field(
            "date",
            "Day, or first day of the week, at which the price held.",
            kind="datetime",
            required=True,
            min=EARLIEST,
            max=LATEST,
        ),
        _field(
            "price",
            "Price of one unit on that date: a decision, known beforehand.",
            kind="number",
            required=True,
            min=_LOWEST_PRICE,
            unit="currency",
        ),
        _field(
            "quantity_sold",
            "Units sold on that date; returns may make it negative.",
            kind="number",
            required=True,
            unit="units",
            fit_only=True,
        ),
        _field(
            "store",
            "Where it was sold, where prices differ by place.",
            kind="category",
        ),
        _field(
            "category",
            "Group of products that compete with each other.",
            kind="category",
        ),
        _field(
            "competitor_price",
            "Price of the same product at a competitor.",
            kind="number",
            min=_LOWEST_PRICE,
            unit="currency",
        ),
    ),
    key=("product_id", "store", "date"),
    target="quantity_sold",
)
