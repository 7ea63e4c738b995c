"""One headless Chromium for each test process, and the built book behind a server of our own."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT / "book" / "_ext"))
# `.ci/run` says "required" once it has installed Chromium; then nothing here may be skipped.
REQUIRED = os.environ.get("GANTUT_BROWSER") == "required"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def unavailable(reason: str) -> None:
    if REQUIRED:
        pytest.fail(f"GANTUT_BROWSER=required, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    path = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if path is None:
        unavailable("no Chromium is installed (on Debian and Ubuntu: apt-get install chromium)")
    api = (
        pytest.importorskip("playwright.sync_api")
        if not REQUIRED
        else __import__("playwright.sync_api").sync_api
    )
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=path, args=FLAGS, chromium_sandbox=False, timeout=120_000
        )
        yield found
        found.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *arguments):
        pass


def serve(folder: Path):
    """A server on a free port of this machine, and its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://localhost:{server.server_address[1]}"


@pytest.fixture(scope="session")
def served():
    """A function that serves a folder until all tests are done, and says at which address."""
    servers = []

    def begin(folder: Path) -> str:
        server, address = serve(folder)
        servers.append(server)
        return address

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def site(served):
    """The address of the built book."""
    if not (HTML / "index.html").is_file():
        unavailable("the book is not built (make book)")
    return served(HTML)


@pytest.fixture(scope="session")
def axe():
    """The script of axe-core."""
    found = find_spec("axe_playwright_python")
    assert found is not None, "axe-playwright-python is not installed"
    return Path(found.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")
