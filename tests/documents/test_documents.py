"""A document and its table have to agree: nothing is left out, nothing runs that needs another machine."""

from __future__ import annotations

import pytest

from tests.documents.test_dbmate_guide import STEPS as DBMATE
from tests.documents.test_flyway_docker import STEPS as FLYWAY
from tests.documents.test_many_tools import STEPS as MANY_TOOLS
from tests.documents.test_psql_scripts import STEPS as PSQL
from tests.support.documents import ELSEWHERE, Step, commands, work_through

PAGE = """\
Text with `a command` in it.

```sh
# a comment
echo one   # more
echo two \\
  three
for file in a b; do
  echo "$file"
done
cat > out.txt << 'EOF'
# not a comment

text
EOF
```

```sql
select 1;
```
"""


def test_the_commands_of_a_page_are_found() -> None:
    assert commands(PAGE) == [
        "echo one   # more",
        "echo two \\\n  three",
        'for file in a b; do\n  echo "$file"\ndone',
        "cat > out.txt << 'EOF'\n# not a comment\n\ntext\nEOF",
    ]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "each command of the page stands in the table"),
        ([Step("echo two"), Step("echo one")], "in the order of the page"),
        ([Step("echo one"), Step("docker ps")], "each command of the page"),
    ],
)
def test_a_command_that_is_not_listed_fails(place, steps, message) -> None:
    with pytest.raises(AssertionError, match=message):
        work_through("```sh\necho one\necho two\n```\n", steps, place)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step("docker ps"), "has no stand-in"),
        (Step("docker ps", "true"), "does not say why"),
        (Step("false"), "false"),
        (Step("echo one", shows=("two",)), "'two' is not in"),
        (Step("dbmate no-such-command"), "no-such-command"),
    ],
)
def test_a_step_that_does_not_hold_fails(place, step, message) -> None:
    with pytest.raises(AssertionError, match=message):
        work_through(f"```sh\n{step.typed}\n```\n", [step], place)


def test_what_cannot_run_here_has_a_stand_in_and_a_reason() -> None:
    steps = [step for table in (DBMATE, FLYWAY, MANY_TOOLS, PSQL) for step in table if isinstance(step, Step)]
    away = [step for step in steps if step.typed.split()[0] in ELSEWHERE]

    assert len(steps) > 120
    assert [step.typed for step in away if not (step.run and step.why)] == []
    assert not any(step.run.split()[:1] == [name] for step in steps for name in ELSEWHERE)
