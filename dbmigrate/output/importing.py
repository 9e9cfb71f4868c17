"""The answer of ``import``, for people and for programs. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dbmigrate.output import drift as differences
from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.api.importer import Imported
    from dbmigrate.importing.convert import NewFile
    from dbmigrate.importing.records import Record
    from dbmigrate.importing.values import Judgement


def lines(found: Imported, *, is_dry: bool) -> Iterator[str]:
    """Old -> new, what was decided, what the old table says, and the count."""
    conversion = found.conversion
    states = {record.file.name: record for record in found.records}
    for file in conversion.files:
        yield text.one_line(f"{file.migration.path} -> {conversion.directory}/{file.name}{_state(file, states)}")
    yield from (text.one_line(f"left out: {path}: {why}") for path, why in conversion.left_out.items())
    yield from (text.one_line(f"note: {_described(each)}") for each in conversion.judgements)
    yield from (text.one_line(f"note: {each}") for each in found.notes)
    for key, value_ in found.settings.items():
        yield f'{"would be set" if is_dry else "set"} in the project file: {key} = "{value_}"'
    if found.records:
        yield from _history(found, is_dry=is_dry)
    new = sum(not file.is_there for file in conversion.files)
    there = len(conversion.files) - new
    done = "would be written" if is_dry else "written"
    yield f"{conversion.tool}: {text.count(new, 'file')} {done}" + (f", {there} there already" if there else "")


def value(found: Imported, *, is_dry: bool) -> dict[str, object]:
    """The same as JSON."""
    conversion = found.conversion
    states = {record.file.name: record for record in found.records}
    return {
        "tool": conversion.tool,
        "dry_run": is_dry,
        "directory": conversion.directory,
        "files": [
            {
                "old": file.migration.path,
                "old_version": file.migration.version,
                "new": file.name,
                "version": file.version or None,
                "written": not (file.is_there or is_dry),
                "state": states[file.name].state.value if file.name in states else None,
            }
            for file in conversion.files
        ],
        "left_out": dict(conversion.left_out),
        "judgements": [
            {"message": each.message, "place": _place(each), "hint": each.hint} for each in conversion.judgements
        ],
        "notes": list(found.notes),
        "settings": dict(found.settings),
        "history": found.table or None,
        "recorded": list(found.adopted),
        "verified": found.verified,
        "drift": differences.value(found.drift) if found.drift else None,
    }


def _history(found: Imported, *, is_dry: bool) -> Iterator[str]:
    if found.drift:
        accepted = found.drift.differences
        yield from (text.one_line(f"accepted: {each.sentence}") for each in accepted)
        yield from (text.one_line(f"note: {each}") for each in found.drift.notes)
        if not accepted:
            yield "proof: the applied files make what the database has"
    if found.verified:
        yield f"proof: {text.count(found.verified, 'checksum')} of {found.table} agree with the files"
    states = Counter(record.state.value for record in found.records)
    yield f"{found.table}: " + ", ".join(f"{number} {state}" for state, number in states.items())
    if not is_dry:
        yield f"recorded as applied: {len(found.adopted)}"


def _state(file: NewFile, records: dict[str, Record]) -> str:
    record = records.get(file.name)
    said = [record.state.value] if record else []
    said += ["there already"] if file.is_there else []
    return f" ({', '.join(said)})" if said else ""


def _described(found: Judgement) -> str:
    return f"{found.place}: {found.message}" if found.place else found.message


def _place(found: Judgement) -> str | None:
    return str(found.place) if found.place else None
