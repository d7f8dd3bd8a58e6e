"""What a blueprint reads: its fields, its key, the rules between fields, and the registry.

A schema is plain data. It is written to JSON with ``schema.model_dump_json()``, read back with
``BlueprintSchema.model_validate_json(text)``, and equal to what it was.
"""

from tracer_sklearn.schema._blueprint import BlueprintSchema
from tracer_sklearn.schema._customer_churn import CUSTOMER_CHURN
from tracer_sklearn.schema._fields import FieldRule, FieldSpec
from tracer_sklearn.schema._price_optimization import PRICE_OPTIMIZATION
from tracer_sklearn.schema._registry import SchemaRegistry
from tracer_sklearn.schema._revenue_projection import REVENUE_PROJECTION

__all__ = [
    "CUSTOMER_CHURN",
    "PRICE_OPTIMIZATION",
    "REVENUE_PROJECTION",
    "BlueprintSchema",
    "FieldRule",
    "FieldSpec",
    "SchemaRegistry",
    "default_registry",
    "fit_only_fields",
]

default_registry = SchemaRegistry(entry_point_group="tracer_sklearn.blueprints")
for _schema in (CUSTOMER_CHURN, REVENUE_PROJECTION, PRICE_OPTIMIZATION):
    default_registry.register(_schema)


def fit_only_fields() -> frozenset[str]:
    """Name the fields that only ``fit`` needs, over the schemas of the default registry.

    Returns
    -------
    frozenset of str
        Names of fields. Schemas of entry points count once they have been looked up.

    Examples
    --------
    >>> from tracer_sklearn.schema import fit_only_fields
    >>> "label_end" in fit_only_fields()
    True
    """
    return default_registry.fit_only_fields()
