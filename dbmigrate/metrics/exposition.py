"""Prometheus' text format, version 0.0.4: written, and read as far as dbmigrate writes it.

https://prometheus.io/docs/instrumenting/exposition_formats/: a HELP and a TYPE line for each metric, no timestamps (the
textfile collector refuses them), a line feed at the end of the last line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Metric", "Sample", "read", "written"]

_SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


@frozen
class Sample:
    """A value with the labels that only it has."""

    value: float
    labels: tuple[tuple[str, str], ...] = ()


@frozen
class Metric:
    name: str
    kind: str  # gauge or counter
    help: str
    samples: tuple[Sample, ...]


def written(metrics: Iterable[Metric], labels: Mapping[str, str]) -> str:
    """The text; every sample has `labels`, too. A metric without samples is left out."""
    lines: list[str] = []
    for metric in metrics:
        if metric.samples:
            lines += (f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}")
            lines += (_line(metric.name, sample, labels) for sample in metric.samples)
    return "".join(f"{line}\n" for line in lines)


def read(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Name, labels and value of each sample that can be read; whatever else is in the file is passed over."""
    for line in text.splitlines():
        found = _SAMPLE.fullmatch(line)
        if found is None:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        yield found["name"], {name: _plain(text) for name, text in _LABEL.findall(found["labels"] or "")}, value


def _line(name: str, sample: Sample, labels: Mapping[str, str]) -> str:
    pairs = (*labels.items(), *sample.labels)
    shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in pairs)
    return f"{name}{{{shown}}} {_number(sample.value)}"


def _number(value: float) -> str:
    """Whole numbers as such: 1764580000.0 reads worse than 1764580000."""
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def _escaped(text: str) -> str:
    printable = text.encode("utf-8", "replace").decode()  # undecodable bytes of a command line
    return "".join(_ESCAPES.get(char, char) for char in printable)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)
