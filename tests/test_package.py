"""What users get: the files of wheel and sdist, their metadata, and what an import brings with it."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TREE = (ROOT / "privproc").is_dir()
NOT_THE_TREE = pytest.mark.skipif(not TREE, reason="runs against the installed wheel: there is nothing to build")
LICENSES = {"LICENSE", "LICENSE-APACHE", "LICENSE-MIT"}
GENERATED = {"__pycache__", "_build", ".hypothesis", "node_modules", "target"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist, made in this process: the backend needs neither network nor installation."""
    from hatchling import build

    folder, before = tmp_path_factory.mktemp("dist"), Path.cwd()
    os.chdir(ROOT)
    try:
        return folder / build.build_wheel(str(folder)), folder / build.build_sdist(str(folder))
    finally:
        os.chdir(before)


def files(*folders: str) -> set[str]:
    """What of the tree is no product of a run."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    names = (path.relative_to(ROOT) for path in found)
    return {name.as_posix() for name in names if not GENERATED & set(name.parts) and name.suffix != ".pyc"}


@NOT_THE_TREE
def test_the_wheel_has_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    meta = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert names == files("privproc") | meta | {f"{info}/licenses/{name}" for name in LICENSES}
    assert "privproc/py.typed" in names
    assert all(name.endswith((".py", "py.typed")) for name in names if name.startswith("privproc/"))


@NOT_THE_TREE
def test_the_sdist_has_sources_tests_vectors_and_docs(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    alone = {"pyproject.toml", "README.md", "PKG-INFO", ".gitignore", *LICENSES}
    alone |= {".github/SECURITY.md", ".github/CONTRIBUTING.md"}
    assert names == files("privproc", "tests", "vectors", "docs", ".ci") | alone


@NOT_THE_TREE
def test_metadata_is_complete(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (it for it in wheel.namelist() if it.endswith("/METADATA"))
        metadata = email.message_from_bytes(wheel.read(name))
        (name,) = (it for it in wheel.namelist() if it.endswith("/entry_points.txt"))
        assert wheel.read(name).decode().split() == ["[console_scripts]", "privproc", "=", "privproc.cli.main:main"]
    assert metadata["License-Expression"] == "Apache-2.0 OR MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Requires-Python"] == ">=3.11"
    for field in ("Summary", "Keywords", "Author"):
        assert metadata[field]
    hard = [it for it in metadata.get_all("Requires-Dist", []) if "extra ==" not in it]
    assert [re.split("[<>=]", it)[0] for it in hard] == ["cbor2", "cryptography", "pycryptodome", "pyopenssl"]
    assert set(metadata.get_all("Provides-Extra", [])) == {"fast", "test"}


def loaded(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after ``statement``, and hadn't before."""
    code = (
        f"import sys, json; before = set(sys.modules); {statement}; print(json.dumps(list(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def top(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} - sys.stdlib_module_names


# A time would depend on the machine. These bounds are on what costs it: modules, about a third above today's.


@pytest.mark.loopback
def test_the_package_itself_imports_no_layer() -> None:
    assert loaded("import privproc") == {"privproc"}


@pytest.mark.loopback
def test_ohttp_needs_the_crypto_library_alone() -> None:
    modules = loaded("import privproc.ohttp")
    assert top(modules) - {"_cffi_backend", "_openssl"} == {"privproc", "cryptography"}  # theirs
    assert not any(name.startswith("cryptography.x509") for name in modules)
    assert len(modules) <= 210


@pytest.mark.loopback
def test_session_loads_no_tool() -> None:
    modules = loaded("import privproc.session")
    assert not {name for name in modules if name.startswith(("privproc.cli", "privproc.vectors", "privproc.rotation"))}
    assert not {"argparse", "sqlite3", "unittest", "asyncio"} & top(
        modules | {name for name in modules if "." not in name}
    )
    assert len(modules) <= 520
