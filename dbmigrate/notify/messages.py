"""A notice as the request that its receiver understands.

Slack: https://api.slack.com/messaging/webhooks, with ``& < >`` escaped: ``<!channel>`` in a file name would ring
everybody. Teams: a workflow takes an adaptive card of at most 28 kB. JSON: signed as Standard Webhooks says,
https://www.standardwebhooks.com: the receiver can prove who sent it and when, and knows one that is repeated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from dbmigrate.frozen import frozen
from dbmigrate.notify import notices
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.notify.notices import Notice

__all__ = ["Message", "format_of", "key", "message", "signature"]

_PREFIX = "whsec_"
_LONGEST_SLACK, _LONGEST_TEAMS = 2900, 20_000  # characters
_TEAMS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com", ".powerautomate.com")


@frozen
class Message:
    """The body of a POST request, with its headers."""

    body: bytes
    headers: Mapping[str, str]


def format_of(host: str) -> str:
    """Which receiver it is, by its host."""
    name = host.lower()
    if name == "hooks.slack.com" or name.endswith(".slack.com"):
        return "slack"
    return "teams" if name.endswith(_TEAMS) else "json"


def message(notice: Notice, form: str, secret: bytes | None) -> Message:
    """The request in this form; JSON is signed if there is a secret."""
    now = datetime.now(UTC)
    value = {"slack": _slack, "teams": _teams}[form](notice) if form != "json" else _json(notice, now)
    body = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": f"dbmigrate/{__version__}"}
    if form == "json":
        identity, stamp = f"msg_{uuid4().hex}", int(now.timestamp())
        headers |= {"webhook-id": identity, "webhook-timestamp": str(stamp)}
        if secret is not None:
            headers["webhook-signature"] = signature(secret, identity, stamp, body)
    return Message(body, headers)


def key(secret: str) -> bytes:
    """The key in a secret of the form ``whsec_...``. Raises ValueError."""
    try:
        found = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as exc:
        raise ValueError("the secret is not base64") from exc
    if not found:
        raise ValueError("the secret is empty")
    return found


def signature(secret: bytes, identity: str, stamp: int, body: bytes) -> str:
    """``v1,`` and the HMAC-SHA256 of what is sent."""
    signed = hmac.new(secret, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _json(notice: Notice, now: datetime) -> Mapping[str, object]:
    kind = notice.occasion.value.replace("-", "_")
    return {
        "type": f"dbmigrate.run.{kind}",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "data": notices.data(notice),
    }


def _slack(notice: Notice) -> Mapping[str, object]:
    text = notices.words(notice).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = text[:_LONGEST_SLACK]
    return {
        "text": shown.partition("\n")[0],
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": shown}}],
    }


def _teams(notice: Notice) -> Mapping[str, object]:
    # a text block knows links: [text](address)
    text = notices.words(notice).replace("[", "(").replace("]", ")")[:_LONGEST_TEAMS]
    blocks = [{"type": "TextBlock", "text": line, "wrap": True} for line in text.split("\n")]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        ],
    }
