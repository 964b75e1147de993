"""Size, dependencies and import times of the installed package: run with the interpreter of a plain environment.

Times are CPU time of the child above the bare interpreter's, the least of several runs, with bytecode compiled.
"""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

RUNS = 15
MODULES = ("privproc", "privproc.ohttp", "privproc.session")


def cpu(code: str) -> float:
    def once() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-I", "-c", code], check=True)  # noqa: S603
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return min(once() for _ in range(RUNS))


def main() -> None:
    files = metadata.files("privproc") or []
    sizes = [Path(str(file.locate())).stat().st_size for file in files if file.suffix != ".pyc"]
    print(f"installed: {sum(sizes) / 1024:.0f} KiB in {len(sizes)} files, without bytecode")
    others = sorted({it.metadata["Name"] for it in metadata.distributions()} - {"privproc", "pip", "setuptools"})
    print(f"with {len(others)} distributions: {', '.join(others)}")
    bare = cpu("pass")
    for module in MODULES:
        print(f"import {module}: {1000 * (cpu(f'import {module}') - bare):.0f} ms above the interpreter")


main()
