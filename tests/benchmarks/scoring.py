"""One row through the fitted churn pipeline, and the time to import the package.

python tests/benchmarks/scoring.py
"""

from __future__ import annotations

import time
import warnings

from timing import best_times, in_new_process, table

import tracer_sklearn as ts


def one_row(repeats: int = 200) -> dict[str, float]:
    """Seconds for one row, without the model, by library of the row."""
    X, y = ts.datasets.make_customer_churn(5_000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = ts.customer_churn_pipeline().fit(X, y)
    row = X.drop(columns="label_end").iloc[[0]]
    import polars as pl

    as_polars = pl.from_pandas(row)
    pipe.transform(row), pipe.transform(as_polars)
    return best_times(
        {"pandas": lambda: pipe.transform(row), "Polars": lambda: pipe.transform(as_polars)},
        repeats,
    )


_IMPORT = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def import_times(repeats: int = 5) -> dict[str, float]:
    """Seconds to import, in fresh interpreters, best of several."""
    statements = {
        "sklearn.base, pandas, polars": "import sklearn.base, pandas, polars",
        "tracer_sklearn": "import tracer_sklearn",
        "tracer_sklearn, a pipeline built": (
            "import tracer_sklearn; tracer_sklearn.customer_churn_pipeline()"
        ),
    }
    best = dict.fromkeys(statements, float("inf"))
    for _ in range(repeats):
        for name, statement in statements.items():
            best[name] = min(best[name], float(in_new_process(_IMPORT.format(statement))))
    return best


def main() -> None:
    started = time.perf_counter()
    rows = {f"one {name} row": {"ms": f"{s * 1e3:.1f}"} for name, s in one_row().items()}
    print(table("churn pipeline without model", rows), "\n")
    imports = import_times()
    base = imports["sklearn.base, pandas, polars"]
    print(
        table(
            "import",
            {n: {"ms": f"{s * 1e3:.0f}", "ratio": f"{s / base:.2f}"} for n, s in imports.items()},
        )
    )
    print(f"\nmeasured in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
