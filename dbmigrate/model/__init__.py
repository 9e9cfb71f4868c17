"""The values that the parts of dbmigrate exchange: places, files, history, plans. Frozen, without I/O."""

from dbmigrate.model.files import (
    Annotation,
    Batch,
    Direction,
    FileRange,
    Migration,
    MigrationFile,
    Order,
    Section,
    SortKey,
    Statement,
    StatementKind,
    leading_number,
)
from dbmigrate.model.places import Excerpt, Place, Problem, Severity
from dbmigrate.model.plans import ALL, LAST, Action, Goal, LogKind, Plan, Policy, Step, Turn, View
from dbmigrate.model.recorded import Applied, History, LogState, StepRecord, Unfinished

__all__ = [
    "ALL",
    "LAST",
    "Action",
    "Annotation",
    "Applied",
    "Batch",
    "Direction",
    "Excerpt",
    "FileRange",
    "Goal",
    "History",
    "LogKind",
    "LogState",
    "Migration",
    "MigrationFile",
    "Order",
    "Place",
    "Plan",
    "Policy",
    "Problem",
    "Section",
    "Severity",
    "SortKey",
    "Statement",
    "StatementKind",
    "Step",
    "StepRecord",
    "Turn",
    "Unfinished",
    "View",
    "leading_number",
]
