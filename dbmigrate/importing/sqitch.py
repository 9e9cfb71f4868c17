"""Sqitch: a plan, and a deploy, a revert and a verify script for each change, run by psql.

The table keeps the id of each change, made of its line in the plan and all before it, and the SHA-1 of its script.
"""

from __future__ import annotations

import re
from posixpath import join, normpath
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.importing import variables
from dbmigrate.importing.psql_scripts import convert
from dbmigrate.importing.sqitch_plan import read_plan
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text, sums_of
from dbmigrate.importing.values import ForeignMigration, HistoryTable, Judgement, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.importing.sqitch_plan import Plan, PlannedChange
    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, Query, Source, SourceFile

_PLAN = "sqitch.plan"
_CONF = "sqitch.conf"
_COLUMNS = frozenset(("change_id", "change", "project", "planned_at", "committed_at"))
_SECTION = re.compile(r'\s*\[\s*([\w.-]+)(?:\s+"([^"]*)")?\s*\]\s*(?:[#;].*)?')
_SETTING = re.compile(r"\s*([\w-]+)\s*=\s*(.*?)\s*")
_ID = "change id"


class Sqitch:
    """See `values.Tool`."""

    name = "sqitch"

    def recognises(self, source: Source) -> bool:
        return any(file_name(file.path) == _PLAN for file in source.files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        project = _project(source, answers)
        left_out = {
            path: "a verify script, which has no counterpart" for path in project.files if _below(path, project.verify)
        }
        migrations = []
        skipped = answers.skip | set(answers.options.get("skip", "").split(","))  # a change may have no file to name
        for position, change in enumerate(project.plan.changes):
            path = _script(project, project.deploy, change)
            if {path, change.name} & skipped:
                left_out[path] = "left out, as asked"
            else:
                migrations.append(_migration(project, change, position))
        used = {each.path for each in migrations} | set(left_out)
        left_out |= {
            path: "the plan does not name it"
            for path in project.files
            if _below(path, project.deploy) and path not in used
        }
        return variables.settled(Reading(tuple(migrations), left_out))

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        """The table of what is deployed; the one of events has other columns."""
        return set(table.columns) >= _COLUMNS and "event" not in table.columns

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """What is deployed now, and what failed since. Raises ConfigError E205 where a project has to be named."""
        project = _project_of(query, table, answers)
        script_hash = "script_hash" if "script_hash" in table.columns else "null"
        where = "project = '" + project.replace("'", "''") + "'"
        rows = query(
            f"select change_id, change, {script_hash}, committed_at, committer_name, committer_email"
            f" from {qualified(table)} where {where} order by committed_at"
        )
        deployed = tuple(_row(*row) for row in rows)
        return (*deployed, *_failed(query, table, where, frozenset(row.key for row in deployed)))

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """By the id; where the plan was edited since, by the name and the same script."""
        if row.key in (migration.sums.get(_ID), migration.sums.get(f"{_ID} (old)")):
            return True
        return row.name == migration.name and row.checksum is not None and row.checksum in _script_sums(migration)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Whether the deploy script is the one that ran. An upgraded registry has the id where the sum should be."""
        if row.checksum is None or row.checksum == row.key:
            return None
        return row.checksum in _script_sums(migration)


TOOL = Sqitch()


@frozen
class _Project:
    """A project: its plan, where its scripts are, and its variables."""

    source: Source
    plan: Plan
    text: Text
    files: Mapping[str, SourceFile]
    variables: Mapping[str, str]
    extension: str
    deploy: str
    revert: str
    verify: str


def _project(source: Source, answers: Answers) -> _Project:
    settings = _settings(source)
    plans = [file for file in source.files if file_name(file.path) == file_name(settings.get("core.plan_file", _PLAN))]
    if not plans:
        raise ConfigError(f"{source.directory} has no {_PLAN}", code="E205", hint="name the directory that holds it")
    plan_file = min(plans, key=lambda file: (file.path.count("/"), file.path))
    text = read_text(source, plan_file)
    top = settings.get("core.top_dir") or folder(plan_file.path)
    places = {kind: normpath(settings.get(f"core.{kind}_dir") or join(top, kind)) for kind in _KINDS}
    configured = {
        name.rpartition(".")[2]: value
        for name, value in settings.items()
        if re.match(r"(core|deploy)\.variables\.", name)
    }
    return _Project(
        source=source,
        plan=read_plan(text),
        text=text,
        files={file.path: file for file in source.files},
        variables={**configured, **answers.placeholders},
        extension=settings.get("core.extension", "sql"),
        **places,
    )


_KINDS = ("deploy", "revert", "verify")


def _settings(source: Source) -> Mapping[str, str]:
    """``core.top_dir``, ``deploy.variables.NAME``; what the section of PostgreSQL's engine says comes first."""
    found: dict[str, str] = {}
    engine: dict[str, str] = {}
    for file in source.files:
        if file_name(file.path) != _CONF:
            continue
        section = ""
        for line in read_text(source, file).text.splitlines():
            if head := _SECTION.fullmatch(line):
                section = ".".join(filter(None, head.groups()))
            elif (setting := _SETTING.fullmatch(line)) and not line.lstrip().startswith(("#", ";")):
                target = engine if section == "engine.pg" else found
                name = "core" if section == "engine.pg" else section
                target[f"{name}.{setting[1]}"] = setting[2].strip('"')
    return {**found, **engine}


def _below(path: str, directory: str) -> bool:
    return path.startswith(f"{directory}/")


def _script(project: _Project, directory: str, change: PlannedChange) -> str:
    """A reworked change's scripts are called after the first tag behind it for which there is one."""
    if not change.is_reworked:
        return f"{directory}/{change.name}.{project.extension}"
    names = [f"{change.name}@{tag}.{project.extension}" for tag in change.tags]
    there = [name for name in names if f"{project.deploy}/{name}" in project.files]
    return f"{directory}/{(there or names or [f'{change.name}@.{project.extension}'])[0]}"


def _migration(project: _Project, change: PlannedChange, position: int) -> ForeignMigration:
    path = _script(project, project.deploy, change)
    if path not in project.files:
        raise project.text.error(
            f"the plan names {change.name}, and {path} is missing", change.line, hint=f"--option skip={change.name}"
        )
    up = convert(project.source, project.files[path], project.variables)
    revert = project.files.get(_script(project, project.revert, change))
    down = convert(project.source, revert, project.variables) if revert else None
    sums = {**sums_of(project.files[path].content, "sha1"), _ID: change.id, f"{_ID} (old)": change.old_id}
    return ForeignMigration(
        version=_version(project, change),
        name=change.name,
        path=path,
        ups=(up.part,),
        downs=(down.part,) if down else None,
        sort_key=(position,),
        sums=sums,
        judgements=(*up.judgements, *(down.judgements if down else ()), *_dependencies(project, change)),
        stamp=change.stamp,
        depends=tuple(_required(project, change, position)),
    )


def _version(project: _Project, change: PlannedChange) -> str:
    """The change's name; of one that was reworked, with the tag in the names of its scripts."""
    if not change.is_reworked:
        return change.name
    return _script(project, project.deploy, change)[len(project.deploy) + 1 :].removesuffix(f".{project.extension}")


def _required(project: _Project, change: PlannedChange, position: int) -> Iterator[str]:
    """The versions that a change requires; of a name that is there twice, the one before the tag, or the last."""
    for each in change.depends:
        name, _, tag = each.removeprefix(f"{project.plan.project}:").partition("@")
        earlier = [other for other in project.plan.changes[:position] if other.name == name]
        tagged = [other for other in earlier if tag in other.tags]
        if not each.startswith("!") and earlier:
            yield _version(project, (tagged or earlier)[-1])


def _dependencies(project: _Project, change: PlannedChange) -> Iterator[Judgement]:
    """The order of the plan keeps what is required inside of it."""
    place = project.text.place(change.line)
    for each in change.depends:
        name = each.lstrip("!")
        if each.startswith("!"):
            yield Judgement(f"{change.name} conflicts with {name}, which is not kept", place)
        elif ":" in name and not name.startswith(f"{project.plan.project}:"):
            yield Judgement(f"{change.name} requires {name} of another project, which is not kept", place)


def _script_sums(migration: ForeignMigration) -> tuple[str, ...]:
    return tuple(value for name, value in migration.sums.items() if name.startswith("sha1"))


# -------------------------------------------------------------------------------------------------------------- history


def _project_of(query: Query, table: HistoryTable, answers: Answers) -> str:
    found = [str(project) for (project,) in query(f"select distinct project from {qualified(table)} order by 1")]
    if answers.service is not None:
        return answers.service
    if len(found) > 1:
        raise ConfigError(
            f"{table.schema}.{table.name} holds several projects: {', '.join(found)}",
            code="E205",
            hint=f"say which one it is, as in `--service {found[0]}`",
        )
    return found[0] if found else ""


def _row(*columns: object) -> Row:
    change_id, change, script_hash, committed_at, name, mail = columns
    return Row(
        key=str(change_id),
        state=State.APPLIED,
        applied_at=moment(committed_at),
        applied_by=f"{name} <{mail}>",
        checksum=str(script_hash) if script_hash is not None else None,
        name=str(change),
    )


def _failed(query: Query, table: HistoryTable, where: str, deployed: frozenset[str]) -> tuple[Row, ...]:
    """Changes whose last event is a failure: psql may have left a part of one that has no BEGIN."""
    events = HistoryTable(table.schema, "events", ())
    if not query("select 1 where to_regclass('" + qualified(events).replace("'", "''") + "') is not null"):
        return ()
    rows = query(
        f"select distinct on (change_id) change_id, change, event, committed_at from {qualified(events)}"
        f" where {where} order by change_id, committed_at desc"
    )
    return tuple(
        Row(str(key), State.PENDING, moment(at), name=str(name), remark="its last deploy failed")
        for key, name, event, at in rows
        if event == "fail" and str(key) not in deployed
    )
