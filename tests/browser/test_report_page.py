"""The report in a real browser: what it asks for, what it shows, by keyboard, on paper, without its script."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbmigrate.reporting import page, schema
from tests.support import hostile, png, reports

MEASURES = (Path(__file__).parent / "measures.js").read_text(encoding="utf-8")


def opened_details(tab):
    """Everything that a reader can unfold."""
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    tab.evaluate(MEASURES)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tables", [15, 60, 300])
def test_a_page_is_quiet_legible_and_reachable(shown, tables, scheme, width):
    tab = shown(page.write(reports.report(tables)), width=width, scheme=scheme)

    assert len(tab.requests) == 1  # the file itself
    assert tab.messages == []
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= width
    opened_details(tab)
    for measure in ("overlaps", "contrast", "unreachable", "unnamed", "unlabelled"):
        assert tab.evaluate(f"measures.{measure}()") == [], measure
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_two(shown, scheme):
    tab = shown(page.write(reports.report(15)), scheme=scheme)

    lightness = tab.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)"
    )

    assert (sum(lightness) > 600) is (scheme == "light")


def test_hostile_names_run_nothing_and_ask_for_nothing(shown):
    tab = shown(page.write(hostile.report()))

    assert len(tab.requests) == 1
    assert tab.messages == []
    assert tab.evaluate("document.scripts.length") == 2
    assert tab.evaluate("document.images.length") == 0
    opened_details(tab)
    for measure in ("overlaps", "contrast"):
        assert tab.evaluate(f"measures.{measure}()") == [], measure


def test_what_would_be_loaded_is_refused(shown):
    """The policy holds even where something gets into the page."""
    tab = shown(
        page.write(reports.report(1)).replace("<main>", "<main><img src=http://evil.example/><script>x=1</script>")
    )

    assert tab.evaluate("typeof x") == "undefined"
    assert [url for url in tab.requests if "evil" in url] == []
    assert any("Content Security Policy" in each for each in tab.messages)


FIRST = "public.orders_0"


def chosen(tab):
    """The table that the third picture shows, and those around it."""
    return tab.evaluate("[...document.querySelectorAll('#ego .n')].map(each => each.textContent)")


def test_a_table_is_found_by_its_name_with_the_keyboard_alone(shown):
    tab = shown(page.write(reports.report(300)))
    for _ in range(200):
        tab.press("Tab", code=9)
        if tab.evaluate("document.activeElement.id") == "q":
            break
    tab.type("invoices_1")
    assert "~ invoices_1" in chosen(tab)

    tab.evaluate("document.getElementById('q').select()")
    tab.type("LEDGERS_5")  # a part of a name, in other letters
    tab.press("Enter", code=13)
    assert "ledgers_5" in chosen(tab)

    neighbours = set(chosen(tab)) - {"ledgers_5"}
    assert neighbours
    for _ in range(3):
        tab.press("Tab", code=9)
        if tab.evaluate("document.activeElement.getAttribute('role')") == "button":
            break
    name = tab.evaluate("document.activeElement.getAttribute('aria-label')")
    assert name in neighbours
    tab.press("Enter", code=13)
    assert tab.evaluate("document.getElementById('q').value") == name


def test_a_hub_is_legible_with_everything_that_refers_to_it(shown):
    tab = shown(page.write(reports.report(300)), hash_=f"#t={FIRST}")

    assert len(chosen(tab)) > 20
    tab.evaluate(MEASURES)
    assert tab.evaluate("measures.overlaps()") == []
    assert tab.evaluate("measures.contrast()") == []


def test_a_link_and_a_click_show_a_table(shown):
    tab = shown(page.write(reports.report(15)), hash_="#t=public.shipments_4")
    assert "+ shipments_4" in chosen(tab)

    box = "document.querySelector('[data-t=\"public.users_2\"] text')"
    tab.evaluate(f"{box}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")

    assert "~ users_2" in chosen(tab)
    assert tab.evaluate("location.hash") == "#t=public.users_2"


def test_it_reads_without_its_script(shown, browser, tmp_path):
    (tmp_path / "report.html").write_text(page.write(reports.report(15)))
    tab = browser.tab()
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open((tmp_path / "report.html").as_uri())

    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    said = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)

    for words in (
        "Environments",
        "production",
        "What changes",
        "table public.shipments_4",
        "All tables, with their keys",
    ):
        assert words in said


def test_it_prints_everything_that_can_be_unfolded(shown):
    tab = shown(page.write(reports.report(300)), scheme="dark")
    seen = "[...document.querySelectorAll('details svg, details pre')].every(each => each.checkVisibility())"
    assert not tab.evaluate(seen)

    assert tab.pdf().startswith(b"%PDF")
    tab.call("Emulation.setEmulatedMedia", media="print")

    assert tab.evaluate(seen)
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.getElementById('q').closest('p')).display") == "none"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_picture_of_it_shows_something(shown, width):
    tab = shown(page.write(reports.report(60)), width=width)

    assert not png.is_empty(tab.screenshot(scale=0.2))


def test_long_names_and_wide_letters_stay_in_their_boxes(shown):
    before, after = reports.CatalogMaker(), reports.CatalogMaker()
    for number, letter in enumerate(("m", "長", "i", "ß", "🐘")):
        name = f'public."{letter * (63 // len(letter.encode()))}"'
        after.table(name, {"id": letter * 15, f'"{letter * 20}"': f"numeric({number})[]" * 4})
    made = replace(reports.report(0), schema=schema.of(before.catalog(), after.catalog()))
    tab = shown(page.write(made))

    opened_details(tab)
    assert tab.evaluate("measures.overlaps()") == []


@pytest.mark.parametrize("given", [{}, {"schema": None, "measured": None}, {"pending": (), "lanes": ()}])
def test_a_page_of_nothing_is_quiet(shown, given):
    tab = shown(page.write(replace(reports.report(0), **given)), hash_="#t=%")

    assert len(tab.requests) == 1
    assert tab.messages == []
