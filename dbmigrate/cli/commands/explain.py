"""``dbmigrate explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def explain(
    call: Call,
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="For example L101, E301, W401.")] = None,
) -> None:
    """Explain a finding, an error or a warning by its code; without one, list all."""
    from dbmigrate.cli import explanations

    if code is None:
        titles = dict(explanations.every_title())
        width = max(map(len, titles))
        lines = (f"{known:<{width}}  {title}" for known, title in titles.items())
        call.renderer.answer("explain", lines, {"codes": titles})
        return
    page = explanations.explain(code)
    page_lines = (f"{page.code}: {page.title}", "", *page.body.splitlines())
    call.renderer.answer("explain", page_lines, {"code": page.code, "title": page.title, "text": page.text})
