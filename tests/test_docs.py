"""What the documents say is run, and compared with the code."""

from __future__ import annotations

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

import tracer_sklearn as ts

ROOT = Path(__file__).resolve().parents[1]
SLOW = {
    "README.md",  # searches the full grid on the data package
    "docs/how-to/accept-uploads.md",  # start worker processes
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


PUBLIC = dict(public())
CALLABLE = {
    name: item
    for name, item in PUBLIC.items()
    if inspect.isfunction(item) or (inspect.isclass(item) and not issubclass(item, Exception))
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name: str) -> None:
    doc = inspect.getdoc(PUBLIC[name]) or ""
    summary = doc.split("\n")[0]
    assert summary.endswith("."), f"summary of {name}: {summary!r}"


@pytest.mark.parametrize("name", CALLABLE)
def test_documented_parameters_are_those_of_the_signature(name: str) -> None:
    item = CALLABLE[name]
    doc = ClassDoc(item) if inspect.isclass(item) else FunctionDoc(item)
    documented = {
        part.strip().lstrip("*"): parameter.type
        for parameter in doc["Parameters"]
        for part in parameter.name.split(",")
    }
    if hasattr(item, "model_fields"):  # pydantic's signatures are keyword-only and generated
        assert set(documented) == set(item.model_fields)
        return
    parameters = inspect.signature(item).parameters
    assert list(documented) == list(parameters)
    for key, parameter in parameters.items():
        default = parameter.default
        if default is inspect.Parameter.empty or parameter.kind in (
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        ):
            continue
        shown = re.search(r"default=(.+)$", documented[key])
        assert shown, f"{name}: `{key}` documents no default in {documented[key]!r}"
        says = shown.group(1).strip().replace("'", '"')
        assert says == repr(default).replace("'", '"'), f"{name}: `{key}` documents {says}"


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
