"""What `doctor` prints."""

from __future__ import annotations

from dbmigrate.diagnostics.values import ok
from dbmigrate.output import doctor as output


def test_addresses_of_others_are_left_out_of_a_report() -> None:
    found = (
        ok("DNS", "db.example.com is 10.20.30.40, 2001:db8::7"),
        ok("TCP", "[2001:db8::7]:5432 accepts connections"),
        ok("TCP", "127.0.0.1:5432 accepts connections at 12:34:56, version 13.4"),
    )

    lines = list(output.report(output.Answer("", "", (), found, (), {"db.example.com": "HOST"})))

    assert lines[2:5] == [
        "ok      DNS: HOST is ADDRESS, ADDRESS",
        "ok      TCP: [ADDRESS]:5432 accepts connections",
        "ok      TCP: 127.0.0.1:5432 accepts connections at 12:34:56, version 13.4",
    ]
