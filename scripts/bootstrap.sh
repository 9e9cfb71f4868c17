#!/bin/sh
# Makes a virtual environment with this package (editable) and everything its tests need. Does nothing, without network
# and without a word, when that is done already and pyproject.toml has not changed since.
#
#   VENV     where (default .venv)
#   PYTHON   which interpreter (default: the first of python3, python3.14 ... python3.11 that is 3.11 or newer)
set -eu

cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
stamp=$VENV/dbmigrate-bootstrap.stamp

say() { printf '%s\n' "bootstrap: $*" >&2; }

is_fresh() {
    [ -f "$stamp" ] && [ -z "$(find pyproject.toml -newer "$stamp")" ] && [ "$(cat "$stamp")" = "$PWD" ] &&
        "$VENV/bin/python" -I -c 'from importlib.util import find_spec as f; assert f("dbmigrate") and f("pytest")' 2>/dev/null
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if is_new_enough "$python"; then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    say "installing $* with apt-get"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

# A virtual environment that an earlier attempt, or a move of this directory, left unusable. Nothing else is removed.
remove_venv() { if [ -f "$VENV/pyvenv.cfg" ]; then rm -rf "$VENV"; fi; }

has_pip() { "$VENV/bin/python" -m pip --version >/dev/null 2>&1; }

has_uv() { command -v uv >/dev/null 2>&1; }

with_uv() { has_uv && uv venv --quiet --seed --python "${PYTHON:->=3.11}" "$VENV"; }

with_venv() { "$python" -m venv "$VENV" >/dev/null 2>&1 && has_pip; }

with_system_pip() {
    "$python" -m venv --without-pip "$VENV" >/dev/null 2>&1 &&
        "$python" -m pip --python "$VENV/bin/python" install --quiet pip >/dev/null 2>&1 && has_pip
}

with_virtualenv() {
    { "$python" -m virtualenv --quiet "$VENV" || virtualenv --quiet --python "$python" "$VENV"; } >/dev/null 2>&1 && has_pip
}

with_apt() { apt_install python3 python3-venv && python=$(find_python) && with_venv; }

make_venv() {
    python=$(find_python) || python=false # every way but uv and apt-get fails then
    for way in with_uv with_venv with_system_pip with_virtualenv with_apt; do
        remove_venv
        if "$way"; then return 0; fi
    done
    remove_venv
    say "no virtual environment could be made in $VENV."
    say "Python 3.11 or newer with its venv module is needed, for example: apt-get install python3 python3-venv"
    return 1
}

install_package() {
    say "installing the package and its development tools into $VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' && # knows --group
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --editable . --group dev
}

if is_fresh; then exit 0; fi
if ! { has_pip && is_new_enough "$VENV/bin/python"; }; then
    say "making $VENV"
    make_venv
fi
install_package
printf '%s\n' "$PWD" >"$stamp"
