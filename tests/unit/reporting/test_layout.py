"""Where boxes are: none overlaps another, whatever refers to what."""

from __future__ import annotations

from itertools import combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from dbmigrate.reporting.layout import GAP_X, Size, arrange


@st.composite
def graphs(draw):
    """Up to 300 boxes of any size, with circles, self references and references to what is not drawn."""
    number = draw(st.integers(0, 300))
    random = Random(draw(st.integers(0, 10**6)))
    sizes = {f"t{at}": Size(random.randint(1, 500), random.randint(1, 900)) for at in range(number)}
    names = [*sizes, "elsewhere"]
    edges = draw(st.sampled_from([0, number // 3, number, 2 * number]))
    return sizes, [(random.choice(names), random.choice(names)) for _ in range(edges)]


def overlaps(sizes, places):
    boxes = {name: (x, y, x + sizes[name].width, y + sizes[name].height) for name, (x, y) in places.items()}
    return [
        (one, two)
        for (one, a), (two, b) in combinations(boxes.items(), 2)
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]


@settings(max_examples=25)
@given(graphs())
def test_no_two_boxes_overlap_and_all_are_inside(graph):
    sizes, edges = graph

    layout = arrange(sizes, edges)

    assert set(layout.places) == set(sizes)
    assert overlaps(sizes, {name: (round(x), round(y)) for name, (x, y) in layout.places.items()}) == []
    for name, (x, y) in layout.places.items():
        assert x >= 0
        assert y >= -1e-6
        assert x + sizes[name].width <= layout.width + 1e-6
        assert y + sizes[name].height <= layout.height + 1e-6


@settings(max_examples=25)
@given(graphs())
def test_the_same_graph_has_the_same_layout_in_whatever_order_it_is_given(graph):
    sizes, edges = graph

    assert arrange(dict(reversed(sizes.items())), edges[::-1]) == arrange(sizes, edges)


@settings(max_examples=25)
@given(graphs())
def test_a_long_line_leads_through_columns_and_not_through_boxes(graph):
    sizes, edges = graph
    layout = arrange(sizes, edges)

    for crossings in layout.ways.values():
        for each in crossings:
            under = [
                name
                for name, (x, y) in layout.places.items()
                if x < each.x + each.width and each.x < x + sizes[name].width and y < each.y < y + sizes[name].height
            ]
            assert under == []


def test_what_is_referred_to_stands_at_the_left():
    sizes = {name: Size(100, 40) for name in ("a", "b", "c")}

    layout = arrange(sizes, [("c", "b"), ("b", "a")])

    assert [layout.places[name][0] for name in "abc"] == [0, 100 + GAP_X, 2 * (100 + GAP_X)]


def test_three_hundred_tables_that_all_refer_to_each_other_end():
    sizes = {f"t{number}": Size(100, 40) for number in range(300)}
    edges = [(f"t{number}", f"t{number * 7 % 300}") for number in range(300)]

    layout = arrange(sizes, edges)

    assert overlaps(sizes, layout.places) == []


def test_nothing_has_no_size():
    layout = arrange({}, [])

    assert (layout.width, layout.height) == (0, 0)
