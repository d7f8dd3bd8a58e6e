# programs, run by hand or by test_marks.py: no doctests to collect
collect_ignore = [
    "accuracy.py",
    "auditing.py",
    "preprocessing.py",
    "reading.py",
    "scoring.py",
    "timing.py",
    "windows.py",
    "forecast_peers.py",
]
