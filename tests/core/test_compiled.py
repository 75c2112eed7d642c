"""The compiled layer: an edit of a rule reaches its callers, the cache is used, and neither is needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from optionwriter.core import compiled as layer
from optionwriter.core.compiled import bits_of, compiled, compiled_array, float_of, plain

CORE = Path(layer.__file__).parent

RULE = """
from optionwriter.core.compiled import compiled

@compiled
def score(x: float) -> float:
    return x + {addend}
"""
LOOP = """
from optionwriter.core.compiled import compiled_array
from optionwriter.core.rule import score

@compiled_array
def total(xs):
    out = 0.0
    for i in range(xs.size):
        out += score(xs[i])
    return out
"""
PROGRAM = """
import numpy as np
from optionwriter.core.compiled import cache_folder
from optionwriter.core.loop import total
answer = total(np.zeros(4))
stats = getattr(total.dispatcher(), "stats", None)
print(answer, sum(stats.cache_hits.values()) if stats else "plain", cache_folder())
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of core, with a rule in one file and its caller in another."""
    package = tmp_path / "package" / "optionwriter"
    shutil.copytree(CORE, package / "core", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").touch()
    (package / "core" / "rule.py").write_text(RULE.format(addend=1.0))
    (package / "core" / "loop.py").write_text(LOOP)
    return package


def run(package: Path, program: str = PROGRAM, **environment: str) -> list[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    variables = {**clean, "PYTHONPATH": str(package.parent), **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_an_edited_rule_reaches_callers_in_other_files(copy: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    assert run(copy, NUMBA_CACHE_DIR=cache)[:2] == ["4.0", "0"]
    *same, folder = run(copy, NUMBA_CACHE_DIR=cache)
    assert same == ["4.0", "1"], "the second process finds the compiled caller"
    (copy / "core" / "rule.py").write_text(RULE.format(addend=2.5))
    *edited, new_folder = run(copy, NUMBA_CACHE_DIR=cache)
    assert edited == ["10.0", "0"], "the caller's own file is unchanged, and yet it is compiled anew"
    assert new_folder != folder and Path(folder).parent == Path(new_folder).parent


SAVES = """
import fcntl
import numpy as np
from numba.core.caching import IndexDataCacheFile
from optionwriter.core.compiled import cache_folder
from optionwriter.core.loop import total

saved = IndexDataCacheFile._save_data

def saving(self, name, data):
    with (cache_folder() / "saving.lock").open("ab") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            print("anybody")
        except BlockingIOError:
            print("alone")
    saved(self, name, data)

IndexDataCacheFile._save_data = saving
total(np.zeros(4)), total(np.zeros(4, np.float32))
"""


def test_one_process_saves_at_a_time(copy: Path, tmp_path: Path) -> None:
    assert (
        run(copy, SAVES, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == ["alone"] * 4
    )  # two functions, two types


def test_without_a_place_to_write_nothing_is_cached(copy: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.touch()
    assert run(copy, NUMBA_CACHE_DIR=str(blocked / "cache")) == ["4.0", "0", "None"]
    assert not list(copy.rglob("*.nbi")), "no fall-back beside the sources, which would keep old callers"


def test_without_compiling_everything_is_plain_python(copy: Path) -> None:
    assert run(copy, NUMBA_DISABLE_JIT="1")[:2] == ["4.0", "plain"]


def test_importing_the_package_does_not_load_numba(copy: Path) -> None:
    program = "import sys, optionwriter.core.market.black76; print('numba' in sys.modules)"
    assert run(copy, program) == ["False"]


def test_old_folders_are_pruned_but_not_the_newest_or_the_young(tmp_path: Path) -> None:
    current = tmp_path / "core-current"
    current.mkdir()
    now = current.stat().st_mtime
    for age in range(12):
        folder = tmp_path / f"core-{age:02d}"
        folder.mkdir()
        days = age / 12 if age < 10 else age
        os.utime(folder, (now - days * 86_400, now - days * 86_400))
    (tmp_path / "other").mkdir()
    layer._prune(tmp_path, current)
    left = {folder.name for folder in tmp_path.iterdir()}
    assert left == {"core-current", "other", *(f"core-{age:02d}" for age in range(10))}


def test_the_function_as_written_stays_within_reach() -> None:
    @compiled
    def half(x: float) -> float:
        """Half of it."""
        return x / 2.0

    assert half(3.0) == plain(half)(3.0) == 1.5
    assert plain(plain(half)) is plain(half) and plain(half) is not half
    assert half.__name__ == "half" and half.__doc__ == "Half of it."


def test_scalar_rules_divide_as_python_and_loops_as_numpy() -> None:
    def inverse(x: float) -> float:
        return 1.0 / x

    with pytest.raises(ZeroDivisionError):
        compiled(inverse)(0.0)
    assert compiled_array(inverse)(0.0) == float("inf")


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -2.5, 1e-310, float("inf")])
def test_bits_round_trip_plain_and_compiled(value: float) -> None:
    @compiled
    def there_and_back(x: float) -> float:
        return float_of(bits_of(x))

    assert there_and_back(value) == float_of(bits_of(value)) == value
    assert compiled(lambda x: bits_of(x))(value) == bits_of(value)
