"""Where boxes and lines of a picture are: layers, what is referred to at the left. Pure, and always the same.

Sugiyama's method, in its simplest form. Edges that close a circle have no say in the layers. A layer that is higher
than the page is cut into columns. A long line gets a place in each column that it crosses. The order within a column is
that of the neighbours' mean places; the places are the nearest to the neighbours' means that keep order and distance
(pool adjacent violators), so that no two boxes overlap. Components are laid out on their own, and packed in rows.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["Layout", "Size", "arrange"]

GAP_X, GAP_Y, GAP_LINE = 70.0, 14.0, 5.0
_APART = 30.0  # between components
_LINE_HEIGHT = 4.0
_ORDERINGS, _PLACINGS = 16, 12
_LEAST_HEIGHT, _LEAST_WIDTH = 400.0, 900.0

Edge = tuple[str, str]  # who refers, and to whom
_Line = tuple[str, str, int]  # the place of a line in a column that it crosses
_Node = str | _Line


class Size(NamedTuple):
    """Width and height."""

    width: float
    height: float


class Crossing(NamedTuple):
    """Where a line crosses a column: from `x` over `width`, at `y`."""

    x: float
    y: float
    width: float


@frozen
class Layout:
    """The upper left corners of boxes; for each edge the columns that it crosses, from left to right."""

    places: Mapping[str, tuple[float, float]]
    ways: Mapping[Edge, Sequence[Crossing]]
    width: float = 0.0
    height: float = 0.0


def arrange(sizes: Mapping[str, Size], edges: Collection[Edge]) -> Layout:
    """Lay out boxes of these sizes. Edges to something else, and from a box to itself, do not count."""
    wanted = sorted({(a, b) for a, b in edges if a != b and a in sizes and b in sizes})
    area = sum(size.width * size.height for size in sizes.values())
    widest = max(_LEAST_WIDTH, math.sqrt(area) * 1.7)
    places: dict[str, tuple[float, float]] = {}
    ways: dict[Edge, Sequence[Crossing]] = {}
    x = y = row = width = 0.0
    for members in _components(sizes, wanted):
        inside = frozenset(members)
        part = _Layered(
            {name: sizes[name] for name in members}, [edge for edge in wanted if edge[0] in inside]
        ).layout()
        if x and x + part.width > widest:
            x, y, row = 0.0, y + row + _APART, 0.0
        places |= {name: (left + x, top + y) for name, (left, top) in part.places.items()}
        for edge, crossings in part.ways.items():
            ways[edge] = [Crossing(each.x + x, each.y + y, each.width) for each in crossings]
        width, row = max(width, x + part.width), max(row, part.height)
        x += part.width + _APART
    return Layout(places, ways, width, y + row)


def _components(names: Collection[str], edges: Collection[Edge]) -> Sequence[Sequence[str]]:
    """The parts that no edge connects, the largest first."""
    near: defaultdict[str, set[str]] = defaultdict(set)
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    seen: set[str] = set()
    found = []
    for name in sorted(names):
        if name in seen:
            continue
        seen.add(name)
        group = [name]
        for each in group:  # which grows meanwhile
            more = sorted(near[each] - seen)
            seen.update(more)
            group += more
        found.append(sorted(group))
    return sorted(found, key=lambda group: (-len(group), group))


@dataclass(slots=True)
class _Layered:
    """One component on its way to a layout."""

    boxes: Mapping[str, Size]
    edges: Sequence[Edge]
    sizes: dict[_Node, Size] = field(default_factory=dict)
    columns: list[list[_Node]] = field(default_factory=list)
    column_of: dict[_Node, int] = field(default_factory=dict)
    links: defaultdict[_Node, list[_Node]] = field(default_factory=lambda: defaultdict(list))
    paths: dict[Edge, list[_Node]] = field(default_factory=dict)
    tops: dict[_Node, float] = field(default_factory=dict)

    def layout(self) -> Layout:
        self.sizes.update(self.boxes)
        self._cut(_layers(self.boxes, self.edges))
        for edge in self.edges:
            self._lead(edge)
        for sweep in range(_ORDERINGS):
            self._order(is_forward=sweep % 2 == 0)
        self._stack()
        for sweep in range(_PLACINGS):
            self._settle(is_forward=sweep % 2 == 0)
        return self._placed()

    def _cut(self, layers: Mapping[str, int]) -> None:
        """The columns: a layer each, or several where it is too high."""
        total = sum(size.height + GAP_Y for size in self.boxes.values())
        limit = max(_LEAST_HEIGHT, math.sqrt(total * 170))
        parents: defaultdict[str, list[str]] = defaultdict(list)
        for child, parent in self.edges:
            parents[child].append(parent)
        for layer in range(max(layers.values(), default=-1) + 1):
            members = [name for name in self.boxes if layers[name] == layer]
            members.sort(
                key=lambda name: (min((self.column_of.get(each, 0) for each in parents[name]), default=0), name)
            )
            self.columns.append([])
            used = 0.0
            for name in members:
                if used and used + self.boxes[name].height > limit:
                    self.columns.append([])
                    used = 0.0
                used += self.boxes[name].height + GAP_Y
                self.columns[-1].append(name)
                self.column_of[name] = len(self.columns) - 1

    def _lead(self, edge: Edge) -> None:
        """Give a line its places between its two ends."""
        first, last = sorted(edge, key=lambda name: (self.column_of[name], name))
        path: list[_Node] = [first]
        for column in range(self.column_of[first] + 1, self.column_of[last]):
            line: _Line = (*edge, column)
            self.sizes[line] = Size(0.0, _LINE_HEIGHT)
            self.columns[column].append(line)
            self.column_of[line] = column
            path.append(line)
        path.append(last)
        self.paths[edge] = path
        for one, two in pairwise(path):
            self.links[one].append(two)
            self.links[two].append(one)

    def _order(self, *, is_forward: bool) -> None:
        """Sort each column by the mean places of the neighbours on one side."""
        share = {node: at / len(column) for column in self.columns for at, node in enumerate(column)}
        columns = self.columns if is_forward else self.columns[::-1]
        for column in columns:
            wanted: dict[_Node, float] = {}
            for node in column:
                own = self.column_of[node]
                near = [share[each] for each in self.links[node] if (self.column_of[each] < own) is is_forward]
                wanted[node] = sum(near) / len(near) if near else share[node]
            column.sort(key=wanted.__getitem__)
            share.update({node: at / len(column) for at, node in enumerate(column)})

    def _stack(self) -> None:
        for column in self.columns:
            for node, offset in zip(column, self._offsets(column), strict=True):
                self.tops[node] = offset

    def _offsets(self, column: Sequence[_Node]) -> Iterator[float]:
        """The least tops of the nodes of a column, one below the other."""
        at = 0.0
        for node in column:
            yield at
            at += self.sizes[node].height + (GAP_Y if self.sizes[node].width else GAP_LINE)

    def _settle(self, *, is_forward: bool) -> None:
        """Move the nodes of each column to where their neighbours are, as far as order and distance allow."""
        for column in self.columns if is_forward else self.columns[::-1]:
            offsets = list(self._offsets(column))
            wanted = [self._middle(node) - offset for node, offset in zip(column, offsets, strict=True)]
            for node, offset, place in zip(column, offsets, _pooled(wanted), strict=True):
                self.tops[node] = place + offset

    def _middle(self, node: _Node) -> float:
        """The top at which the middle of the node is that of its neighbours."""
        near = self.links[node]
        if not near:
            return self.tops[node]
        middle = sum(self.tops[each] + self.sizes[each].height / 2 for each in near) / len(near)
        return middle - self.sizes[node].height / 2

    def _placed(self) -> Layout:
        top = min(self.tops.values(), default=0.0)
        lefts, at = [], 0.0
        widths = [max((self.sizes[node].width for node in column), default=0.0) for column in self.columns]
        for width in widths:
            lefts.append(at)
            at += width + GAP_X
        places = {name: (lefts[self.column_of[name]], self.tops[name] - top) for name in self.boxes}
        ways = {
            edge: [self._crossing(node, lefts, widths, top) for node in path[1:-1]] for edge, path in self.paths.items()
        }
        height = max((self.tops[node] - top + self.sizes[node].height for node in self.tops), default=0.0)
        return Layout(places, ways, max(at - GAP_X, 0.0), height)

    def _crossing(self, node: _Node, lefts: Sequence[float], widths: Sequence[float], top: float) -> Crossing:
        column = self.column_of[node]
        return Crossing(lefts[column], self.tops[node] - top + _LINE_HEIGHT / 2, widths[column])


def _pooled(wanted: Sequence[float]) -> Iterator[float]:
    """The non-decreasing numbers that are nearest to the wanted ones, by least squares."""
    pools: list[tuple[float, int]] = []
    for each in wanted:
        mean, size = each, 1
        while pools and pools[-1][0] > mean:
            other, count = pools.pop()
            mean, size = (other * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    for mean, size in pools:
        yield from [mean] * size


def _layers(names: Collection[str], edges: Sequence[Edge]) -> Mapping[str, int]:
    """The layer of each box, that of what it refers to being a lower one."""
    parents: defaultdict[str, list[str]] = defaultdict(list)
    children: defaultdict[str, list[str]] = defaultdict(list)
    for child, parent in _acyclic(names, edges):
        parents[child].append(parent)
        children[parent].append(child)
    left = {name: len(parents[name]) for name in names}
    waiting = deque(sorted(name for name in names if not left[name]))
    layers: dict[str, int] = {}
    while waiting:
        name = waiting.popleft()
        layers[name] = max((layers[each] + 1 for each in parents[name]), default=0)
        for child in children[name]:
            left[child] -= 1
            if not left[child]:
                waiting.append(child)
    for name in sorted(names):  # what nothing holds at the left moves next to those that refer to it
        if children[name] and not parents[name]:
            layers[name] = min(layers[each] for each in children[name]) - 1
    lowest = min(layers.values(), default=0)
    return {name: layer - lowest for name, layer in layers.items()}


def _acyclic(names: Collection[str], edges: Sequence[Edge]) -> Sequence[Edge]:
    """The edges without those that close a circle in a depth-first walk."""
    targets: defaultdict[str, list[str]] = defaultdict(list)
    for child, parent in edges:
        targets[child].append(parent)
    is_open: dict[str, bool] = {}
    kept: list[Edge] = []
    for root in sorted(names):
        if root in is_open:
            continue
        is_open[root] = True
        stack = [(root, iter(targets[root]))]
        while stack:
            name, further = stack[-1]
            for parent in further:
                if is_open.get(parent):
                    continue
                kept.append((name, parent))
                if parent not in is_open:
                    is_open[parent] = True
                    stack.append((parent, iter(targets[parent])))
                    break
            else:
                is_open[name] = False
                stack.pop()
    return kept
