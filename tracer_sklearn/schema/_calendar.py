"""The dates that can be dates: what lies outside stands for "unknown" and "never"."""

from __future__ import annotations

import datetime as dt

EARLIEST, LATEST = dt.date(1900, 1, 2), dt.date(2199, 12, 31)
