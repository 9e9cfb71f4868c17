"""Root, who may not run a server, and everybody else."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dbmigrate.connection.programs import Search, ServerPrograms, find_server
from dbmigrate.embedded import kept_server, throwaway_server
from dbmigrate.embedded.account import COPIES
from dbmigrate.embedded.kept import ROOT_DATA
from tests.support.children import User, child
from tests.support.environment import PACKAGE_PARENT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has another account run the server")

USE_BOTH_SERVERS = """
import os, subprocess, sys
from pathlib import Path
from dbmigrate.connection.programs import Search, find_server
from dbmigrate.embedded import kept_server, throwaway_server
home, bindir = Path(os.environ["HOME"]), Path(sys.argv[1])
with throwaway_server(find_server(Search(bindir=bindir)), cache=home / "cache") as server:
    print(os.stat(f"/proc/{server.pid}").st_uid)
with kept_server(home / "db", Search(bindir=bindir)) as server:
    print(os.stat(f"/proc/{server.pid}").st_uid, server.note)
print(oct(os.stat(home / "db").st_mode & 0o777), sorted(os.listdir(home)))
"""


def server_uid(server) -> int:
    return os.stat(f"/proc/{server.pid}").st_uid


def can_run(python: str, uid: int) -> bool:
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-c", code], user=uid, cwd="/", capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.fixture
def nobody():
    entry = pwd.getpwnam("nobody")
    return User(entry.pw_uid, entry.pw_gid)


@pytest.fixture
def nobodys_python(nobody):
    """An interpreter that the account can reach: ours may lie in root's home."""
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        if can_run(python, nobody.uid):
            return python
    return pytest.skip("the account nobody can reach no Python >= 3.11")


@pytest.mark.matrix
@as_root
def test_an_ordinary_user_runs_the_server_himself(nobody, nobodys_python, open_tmp_path):
    home = open_tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.uid, nobody.gid)
    with throwaway_server(
        find_server(Search())
    ):  # as root, so that a copy of the programs is where nobody can reach it
        bindir = reachable_programs(nobody)

    # the checkout may lie in root's home, where nobody else can look
    shutil.copytree(PACKAGE_PARENT / "dbmigrate", open_tmp_path / "lib" / "dbmigrate")
    options = {"python": nobodys_python, "user": nobody, "home": home, "packages": open_tmp_path / "lib"}
    with child(USE_BOTH_SERVERS, bindir, **options) as user:
        lines = user.finish().splitlines()

    assert lines == [f"{nobody.uid}", f"{nobody.uid} None", "0o700 ['cache', 'db']"]


def reachable_programs(user: User) -> Path:
    copies = [path for path in COPIES.glob("dbmigrate-pg-*/*/*/bin")]
    for bindir in (find_server(Search()).bindir, *copies):
        if can_execute(bindir / "postgres", user):
            return bindir
    return pytest.skip("the account nobody can reach no PostgreSQL")


def can_execute(program: Path, user: User) -> bool:
    try:
        return subprocess.run([program, "--version"], user=user.uid, cwd="/", capture_output=True).returncode == 0
    except OSError:
        return False


@as_root
def test_root_has_an_ordinary_account_run_the_server(cluster_cache):
    with throwaway_server(find_server(Search()), cache=cluster_cache) as server:
        assert server_uid(server) in {pwd.getpwnam(name).pw_uid for name in ("postgres", "nobody") if account(name)}


def account(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


@pytest.mark.matrix
@as_root
def test_root_gets_a_copy_of_programs_that_only_root_can_reach(tmp_path, cluster_cache):
    wheel = find_server(Search(directories=(), path=""))
    package = wheel.bindir.parent.parent
    site = tmp_path / "site"
    site.mkdir(mode=0o700)
    for source in (package, package.with_name(f"{package.name}.libs")):
        subprocess.run(["cp", "-a", source, site], check=True)
    hidden = ServerPrograms(site / package.name / "pginstall" / "bin", wheel.version, "test")
    before = set(COPIES.glob("dbmigrate-pg-*"))

    with throwaway_server(hidden) as server, psycopg.connect(**server.conninfo()) as conn:
        assert conn.execute("select 1").fetchone() == (1,)

    (copy,) = set(COPIES.glob("dbmigrate-pg-*")) - before
    try:
        assert copy.stat().st_uid == 0
        assert stat.S_IMODE(copy.stat().st_mode) == 0o755
        assert stat.S_IMODE(site.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(copy)


@pytest.mark.matrix
@as_root
def test_data_that_roots_server_cannot_reach_is_put_elsewhere_and_said_so(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with kept_server(private / "db", Search()) as server:
        note, elsewhere = server.note, server.directory.parent
        with psycopg.connect(**server.conninfo(), autocommit=True) as conn:
            conn.execute("create table kept ()")
    try:
        with kept_server(private / "db", Search()) as server, psycopg.connect(**server.conninfo()) as conn:
            assert conn.execute("select count(*) from kept").fetchone() == (0,)

        assert note == f"the data is in {elsewhere}: root's server cannot reach {private / 'db'}"
        assert elsewhere.parent == ROOT_DATA
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert os.listdir(private) == []
    finally:
        shutil.rmtree(elsewhere)


@as_root
def test_root_uses_an_ordinary_users_data_as_that_user(open_tmp_path, nobody):
    with kept_server(open_tmp_path / "db", Search()):
        pass
    subprocess.run(["chown", "-R", f"{nobody.uid}:{nobody.gid}", open_tmp_path / "db"], check=True)

    with kept_server(open_tmp_path / "db", Search()) as server:
        assert server_uid(server) == nobody.uid
