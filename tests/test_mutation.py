"""The list of mutants that survive: reasons for all, and none for a line that isn't there any more."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import privproc
from tests.mutation import MODULES, ROOT, SURVIVORS, Survivor, check_names, functions, general, known, survivor

LISTED, _ = known(SURVIVORS.read_text())


def source(module: str) -> Path:
    return Path(privproc.__file__).parent.joinpath(*module.split(".")).with_suffix(".py")


def test_what_is_listed_is_there() -> None:
    for module, (files, _) in MODULES.items():
        assert source(module).exists()
        assert all((ROOT / "tests" / f"test_{it}.py").exists() for it in files)


@pytest.mark.parametrize("listed", LISTED, ids=lambda it: f"{it.module}.{it.function}")
def test_the_line_of_a_survivor_stands(listed: Survivor) -> None:
    lines = ast.unparse(ast.parse(source(listed.module).read_text())).splitlines()
    assert listed.old in " ".join(line.strip() for line in lines)
    assert listed.new != listed.old


def test_every_survivor_has_its_reason() -> None:
    entry = '[[survivor]]\nmodule = "m"\nfunction = "f"\nold = "1"\nnew = "2"\nreason = "%s"\n'
    assert known(entry % "why" * 2)[0] == {Survivor("m", "f", "1", "2"): 2}
    with pytest.raises(ValueError, match="without a reason"):
        known(entry % " ")


def test_a_mutant_is_known_by_what_it_changes() -> None:
    text = "def xǁAǁf__mutmut_orig(a=1):\n    b = 2\n    return int(a, 'big')\n"
    bodies = functions(ast.parse(text + text.replace("orig", "1").replace(", 'big'", "")))
    changed = survivor("m", "xǁAǁf__mutmut_1", bodies)
    assert changed == Survivor("m", "A.f", "return int(a, 'big')", "return int(a)")
    assert general(changed, [", 'big'"])
    assert not general(changed, [", 'little'"])


@pytest.mark.slow
@pytest.mark.loopback
def test_tests_that_would_kill_whatever_runs_are_noticed(tmp_path: Path) -> None:
    text = "import pytest\n\n@pytest.mark.parametrize('it', [b'%s'], ids=str)\ndef test_it(it):\n    pass\n"
    (tmp_path / "test_good.py").write_text(text % "a")
    (tmp_path / "test_bad.py").write_text(text % "\\0")
    check_names(["test_good.py"], tmp_path)
    with pytest.raises(SystemExit, match="by their names"):
        check_names(["test_good.py", "test_bad.py"], tmp_path)
