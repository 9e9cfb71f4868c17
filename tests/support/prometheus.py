"""Prometheus, its promtool and node_exporter of Debian's packages, downloaded and unpacked, not installed."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import apt, debian
from tests.support.servers import free_port

_PACKAGES = ("prometheus", "prometheus-node-exporter")


def programs(*, cache: Path) -> Path:
    """The directory of the programs. Raises `UnavailableError`."""
    found = debian.unpacked("prometheus", _PACKAGES, cache=cache / "debian") / "usr" / "bin"
    for name in ("promtool", "prometheus", "prometheus-node-exporter"):
        apt.run(str(found / name), "--version")
    return found


@contextmanager
def scraping(bindir: Path, textfiles: Path, folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes a node_exporter, which reads `textfiles`; its address."""
    exporter, server = free_port(), free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: node\n    static_configs:\n"
        f"      - targets: ['127.0.0.1:{exporter}']\n"
    )
    commands = (
        [
            f"{bindir}/prometheus-node-exporter",
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={textfiles}",
            f"--web.listen-address=127.0.0.1:{exporter}",
        ],
        [
            f"{bindir}/prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{server}",
        ],
    )
    with ExitStack() as stack:
        log = stack.enter_context(open(folder / "log", "w"))
        for command in commands:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield f"http://127.0.0.1:{server}"


def answer(address: str, query: str, *, patience: float = 60.0) -> list[dict[str, object]]:
    """The series that a query returns, as soon as there is one; none after `patience` seconds."""
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                found = json.load(response)["data"]["result"]
        except OSError:
            found = []
        if found or time.monotonic() > end:
            return found
        time.sleep(0.2)
