"""The application of the how-to page, served by uvicorn and visited over loopback."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
import pytest

import tracer_sklearn as ts

pytestmark = pytest.mark.medium  # a server and its workers have to start

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-to" / "accept-uploads.md"
MAX_BYTES = 1_000_000
ANA = {"X-User": "ana"}
CHURN = "/uploads/customer_churn"


class Site(NamedTuple):
    client: httpx.Client
    folder: Path

    def upload(self, name: str, data: bytes, path: str = CHURN) -> httpx.Response:
        return self.client.post(path, files={"file": (name, data)}, headers=ANA)

    def left(self) -> list[str]:
        """Files of uploads and runs that should be gone."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return [
            path.relative_to(self.folder).as_posix()
            for path in found
            if "upload-" in path.name or "work" in path.parts or path.suffix == ".part"
        ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    app = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.S | re.M)[0]
    (folder / "upload_app.py").write_text(app, "utf-8")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        number = listening.fileno()
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "upload_app:app", "--fd", str(number)],
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "TMPDIR": str(_made(folder / "temporary")),
                    "TRACER_STATE_DIR": str(folder / "state"),
                    "UPLOAD_MAX_BYTES": str(MAX_BYTES),
                    "UPLOAD_OUTPUTS": str(folder / "outputs"),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[number],
            )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, timeout=60) as client:
                client.post(CHURN, files={"file": ("a.csv", b"%PDF")})  # until a worker is there
                yield Site(client, folder)
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return ts.datasets.make_customer_churn(120, random_state=0)[0]


@pytest.fixture(scope="module")
def csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def _form(filename: bytes, data: bytes) -> tuple[dict[str, str], bytes]:
    """Return a form whose file has any bytes for its name, as no honest client writes it."""
    head = b'--sep\r\nContent-Disposition: form-data; name="file"; filename="' + filename
    head += b'"\r\nContent-Type: text/csv\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=sep", **ANA}
    return headers, head + data + b"\r\n--sep--\r\n"


# ------------------------------------------------------------------------------------- honest


def test_an_upload_becomes_a_data_set(site: Site, csv: bytes, table: pd.DataFrame) -> None:
    answer = site.upload("jan.csv", csv)
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert run["status"] == "COMPLETED"
    assert run["source"] == "jan.csv"
    assert run["rows"] == len(table)
    assert "days_since_last_activity" in run["features"]
    assert run["error"] is None
    assert site.client.get(f"/runs/{run['run_id']}", headers=ANA).json() == run
    data = site.client.get(f"/runs/{run['run_id']}/data", headers=ANA)
    frame = pd.read_parquet(io.BytesIO(data.content))
    assert len(frame) == len(table)
    assert set(run["features"]) & set(frame.columns)
    assert not site.left()


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: _zipped(data)], ids=["gzip", "zip"])
def test_a_packed_upload_is_unpacked(site: Site, csv: bytes, pack: Any) -> None:
    assert site.upload("jan.csv.gz", pack(csv)).json()["status"] == "COMPLETED"


def test_an_upload_without_announced_length(site: Site, csv: bytes) -> None:
    headers, body = _form(b"jan.csv", csv)
    pieces = (body[start : start + 1000] for start in range(0, len(body), 1000))
    answer = site.client.post(CHURN, content=pieces, headers=headers)  # in chunks
    assert answer.json()["status"] == "COMPLETED"


def test_several_at_once(site: Site, csv: bytes) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: site.upload(f"{n}.csv", csv), range(6)))
    assert [answer.json()["source"] for answer in answers] == [f"{n}.csv" for n in range(6)]
    assert len({answer.json()["run_id"] for answer in answers}) == 6


def test_a_run_is_known_to_its_user_only(site: Site, csv: bytes) -> None:
    run = site.upload("jan.csv", csv).json()["run_id"]
    for path in (f"/runs/{run}", f"/runs/{run}/data"):
        assert site.client.get(path, headers=ANA).status_code == 200
        assert site.client.get(path, headers={"X-User": "ben"}).status_code == 404
        assert site.client.get(path).status_code == 404


@pytest.mark.parametrize("run", ["none", "..%2F..%2Fetc%2Fpasswd", "'; DROP TABLE runs; --", "%00"])
def test_a_run_that_is_not_there(site: Site, run: str) -> None:
    for path in (f"/runs/{run}", f"/runs/{run}/data"):
        answer = site.client.get(path, headers=ANA)
        assert answer.status_code == 404
        assert len(answer.text) < 100  # and no nearest name of another's run


# ------------------------------------------------------------------------------------- hostile


def _zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", data)
    return file.getvalue()


REFUSED = {
    "empty": (b"", "it holds no table"),
    "pdf": (b"%PDF-1.7\n" + bytes(100), "it is a PDF document"),
    "gzip bomb": (
        gzip.compress(bytes(50_000_000)),
        "more than 1,000,000 bytes after decompression",
    ),
    "zip bomb": (_zipped(b"a,b\n" * 5_000_000), "more than 1,000,000 bytes after decompression"),
    "nested": (gzip.compress(gzip.compress(bytes(1000))), "it is compressed twice"),
    "cut": (gzip.compress(os.urandom(1000))[:-20], "its compressed data end too early"),
    "no fields": (b"a,b\n1,2\n3,4\n", "'last_activity_date'"),
    "no rows": (b"customer_id,last_activity_date\n", ""),
    "commas": (b"," * 900_000, ""),
    "one quote": (b'a,b\n"' + b"x" * 900_000, ""),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_hostile_content_is_refused_with_a_reason(site: Site, kind: str) -> None:
    data, reason = REFUSED[kind]
    began = time.monotonic()
    answer = site.upload("up.csv", data)
    assert answer.status_code == 422, answer.text
    assert reason in answer.json()["detail"]
    assert str(site.folder) not in answer.text
    assert time.monotonic() - began < 20
    run = site.client.get(f"/runs/{answer.json()['run_id']}", headers=ANA).json()
    assert run["status"] == "FAILED"
    assert run["error"] == answer.json()["detail"]
    assert not site.left()


def test_a_wrong_blueprint_is_refused(site: Site, csv: bytes) -> None:
    answer = site.upload("up.csv", csv, "/uploads/customer_chrun")
    assert answer.status_code == 422
    assert "'customer_churn'" in answer.json()["detail"]


def test_too_much_is_refused_by_its_announced_length(site: Site) -> None:
    answer = site.upload("up.csv", b"x" * (MAX_BYTES + 20_000))
    assert answer.status_code == 413
    assert not site.left()


def test_too_much_is_refused_while_it_comes(site: Site) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield _form(b"up.csv", b"")[1].removesuffix(b"\r\n--sep--\r\n")
        while sent < 200_000_000:
            sent += 65_536
            yield b"x" * 65_536

    try:
        answer = site.client.post(CHURN, content=endless(), headers=_form(b"", b"")[0])
    except httpx.TransportError:  # the server hung up before everything was said
        pass
    else:
        assert answer.status_code == 413
    assert sent < 20_000_000
    assert not site.left()
    assert site.client.get("/runs/none").status_code == 404  # and serves on


def test_an_upload_that_breaks_off_leaves_nothing(site: Site, csv: bytes) -> None:
    headers, body = _form(b"up.csv", csv)

    def breaks() -> Iterator[bytes]:
        yield body[:5000]
        raise KeyError

    with pytest.raises(KeyError):
        site.client.post(CHURN, content=breaks(), headers=headers)
    time.sleep(0.2)
    assert not site.left()


NAMES = {
    b"../../../evil.csv": "evil.csv",
    b"..\\\\..\\\\evil.csv": "evil.csv",
    b"/etc/cron.d/evil": "evil",
    b"C:\\\\evil.csv": "evil.csv",
    b"..": "upload",
    b".bashrc": "bashrc",
    b"-rf": "rf",
    b"nul.csv": "_nul.csv",
    b"evil%0d%0aSet-Cookie: a.csv": None,
    "evil\u202evsc.exe".encode(): "evilvsc.exe",
    b"x" * 3000 + b".csv": None,
    b"\xff\xfe.csv": None,
    b"=cmd|calc.csv": "_cmd_calc.csv",
}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_hostile_names_lead_nowhere(site: Site, name: bytes, csv: bytes) -> None:
    before = {path for path in site.folder.rglob("*") if "state" not in path.parts}
    headers, body = _form(name, csv)
    answer = site.client.post(CHURN, content=body, headers=headers)
    assert answer.status_code in (200, 400, 422), answer.text  # some break the form itself
    if answer.status_code == 200:
        source = answer.json()["source"]
        assert source == (NAMES[name] or source)
        assert source.isprintable()
        assert not set(source) & set('/\\:"|<>')
        assert len(source.encode()) <= 180
    after = {path for path in site.folder.rglob("*") if "state" not in path.parts}
    assert all(path.parent.name == "outputs" for path in after - before)
    assert not site.left()


def test_the_log_of_the_server_holds_no_values_and_no_lines_of_others(
    site: Site, table: pd.DataFrame
) -> None:
    secret = "s3cr3t-customer"
    forged = 'x"\r\n2026-01-01 ERROR forged \x1b[31m'
    hostile = table.assign(customer_id=secret, **{forged: "=cmd()"})
    answer = site.upload(f"{forged}.csv", hostile.to_csv(index=False).encode())
    assert answer.status_code in (200, 422)
    assert answer.json()["run_id"]
    log = (site.folder / "server.log").read_text("utf-8", "replace")
    for text in (log, answer.text):
        assert secret not in text
        assert "\x1b" not in text
    assert not [line for line in log.splitlines() if line.startswith("2026-01-01 ERROR")]
    said = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line for line in said if line.get("run_id") == answer.json()["run_id"]]


def test_the_server_answers_while_it_works(site: Site, csv: bytes) -> None:
    """Runs are in other processes: a small question is answered at once."""
    big = csv + b"".join(csv.splitlines(keepends=True)[1:]) * 12
    big = big[:MAX_BYTES]
    big = big[: big.rfind(b"\n") + 1]
    waits = []
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(lambda: site.upload("big.csv", big))
        while not upload.done():
            began = time.monotonic()
            assert site.client.get("/runs/none").status_code == 404
            waits.append(time.monotonic() - began)
            time.sleep(0.01)
    assert upload.result().status_code in (200, 422)
    assert sorted(waits)[int(len(waits) * 0.9)] < 0.5
