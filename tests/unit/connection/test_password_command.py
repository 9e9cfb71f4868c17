"""A command that prints a password: its limits."""

from __future__ import annotations

import pytest

from dbmigrate.connection.password_command import PasswordCommand
from dbmigrate.errors import ConfigError
from tests.support.children import eventually


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path) -> None:
    asked = PasswordCommand(f"sleep 60 & echo $! >{tmp_path}/pid; wait", origin="here", environ={}, seconds=0.3)

    with pytest.raises(ConfigError, match=r"here: the password command did not end within 0.3 s") as caught:
        asked.password()

    assert caught.value.code == "E224"
    pid = int((tmp_path / "pid").read_text())
    assert eventually(lambda: _is_over(pid), seconds=10)


def _is_over(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_what_a_grandchild_keeps_open_is_not_waited_for() -> None:
    asked = PasswordCommand("sleep 5 & echo word", origin="here", environ={"PATH": "/usr/bin:/bin"})

    assert asked.password() == "word"


def test_an_old_answer_is_asked_for_again_before_it_expires(tmp_path) -> None:
    command = f"echo asked >>{tmp_path}/asked; wc -l <{tmp_path}/asked"
    young = PasswordCommand(command, origin="here", environ={"PATH": "/usr/bin:/bin"})
    old = PasswordCommand(command, origin="here", environ={"PATH": "/usr/bin:/bin"}, lasts=0.0)

    assert [young.password().strip() for _ in range(3)] == ["1", "1", "1"]
    assert [old.password().strip() for _ in range(2)] == ["2", "3"]
