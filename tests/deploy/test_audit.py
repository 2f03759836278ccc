"""`make audit`: a known vulnerability fails it, an impossible look-up does not. pip-audit asks a server of ours."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.conftest import ROOT

KNOWN = {
    "vulns": [
        {
            "id": "PYSEC-2026-1",
            "summary": "Anybody may sign in.",
            "affected": [
                {
                    "package": {"name": "django", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
                }
            ],
        }
    ]
}


class Answers(BaseHTTPRequestHandler):
    """OSV's query, https://google.github.io/osv.dev/post-v1-query/"""

    known: ClassVar[dict[str, object]] = {}

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.known.get(asked["package"]["name"], {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a service that knows nothing bad."""
    monkeypatch.setattr(Answers, "known", {})
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def audit(*arguments: str, tools: Path = Path(sys.executable).parent) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench.audit", *arguments],
        cwd=ROOT, env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def asking(address: str) -> list[str]:
    return ["--vulnerability-service", "osv", "--osv-url", address]


def test_no_vulnerability_passes(service: str) -> None:
    result = audit(*asking(service))
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(r"No known vulnerabilities in \d{2,} packages\.\n", result.stdout)


def test_a_vulnerability_fails_and_names_the_cure(service: str) -> None:
    Answers.known = {"django": KNOWN}
    result = audit(*asking(service))
    assert result.returncode == 1 and result.stdout == ""
    first, last = result.stderr.splitlines()
    assert re.fullmatch(r"django [\d.]+: PYSEC-2026-1, mended in: 99\.1", first)
    assert last.startswith("These packages have known vulnerabilities")


def test_without_the_service_one_line_says_so_and_it_passes() -> None:
    result = audit(*asking("http://127.0.0.1:9/"))
    assert (result.returncode, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert line.startswith("Known vulnerabilities were not looked up: ") and "127.0.0.1" in line


def test_where_the_service_knows_no_package_one_line_says_so_and_it_passes(tmp_path: Path) -> None:
    # What pip-audit 2.10 answers where the packages' service has no page for any of them.
    answer = {"dependencies": [{"name": name, "skip_reason": f"{name} not found"} for name in ("asgiref", "django")]}
    fake = tmp_path / "pip-audit"
    fake.write_text(f"#!/bin/sh\necho 'No known vulnerabilities found' >&2\necho '{json.dumps(answer)}'\n")
    fake.chmod(0o755)
    result = audit(tools=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Known vulnerabilities were not looked up: asgiref not found\n"


def test_a_mistake_in_the_call_fails() -> None:
    result = audit("--no-such-option")
    assert result.returncode == 1 and "--no-such-option" in result.stderr


def test_no_file_names_the_host_of_a_package_registry() -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    hosts = re.compile(rb"pypi\.org|pythonhosted\.|registry\.npmjs|deb\.debian")
    named = [name for name in files.split("\0") if name and hosts.search((ROOT / name).read_bytes())]
    assert files and named == []
