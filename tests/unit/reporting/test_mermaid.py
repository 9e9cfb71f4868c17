"""Tables as Mermaid: names and types that its syntax cannot hold are made to fit."""

from __future__ import annotations

import re

from dbmigrate.reporting import mermaid, schema
from tests.support import hostile, reports

_NAME = r'(?:[A-Za-z_]\w*|"[^"\n`<>|{}]*")'
_LINE = re.compile(
    rf"erDiagram|    {_NAME}(?: \{{)?|    \}}"
    r'|        \w+ \w+(?: (?:PK|FK|PK, FK))?(?: "(?:added|removed|changed)")?'
    rf'|    {_NAME} \|\|--o\{{ {_NAME} : "[^"\n]*"'
)


def test_what_changes_is_in_it():
    found = schema.of(*reports.catalogs(15))

    lines = list(mermaid.er_diagram(found, found.changed))

    assert '        text note "added"' in lines
    assert '        text name "removed"' in lines
    assert '        character_varying_200 name "changed"' in lines


def test_every_line_is_of_its_grammar_whatever_the_names_are():
    for found in (schema.of(*reports.catalogs(60)), hostile.report().schema):
        lines = list(mermaid.er_diagram(found, tuple(found.tables)))

        assert [line for line in lines if not _LINE.fullmatch(line)] == []
