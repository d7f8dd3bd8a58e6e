"""Use the installed wheel as a stranger would: import it, fit a tiny pipeline, score a row."""

import math
from importlib import metadata, resources

from sklearn.linear_model import LogisticRegression

import tracer_sklearn as ts

assert ts.__version__ == metadata.version("tracer-sklearn")
assert resources.files(ts).joinpath("py.typed").is_file()

X, y = ts.datasets.make_customer_churn(300, random_state=0)
pipe = ts.customer_churn_pipeline(LogisticRegression(max_iter=1000)).fit(X, y)
[(stays, leaves)] = pipe.predict_proba(X.iloc[[0]])
assert 0 < leaves < 1
assert math.isclose(stays + leaves, 1)
