"""What the documents say is run, and compared with the code."""

from __future__ import annotations

import enum
import inspect
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate
from pydantic import BaseModel

import tracer_sklearn as ts
from tracer_sklearn import service

ROOT = Path(__file__).resolve().parents[1]
SLOW = {
    "README.md",  # searches the full grid on the data package
    "docs/how-to/accept-uploads.md",  # start worker processes
    "docs/how-to/monitor-runs.md",
    "docs/how-to/own-data.md",  # searches a grid of every option
    "docs/how-to/run-the-service.md",
}


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)


def runnable() -> Iterator[object]:
    for page in pages():
        name = page.relative_to(ROOT).as_posix()
        if blocks(page, "python"):
            marks = [pytest.mark.medium] if name in SLOW else []
            yield pytest.param(page, id=name, marks=marks)


@pytest.mark.parametrize("page", list(runnable()))
def test_code_of_a_page_runs_in_order(page: Path, tmp_path: Path) -> None:
    """In a process of its own, as a reader would paste it."""
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page, "python")), "utf-8")
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "Agg",
        "TRACER_STATE_DIR": str(tmp_path / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(script)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{target} does not exist"


def public() -> Iterator[tuple[str, object]]:
    for name in ts.__all__:
        item = getattr(ts, name)
        if isinstance(item, types.ModuleType):
            for inner in item.__all__:
                yield f"{name}.{inner}", getattr(item, inner)
        elif not name.startswith("__"):
            yield name, item
    for name in service.__all__:
        yield f"service.{name}", getattr(service, name)


PUBLIC = dict(public())
CALLABLE = {
    name: item
    for name, item in PUBLIC.items()
    if inspect.isfunction(item) or (inspect.isclass(item) and not issubclass(item, Exception))
}


def members() -> Iterator[tuple[str, object]]:
    """Public methods and properties of our classes, without those of pydantic."""
    for name, item in CALLABLE.items():
        if not inspect.isclass(item):
            continue
        found = {  # those of a subclass take the place of those of its base
            attribute: member
            for owner in reversed(item.__mro__)
            if owner.__module__.startswith("tracer_sklearn")
            for attribute, member in vars(owner).items()
        }
        for attribute, member in found.items():
            if attribute.startswith("_") or hasattr(BaseModel, attribute):
                continue
            if isinstance(member, property | classmethod | staticmethod | types.FunctionType):
                yield f"{name}.{attribute}", getattr(item, attribute)


MEMBERS = dict(members())
EVERY = PUBLIC | MEMBERS


def check_parameters(name: str, item: object, doc: FunctionDoc, parameters: dict) -> None:
    """Compare names, order and defaults with the signature."""
    documented = {
        part.strip().lstrip("*"): parameter
        for parameter in doc["Parameters"]
        for part in parameter.name.split(",")
    }
    assert list(documented) == list(parameters), name
    for key, parameter in parameters.items():
        default = parameter.default
        if default is inspect.Parameter.empty or parameter.kind in (
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        ):
            continue
        kind = documented[key].type
        if kind == "optional":  # a group that another one documents, from whose test it follows
            other = re.match(r"As (?:for|in) `([\w.]+)`", documented[key].desc[0])
            assert other, f"{name}: `{key}` is optional, and refers to no other"
            within = (f"{name.rpartition('.')[0]}.{other[1]}", f"service.{other[1]}", other[1])
            told = next(EVERY[one] for one in within if one in EVERY)
            assert inspect.signature(told).parameters[key].default == default, f"{name}: {key}"
            continue
        shown = re.search(r"default=(.+)$", kind)
        assert shown, f"{name}: `{key}` documents no default in {kind!r}"
        says = shown.group(1).strip().replace("'", '"')
        assert says == repr(default).replace("'", '"'), f"{name}: `{key}` documents {says}"


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name: str) -> None:
    doc = inspect.getdoc(PUBLIC[name]) or ""
    summary = doc.split("\n")[0]
    assert summary.endswith("."), f"summary of {name}: {summary!r}"


@pytest.mark.parametrize("name", CALLABLE)
def test_documented_parameters_are_those_of_the_signature(name: str) -> None:
    item = CALLABLE[name]
    doc = ClassDoc(item) if inspect.isclass(item) else FunctionDoc(item)
    if inspect.isclass(item) and issubclass(item, enum.Enum):
        assert [attribute.name for attribute in doc["Attributes"]] == [each.name for each in item]
    elif hasattr(item, "model_fields"):  # pydantic's signatures are keyword-only and generated
        documented = {
            part.strip(): parameter.type
            for parameter in doc["Parameters"]
            for part in parameter.name.split(",")
        }
        assert set(documented) == set(item.model_fields)
        for key, field in item.model_fields.items():
            if not name.startswith("service.") or documented[key] == "optional":
                continue
            if type(field.default) in (bool, int, float, str):
                says = documented[key].partition("default=")[2].replace("'", '"')
                assert says == repr(field.default).replace("'", '"'), f"{name}: {key}"
    else:
        check_parameters(name, item, doc, dict(inspect.signature(item).parameters))


@pytest.mark.parametrize("name", CALLABLE)
def test_public_names_have_an_example_that_runs(name: str) -> None:
    # `pytest --doctest-modules` runs it; here it must exist
    assert ">>>" in (inspect.getdoc(CALLABLE[name]) or ""), f"{name} has no example"


@pytest.mark.parametrize(
    "name", [n for n, item in CALLABLE.items() if inspect.isclass(item) and hasattr(item, "fit")]
)
def test_public_methods_are_documented(name: str) -> None:
    for method, function in inspect.getmembers(CALLABLE[name], inspect.isfunction):
        if not method.startswith("_") and function.__module__.startswith("tracer_sklearn"):
            assert inspect.getdoc(function), f"{name}.{method}"


@pytest.mark.parametrize("name", service.__all__)
def test_the_reference_names_what_the_service_has(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs/reference/service.md").read_text("utf-8")


@pytest.mark.parametrize("name", MEMBERS)
def test_documented_parameters_of_methods_are_those_of_the_signature(name: str) -> None:
    item = MEMBERS[name]
    if not isinstance(item, property):
        parameters = dict(inspect.signature(item).parameters)
        parameters.pop("self", None)
        check_parameters(name, item, FunctionDoc(item), parameters)


# Extended summaries, examples of methods, "See Also", and returns without a name are no rules here.
NO_RULES = {"ES01", "EX01", "SA01", "RT02"}
# Parameters of `enum.Enum` and of scorers, by which nobody calls them; those of an error are its
# attributes.
NO_RULES_OF_OTHERS = NO_RULES | {"PR01"}


@pytest.mark.parametrize("name", EVERY)
def test_documentation_is_numpydoc(name: str) -> None:
    item = EVERY[name]
    is_enum = inspect.isclass(item) and issubclass(item, enum.Enum)
    is_other = is_enum or (name in PUBLIC and name not in CALLABLE)
    spared = NO_RULES_OF_OTHERS if is_other else NO_RULES
    found = validate(f"tracer_sklearn.{name}")["errors"]
    assert not [f"{code}: {says}" for code, says in found if code not in spared]
