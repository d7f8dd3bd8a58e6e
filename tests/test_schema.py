"""Schemas are data: they refuse what is illegal, and survive JSON and pickling unchanged."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import re
from importlib import metadata
from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer_sklearn.datasets import make_customer_churn
from tracer_sklearn.exceptions import InputTypeError, ParameterError, SchemaError
from tracer_sklearn.schema import (
    CUSTOMER_CHURN,
    PRICE_OPTIMIZATION,
    REVENUE_PROJECTION,
    BlueprintSchema,
    FieldRule,
    FieldSpec,
    SchemaRegistry,
    default_registry,
    fit_only_fields,
)
from tracer_sklearn.schema._fields import Kind, Relation
from tracer_sklearn.testing import to_engine

# ------------------------------------------------------------------------------- strategies

words = st.text(min_size=1, max_size=12).filter(str.strip)


@st.composite
def field_specs(draw, name):
    kind = draw(st.sampled_from(get_args(Kind)))
    options = {
        "name": name,
        "kind": kind,
        "required": draw(st.booleans()),
        "unique": draw(st.booleans()),
        "fit_only": draw(st.booleans()),
        "description": draw(st.text(max_size=20)),
    }
    if kind in ("number", "count"):
        numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        bounds = draw(st.lists(st.none() | numbers, min_size=2, max_size=2))
        options["unit"] = draw(st.none() | words)
    elif kind == "datetime":
        bounds = draw(st.lists(st.none() | st.dates(), min_size=2, max_size=2))
    else:
        bounds = [None, None]
    if None not in bounds:
        bounds.sort()
    options["min"], options["max"] = bounds
    if kind in ("identifier", "category"):
        options["pattern"] = draw(st.none() | st.text(max_size=10).map(re.escape))
        options["allowed"] = draw(st.none() | st.lists(words, min_size=1, unique=True))
    return FieldSpec(**options)


@st.composite
def blueprint_schemas(draw):
    names = draw(
        st.lists(words, min_size=1, max_size=5, unique_by=lambda name: _letters(name) or name)
    )
    fields = [draw(field_specs(name)) for name in names]
    eligible = [field.name for field in fields if not field.fit_only]
    pairs = [
        (left.name, right.name)
        for left in fields
        for right in fields
        if left.name != right.name and left.kind == right.kind
    ]
    rules = [
        FieldRule(left=left, relation=draw(st.sampled_from(get_args(Relation))), right=right)
        for left, right in (draw(st.lists(st.sampled_from(pairs), max_size=3)) if pairs else [])
    ]
    return BlueprintSchema(
        name="a_blueprint",
        version=draw(st.integers(min_value=1)),
        fields=fields,
        key=draw(st.lists(st.sampled_from(eligible), unique=True)) if eligible else (),
        rules=rules,
        target=draw(st.none() | words),
    )


def _letters(name):
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _field(**options):
    return FieldSpec(**({"name": "f", "kind": "number"} | options))


def _schema(**options):
    fields = (_field(name="a"), _field(name="b"), _field(name="day", kind="datetime"))
    return BlueprintSchema(**({"name": "some", "fields": fields} | options))


# ------------------------------------------------------------------------------- round trips


@given(blueprint_schemas())
def test_a_schema_survives_json_with_every_type_intact(schema):
    again = BlueprintSchema.model_validate_json(schema.model_dump_json())
    assert again == schema
    # 1 == 1.0 == True: equality alone would hide a bound that changed its type.
    types = [(type(field.min), type(field.max)) for field in schema.fields]
    assert [(type(field.min), type(field.max)) for field in again.fields] == types
    assert hash(again) == hash(schema)


@given(blueprint_schemas())
def test_a_schema_survives_python_data_and_pickling(schema):
    assert BlueprintSchema.model_validate(schema.model_dump()) == schema
    assert pickle.loads(pickle.dumps(schema)) == schema


def test_the_json_of_a_schema_is_described_by_a_json_schema():
    described = BlueprintSchema.model_json_schema()["properties"]
    assert set(described) == set(json.loads(CUSTOMER_CHURN.model_dump_json()))


def test_a_schema_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        CUSTOMER_CHURN.field("plan_type").required = True


# ------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "parameter", "words"),
    [
        ({"name": "  "}, "name", "a name"),
        ({"name": 3}, "name", "a valid string"),
        ({"kind": "text"}, "kind", "one of 'identifier'"),
        ({"requird": True}, "requird", "a parameter that exists"),
        ({"min": 3, "max": 2}, "min", "at most `max` (2)"),
        ({"min": float("nan")}, "min", "finite"),
        ({"max": "1"}, "max", "a valid integer or a valid number or an ISO date"),
        ({"min": True}, "min", "a valid integer"),
        ({"min": dt.date(2024, 1, 1)}, "min", "a number for a number"),
        ({"kind": "datetime", "max": 5}, "max", "a date for a datetime"),
        ({"kind": "datetime", "max": dt.datetime(2024, 1, 1, 9)}, "max", "a valid date"),
        ({"kind": "flag", "min": 0}, "min", "None for a flag"),
        ({"kind": "flag", "unit": "EUR"}, "unit", "None for a flag"),
        ({"pattern": "x"}, "pattern", "None for a number"),
        ({"kind": "category", "pattern": "("}, "pattern", "unclosed group"),
        ({"kind": "category", "pattern": "(?=x)"}, "pattern", "look-ahead"),
        ({"kind": "category", "allowed": []}, "allowed", "at least one value"),
        ({"kind": "category", "allowed": ["a", "a"]}, "allowed", "each once"),
        ({"aliases": ["F"]}, "aliases", "differ"),
        ({"aliases": ["--"]}, "aliases", "differ"),
        ({"aliases": ["LTV", "l_t_v"]}, "aliases", "differ"),
    ],
)
def test_an_illegal_field_is_a_parameter_error_that_names_field_and_parameter(
    options, parameter, words
):
    with pytest.raises(ParameterError) as caught:
        _field(**options)
    assert caught.value.parameter == parameter
    assert str(caught.value).startswith(f"FieldSpec {options.get('name', 'f')!r}: `{parameter}`")
    assert words in str(caught.value)


def test_a_date_bound_may_be_an_iso_string():
    assert _field(kind="datetime", min="2024-03-31").min == dt.date(2024, 3, 31)


def test_a_field_without_a_kind_says_so():
    with pytest.raises(ParameterError, match="FieldSpec 'f': `kind` must be given"):
        FieldSpec(name="f")


@pytest.mark.parametrize(
    ("options", "parameter", "words"),
    [
        ({"name": "Some Name"}, "name", "snake_case"),
        ({"version": 0}, "version", "at least 1"),
        ({"fields": ()}, "fields", "at least one field"),
        ({"fields": (_field(), _field())}, "fields", "share no name"),
        ({"fields": (_field(aliases=["G"]), _field(name="g"))}, "fields", "'f' or 'g'"),
        ({"key": ("a", "a")}, "key", "each once"),
        ({"key": ("dya",)}, "key", "did you mean 'day'"),
        ({"fields": (_field(fit_only=True),), "key": ("f",)}, "key", "fit_only"),
        ({"rules": [{"left": "a", "relation": "<", "right": "c"}]}, "rules", "use one of"),
        ({"rules": [{"left": "a", "relation": "<", "right": "day"}]}, "rules", "'a < day'"),
        ({"rules": [{"left": "a", "relation": "<", "right": "a"}]}, "right", "another field"),
        ({"rules": [{"left": "a", "relation": "=<", "right": "b"}]}, "relation", "'<='"),
    ],
)
def test_an_illegal_schema_is_a_parameter_error(options, parameter, words):
    with pytest.raises(ParameterError) as caught:
        _schema(**options)
    assert caught.value.parameter == parameter
    assert words in str(caught.value)


def test_counts_and_numbers_may_be_compared():
    fields = (_field(name="a"), _field(name="b", kind="count"))
    rule = FieldRule(left="b", relation=">=", right="a")
    assert _schema(fields=fields, rules=(rule,)).rules == (rule,)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "some"}', b"\xff"])
def test_broken_json_is_a_parameter_error(text):
    with pytest.raises(ParameterError, match=r"^BlueprintSchema( 'some')?: `"):
        BlueprintSchema.model_validate_json(text)


@pytest.mark.parametrize("data", [None, 3, {"name": "some"}, {"name": "some", "fields": [3]}])
def test_broken_python_data_is_a_parameter_error(data):
    with pytest.raises(ParameterError, match=r"^BlueprintSchema( 'some')?: `"):
        BlueprintSchema.model_validate(data)


def test_a_broken_part_of_a_json_schema_is_named():
    data = json.loads(CUSTOMER_CHURN.model_dump_json())
    data["fields"][5]["kind"] = "money"
    with pytest.raises(ParameterError, match=r"FieldSpec 'total_value': `kind`.*'money'"):
        BlueprintSchema.model_validate_json(json.dumps(data))


# ---------------------------------------------------------------------------------- binding


@given(st.dictionaries(st.sampled_from(CUSTOMER_CHURN.names), words))
def test_bind_gives_every_field_one_column_of_its_own_or_refuses(columns):
    wanted = [columns.get(name, name) for name in CUSTOMER_CHURN.names]
    if len(set(wanted)) == len(wanted):
        bound = CUSTOMER_CHURN.bind(columns)
        assert list(bound) == list(CUSTOMER_CHURN.names)
        assert list(bound.values()) == wanted
    else:
        with pytest.raises(ParameterError, match="a column of its own"):
            CUSTOMER_CHURN.bind(columns)


def test_bind_without_a_map_is_the_identity():
    assert CUSTOMER_CHURN.bind() == {name: name for name in CUSTOMER_CHURN.names}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"custmer_id": "id"}, "did you mean 'customer_id'"),
        ({7: "id"}, "use one of"),
        ({"customer_id": None}, "gives 'customer_id' the name of a column, got None"),
        ({"customer_id": ""}, "the name of a column"),
        ({"customer_id": "as_of"}, "map the fields ['customer_id', 'as_of']"),
        ("CustID", "None or a dict"),
    ],
)
def test_bind_refuses_what_it_cannot_map(columns, words):
    with pytest.raises(ParameterError) as caught:
        CUSTOMER_CHURN.bind(columns)
    assert str(caught.value).startswith("customer_churn: `fields` must be")
    assert words in str(caught.value)


def test_an_unknown_field_is_a_schema_error_with_the_nearest_names():
    with pytest.raises(SchemaError, match="did you mean 'plan_type'") as caught:
        CUSTOMER_CHURN.field("plan_typ")
    assert caught.value.unexpected == ("plan_typ",)


def test_renaming_moves_fields_key_rules_and_target():
    names = {"series": "store", "revenue": "Umsatz"}
    renamed = REVENUE_PROJECTION.renamed(names)
    assert renamed.names == ("date", "Umsatz", "customer_count", "store")
    assert renamed.key == ("store", "date")
    assert renamed.target == "Umsatz"
    assert renamed.fit_only == ("Umsatz", "customer_count")
    rules = [str(rule) for rule in CUSTOMER_CHURN.renamed({"as_of": "snap"}).rules]
    assert rules == ["account_created_date <= last_activity_date", "snap < label_end"]
    assert CUSTOMER_CHURN.renamed() == CUSTOMER_CHURN


def test_an_alias_that_is_another_column_now_is_left_out():
    renamed = CUSTOMER_CHURN.renamed({"as_of": "start_date", "customer_id": "Customer No"})
    assert "start_date" not in renamed.field("account_created_date").aliases
    assert not renamed.field("account_created_date").answers_to("StartDate")
    assert renamed.field("start_date").answers_to("Start Date")


@given(st.dictionaries(st.sampled_from(CUSTOMER_CHURN.names), words))
def test_renaming_keeps_the_kinds_or_refuses(columns):
    try:
        renamed = CUSTOMER_CHURN.renamed(columns)
    except ParameterError:
        spelt = [_letters(columns.get(n, n)) or columns.get(n, n) for n in CUSTOMER_CHURN.names]
        assert len(set(spelt)) < len(spelt)
    else:
        assert [f.kind for f in renamed.fields] == [f.kind for f in CUSTOMER_CHURN.fields]
        assert renamed.names == tuple(CUSTOMER_CHURN.bind(columns).values())


# -------------------------------------------------------------------------------- proposals


def proposal_rows():
    return pl.DataFrame(
        {
            "order_id": ["A1", "A2", "A3", "A4"],
            "placed": ["2024-01-31", "2024-02-01", "2024-02-02", None],
            "amount": [1.5, -2.0, 0.0, 4.0],
            "weight": [1.5, 2.0, 0.0, float("nan")],
            "items": [1, 2, 3, 4],
            "gift": [True, False, True, True],
            "paid": ["yes", "no", "no", "yes"],
            "plan": ["pro", "free", "pro", "pro"],
            "nothing": pl.Series([None] * 4, dtype=pl.String),
        }
    )


@pytest.mark.parametrize("engine_name", ["polars", "polars-lazy", "pandas", "pyarrow", "duckdb"])
def test_a_proposal_says_what_the_columns_hold(engine_name):
    schema = BlueprintSchema.from_frame(to_engine(proposal_rows(), engine_name), name="orders")
    kinds = {field.name: (field.kind, field.required, field.min) for field in schema.fields}
    assert kinds == {
        "order_id": ("identifier", True, None),
        "placed": ("datetime", False, None),
        "amount": ("number", True, None),
        "weight": ("number", False, 0),
        "items": ("count", True, 0),
        "gift": ("flag", True, None),
        "paid": ("flag", True, None),
        "plan": ("category", True, None),
        "nothing": ("category", False, None),
    }
    assert schema.field("plan").allowed == ("free", "pro")
    assert schema.key == ("order_id",)
    assert BlueprintSchema.model_validate_json(schema.model_dump_json()) == schema


def test_the_proposed_key_may_be_a_customer_and_a_date():
    X, _ = make_customer_churn(50, random_state=0)
    assert BlueprintSchema.from_frame(X).key == ("customer_id", "as_of")
    assert BlueprintSchema.from_frame(X[["total_value", "plan_type"]]).key == ()


def test_a_proposal_needs_a_frame_with_names():
    with pytest.raises(InputTypeError, match="`frame` must be a pandas"):
        BlueprintSchema.from_frame([[1, 2]])


# ----------------------------------------------------------------------------- churn schema


def test_the_churn_schema_is_the_one_of_the_specification():
    assert CUSTOMER_CHURN.names == (
        "customer_id",
        "as_of",
        "label_end",
        "account_created_date",
        "last_activity_date",
        "total_value",
        "support_tickets",
        "feature_usage_count",
        "plan_type",
    )
    assert CUSTOMER_CHURN.required == ("last_activity_date",)
    assert CUSTOMER_CHURN.fit_only == ("label_end",)
    assert CUSTOMER_CHURN.key == ("customer_id", "as_of")
    assert [str(rule) for rule in CUSTOMER_CHURN.rules] == [
        "account_created_date <= last_activity_date",
        "as_of < label_end",
    ]


def test_refunds_are_legal_and_sentinel_dates_are_not():
    assert CUSTOMER_CHURN.field("total_value").min is None
    created = CUSTOMER_CHURN.field("account_created_date")
    assert dt.date(1900, 1, 1) < created.min
    assert created.max < dt.date(2200, 1, 1)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("CustID", "customer_id"),
        ("signup_dt", "account_created_date"),
        ("LTV", "total_value"),
        ("Last Login", "last_activity_date"),
        ("Complaints", "support_tickets"),
    ],
)
def test_names_met_in_the_wild_are_aliases_of_one_field(column, field):
    owners = [
        spec.name
        for spec in CUSTOMER_CHURN.fields
        if _letters(column) in map(_letters, (spec.name, *spec.aliases))
    ]
    assert owners == [field]


# ----------------------------------------------------------------- revenue and price schemas


def test_the_revenue_schema_is_the_one_of_the_specification():
    schema = default_registry.get("revenue_projection")
    assert schema is REVENUE_PROJECTION
    assert schema.names == ("date", "revenue", "customer_count", "series")
    assert schema.required == ("date", "revenue")
    assert schema.fit_only == ("revenue", "customer_count")
    assert schema.key == ("series", "date")
    assert schema.target == "revenue"
    assert schema.field("revenue").min is None  # days of refunds


def test_the_price_schema_is_the_one_of_the_specification():
    schema = default_registry.get("price_optimization")
    assert schema is PRICE_OPTIMIZATION
    assert schema.names == (
        "product_id",
        "date",
        "price",
        "quantity_sold",
        "store",
        "category",
        "competitor_price",
    )
    assert schema.required == ("product_id", "date", "price", "quantity_sold")
    assert schema.fit_only == ("quantity_sold",)
    assert schema.key == ("product_id", "store", "date")
    assert schema.target == "quantity_sold"
    assert schema.field("quantity_sold").min is None  # returns
    assert schema.field("price").min > 0  # nothing is sold for nothing


# --------------------------------------------------------------------------------- registry


def test_the_newest_version_is_found_unless_one_is_asked_for():
    registry = SchemaRegistry()
    for version in (2, 10, 1):
        registry.register(_schema(version=version))
    assert registry.get("some").version == 10
    assert registry.get("some", 2).version == 2
    assert registry.get("some", version=1) == _schema()


def test_the_default_registry_holds_the_churn_schema():
    assert default_registry.get("customer_churn") is CUSTOMER_CHURN
    assert "customer_churn" in default_registry.names()


def test_registering_twice_is_harmless_and_redefining_is_refused():
    registry = SchemaRegistry()
    registry.register(_schema())
    registry.register(_schema())
    with pytest.raises(ParameterError, match=r"'some version 1'.*set version=2"):
        registry.register(_schema(description="another"))
    assert registry.get("some").description == ""


def test_registries_do_not_share_their_schemas():
    SchemaRegistry().register(_schema())
    assert "some" not in SchemaRegistry().names()
    assert "some" not in default_registry.names()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("customer_chrn",), "did you mean 'customer_churn'"),
        (("xyz",), "use one of"),
        ((None,), "use one of"),
        ((["customer_churn"],), "use one of"),
        (("customer_churn", 2), r"`version`.*use one of \[1\]"),
    ],
)
def test_an_unknown_schema_is_a_parameter_error_with_a_way_out(arguments, words):
    with pytest.raises(ParameterError, match=words):
        default_registry.get(*arguments)


def test_fit_only_fields_are_those_of_every_schema_held():
    registry = SchemaRegistry()
    assert registry.fit_only_fields() == frozenset()
    registry.register(_schema(fields=(_field(name="a", fit_only=True), _field(name="b"))))
    registry.register(_schema(fields=(_field(name="c", fit_only=True),), version=2))
    assert registry.fit_only_fields() == {"a", "c"}
    assert fit_only_fields() == {"label_end", "revenue", "customer_count", "quantity_sold"}


def test_only_schemas_can_be_registered():
    with pytest.raises(ParameterError, match="must be a BlueprintSchema"):
        SchemaRegistry().register({"name": "some"})


# ----------------------------------------------------------------------------- entry points

PLUGIN = """
from tracer_sklearn.schema import BlueprintSchema, FieldSpec

SCHEMA = BlueprintSchema(name="fleet", fields=(FieldSpec(name="van", kind="identifier"),))
NOT_A_SCHEMA = {"name": "fleet"}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay a distribution with entry points on the path, as pip would."""

    def lay(distribution, code="", **entry_points):
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.0\n")
        lines = [f"{name} = {module}:{target}" for name, target in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[some.blueprints]", *lines]))

    monkeypatch.syspath_prepend(tmp_path)
    return lay


@pytest.fixture
def registry():
    return SchemaRegistry(entry_point_group="some.blueprints")


def test_an_entry_point_is_listed_without_and_loaded_on_look_up(install, registry, monkeypatch):
    loaded = []
    install("fleet-one", PLUGIN, fleet="SCHEMA")
    # the backport takes the place of the standard library's finder once anything imports it
    (point,) = metadata.entry_points(group="some.blueprints")
    load = type(point).load
    monkeypatch.setattr(type(point), "load", lambda point: loaded.append(point.name) or load(point))
    assert registry.names() == ("fleet",)
    assert loaded == []
    assert registry.get("fleet").names == ("van",)
    assert registry.get("fleet", 1).names == ("van",)
    assert loaded == ["fleet"]
    assert SchemaRegistry().names() == ()


def test_what_is_registered_wins_over_an_entry_point(install, registry):
    install("fleet-two", "raise RuntimeError('must not be imported')", some="SCHEMA")
    registry.register(_schema())
    assert registry.get("some") == _schema()


@pytest.mark.parametrize(
    ("distribution", "code", "target", "found"),
    [
        ("fleet-three", PLUGIN, "NOT_A_SCHEMA", "found {'name': 'fleet'}"),
        ("fleet-four", PLUGIN, "MISSING", "found AttributeError"),
        ("fleet-five", "import not_installed_anywhere", "SCHEMA", "found ModuleNotFoundError"),
    ],
)
def test_a_broken_entry_point_names_its_package(
    install, registry, distribution, code, target, found
):
    install(distribution, code, fleet=target)
    with pytest.raises(SchemaError) as caught:
        registry.get("fleet")
    assert found in str(caught.value)
    assert f"(from {distribution})" in str(caught.value)


def test_an_entry_point_must_carry_the_name_of_its_schema(install, registry):
    install("fleet-six", PLUGIN, boats="SCHEMA")
    with pytest.raises(SchemaError, match="the entry point 'boats' must hold"):
        registry.get("boats")


def test_two_packages_cannot_offer_one_name(install, registry):
    install("fleet-seven", PLUGIN, fleet="SCHEMA")
    install("fleet-eight", PLUGIN, fleet="SCHEMA")
    with pytest.raises(SchemaError, match="2 packages") as caught:
        registry.get("fleet")
    assert "fleet-seven" in str(caught.value)
    assert "fleet-eight" in str(caught.value)
