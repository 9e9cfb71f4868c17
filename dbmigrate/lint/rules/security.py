"""L16x: secrets, personal data and rights."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import statement_rule
from dbmigrate.lint.sql.reading import is_text, read, text_of
from dbmigrate.lint.sql.shape import Changes, Copy, CreateRoutine, Grant, Role
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import StatementContext
    from dbmigrate.sql import Word

# Every expression below takes linear time, because a migration may hold a megabyte without a blank: none of them begins
# with a repetition that could start again at each character (`[\w.]+@`). What is left of a sign is matched from the
# sign, and a possessive `++` does not give back what it has matched.

# what keys of well-known services, tokens and private keys look like
_KEYS = re.compile(
    r"AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40}|glpat-[A-Za-z0-9_-]{20}"
    r"|sk_live_[A-Za-z0-9]{16}|rk_live_[A-Za-z0-9]{16}|sk-[A-Za-z0-9_-]{32}|xox[abprs]-[A-Za-z0-9-]{10}"
    r"|AIza[0-9A-Za-z_-]{35}|SG\.[A-Za-z0-9_-]{16}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{32}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.|-----BEGIN [A-Z ]{,40}PRIVATE KEY-----"
).search
_URL_PASSWORD = re.compile(r"(?<=[a-z0-9+.-])://[^\s:/@]++:([^\s/@]++)@", re.IGNORECASE).search
_CONNECTION_PASSWORD = re.compile(r"\bpassword\s*+=\s*+[^\s'\\]", re.IGNORECASE).search
_PLACEHOLDERS = re.compile(
    r"[<\[{$%*]|\bx{3,}+\b|change_?me|example|placeholder|redacted|secret_here", re.IGNORECASE
).search

_MAIL = re.compile(r"(?<=[\w.+%-])@((?:[\w-]++\.)+[A-Za-z]{2,})").finditer
# reserved for examples (RFC 2606, RFC 6761), and what people write when they make one up
_MADE_UP = re.compile(r"(^|\.)(example|test|invalid|localhost|local|acme|foo|bar)(\.|$)", re.IGNORECASE).search
# the address of an office, not of a person
_OFFICE = re.compile(
    r"(?:^|[^\w.+%-])(?:abuse|admin|billing|contact|hello|help|info|mail|no-?reply|office|postmaster|root|sales|security"
    r"|service|support|system|team|test|webmaster)$",
    re.IGNORECASE,
).search
_FIELDS = re.compile(r"[\t\n]").split
_LONGEST_VALUE = 200  # characters
_CARD = re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])").finditer
_SSN = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])").search
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b").finditer

_OUTSIDE = "set it outside the migrations (ALTER ROLE by hand, or a secret store), and change it: git keeps this one"


@statement_rule("L161", "secret", "a password, key or token in the file", Severity.ERROR)
def secret(context: StatementContext) -> Iterator[Finding]:
    """L161; the message does not repeat it, and no excerpt shows it."""
    for what, word in _secrets(context.unit.sql, isinstance(context.shape, Role)):
        if _is_of_file(context, word):
            yield Finding(word.start, f"the file contains {what}", _OUTSIDE)


def secret_words(context: StatementContext) -> Iterator[Word]:
    """The literals that hold secrets."""
    for _, word in _secrets(context.unit.sql, isinstance(context.shape, Role)):
        if _is_of_file(context, word):
            yield word


def _is_of_file(context: StatementContext, word: Word) -> bool:
    """Whether a literal stands in the file, and not for a variable of it."""
    filled = context.unit.statement.filled
    return filled is None or not filled.is_value(context.unit.offset + word.start)


@lru_cache(maxsize=1)  # called twice for each statement: by the rule, and to hide secrets in excerpts
def _secrets(sql: str, is_role: bool) -> tuple[tuple[str, Word], ...]:  # noqa: FBT001  a key of the cache
    words = read(sql).words
    has_options = [word.text for word in words[1:3]] == ["USER", "MAPPING"]  # OPTIONS (password '..')
    found = []
    for before, word in pairwise((None, *words)):
        if word is None or not is_text(word.text):
            continue
        text = text_of(word.text)
        if before and before.text == "PASSWORD" and text and (is_role or has_options):
            found.append(("a password", word))
        elif what := _kind_of_secret(text, is_quoted=not word.text.startswith("$")):
            found.append((what, word))
    return tuple(found)


def _kind_of_secret(text: str, *, is_quoted: bool) -> str | None:
    if _KEYS(text):
        return "an API key, token or private key"
    if (found := _URL_PASSWORD(text)) and not _PLACEHOLDERS(found[1]):
        return "a URL with a password"
    return "a connection string with a password" if is_quoted and _CONNECTION_PASSWORD(text) else None


@statement_rule("L162", "personal-data", "personal data in the file")
def personal_data(context: StatementContext) -> Iterator[Finding]:
    """One finding per statement, in literals and in the beginning of COPY data."""
    if not isinstance(context.shape, Changes | Copy):
        return
    for word in read(context.unit.sql).words:
        what = _personal(text_of(word.text)) if is_text(word.text) else None
        if what:
            yield Finding(word.start, f"the file contains {what}", _NOT_HERE)
            return
    for part in context.unit.statement.copy_data or ():
        what = next((kind for field in _FIELDS(part) if (kind := _personal(field))), None)
        if what:
            yield Finding(0, f"the data of this COPY contains {what}", _NOT_HERE)
            return


_NOT_HERE = "load personal data from its source; migrations are on every laptop, and git keeps them"


def _personal(text: str) -> str | None:
    if len(text) > _LONGEST_VALUE:  # a document: a template, terms of use, a page
        return None
    if any(not _MADE_UP(found[1]) and not _OFFICE(text[: found.start()]) for found in _MAIL(text)):
        return "an e-mail address"
    if any(_is_card(found[0]) for found in _CARD(text)):
        return "a card number"
    if any(_is_iban(found[0]) for found in _IBAN(text)):
        return "a bank account"
    return "a social security number" if _SSN(text) else None


def _is_card(text: str) -> bool:
    """Luhn's sum, and a first digit that card issuers have."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return digits[0] in (3, 4, 5, 6) and len(set(digits)) > 2 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 13616: the number modulo 97 is 1."""
    bare = text.replace(" ", "")
    number = "".join(str(int(letter, 36)) for letter in bare[4:] + bare[:4])
    return int(number) % 97 == 1


@statement_rule("L163", "grant-all", "more rights than are needed", most=3)
def grants_much(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if isinstance(shape, Grant) and shape.on and not _TRUSTED.union(context.catalog.owners).issuperset(shape.to):
        writes = {"INSERT", "UPDATE", "DELETE", "TRUNCATE", "CREATE", "TRIGGER"} & set(shape.rights)
        if shape.rights[:1] == ("ALL",):
            yield Finding(0, f"GRANT ALL on {shape.on.lower()} gives more rights than needed", _FEW)
        elif "public" in shape.to and writes:
            yield Finding(0, f"every role may {' and '.join(sorted(writes))} on {shape.on.lower()}", _FEW)
    elif isinstance(shape, Role) and shape.name not in _TRUSTED:
        rights = [word for word in ("SUPERUSER", "BYPASSRLS", "REPLICATION") if word in shape.words]
        if rights:
            yield Finding(0, f"the role {shape.name} gets {' and '.join(rights)}: it can bypass permissions", _FEW)


# who has all rights anyway: the owner, and the roles that Supabase's own files grant everything to, because there the
# policies of a table are what guards its rows (https://supabase.com/docs/guides/database/postgres/roles)
_TRUSTED = frozenset(
    re.findall(
        r"\w+",
        "anon authenticated service_role postgres supabase_admin supabase_auth_admin supabase_storage_admin "
        "dashboard_user current_user session_user current_role",
    )
)
_FEW = "name the rights that are needed: SELECT, INSERT, .."


@statement_rule("L164", "definer-without-path", "SECURITY DEFINER without a search_path")
def definer_without_path(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if isinstance(shape, CreateRoutine):
        pairs = set(pairwise(shape.words))
        if ("SECURITY", "DEFINER") in pairs and ("SET", "SEARCH_PATH") not in pairs:
            yield Finding(
                0,
                f"{shape.name} has its owner's rights but its caller's search_path: a caller chooses what it uses",
                "add SET search_path = pg_catalog, pg_temp (and the schemas that it needs)",
            )
