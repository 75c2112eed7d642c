"""The only file that imports numba: typed decorators that compile a function on its first call.

Owns when numba is loaded (on the first call, so that importing the package costs nothing), where compiled code is
cached, and the two ways to compile: `compiled` for scalar rules, which keep Python's arithmetic to the last bit, and
`compiled_array` for loops over columns, which may fuse a multiply with an add and run without the interpreter lock.

The cache: numba watches only the file of the cached function, so after an edit of a rule its callers in other files
would keep the old one. Therefore the folder's name is a hash of every source of core. Processes save one at a time.
Where nothing can be written, nothing is cached. NUMBA_DISABLE_JIT=1 leaves every function plain Python;
NUMBA_CACHE_DIR moves the cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import struct
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

_SCALAR: dict[str, Any] = {"nogil": True}
# No "reassoc", "nnan", "ninf", "afn": they break Black-76 (DESIGN §3) and the meaning of NaN as "missing".
_ARRAY: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}
_INLINE: dict[str, Any] = {**_ARRAY, "forceinline": True}
_EXACT: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
# Arrays that are the caller's needn't be counted: in tuples of many that takes longer than all the rest.
_LOOP: dict[str, Any] = {**_SCALAR, "_nrt": False}
_PART: dict[str, Any] = {**_LOOP, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
_FOLDERS_KEPT = 8
_FOLDER_AGE_KEPT_SECONDS = 86_400.0  # a younger one may belong to a program that still runs


class Compiled(Generic[F]):
    """A function that compiles itself when it is first called, from Python or from another compiled function.

    `py_func` is the function as written.
    """

    def __init__(self, py_func: F, kind: str, options: dict[str, Any]) -> None:
        self.py_func = py_func
        self._kind = kind
        self._options = options
        self._dispatcher: Callable[..., Any] | None = None
        update_wrapper(cast(Callable[..., Any], self), py_func)

    def dispatcher(self) -> Callable[..., Any]:
        """numba's object for the function (the function itself under NUMBA_DISABLE_JIT)."""
        if self._dispatcher is None:
            self._dispatcher = _build(self.py_func, self._kind, self._options)
        return self._dispatcher

    @property
    def _numba_type_(self) -> Any:  # numba asks this of a global that it meets while it compiles a caller
        return self.dispatcher()._numba_type_  # type: ignore[attr-defined]  # numba has no types

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self._dispatcher or self.dispatcher())(*args, **kwargs)


def compiled(py_func: F) -> F:
    """Compiles a scalar function on plain floats. Arithmetic and errors are Python's: division by zero raises."""
    return cast(F, Compiled(py_func, "scalar", _SCALAR))


def compiled_array(py_func: F) -> F:
    """Compiles a loop over arrays: no interpreter lock, division by zero as numpy, fused multiply-add allowed."""
    return cast(F, Compiled(py_func, "array", _ARRAY))


def compiled_inline(py_func: F) -> F:
    """As `compiled_array`, for a scalar part of such a loop: always inlined, so that the loop can be vectorised."""
    return cast(F, Compiled(py_func, "inline", _INLINE))


def compiled_exact(py_func: F) -> F:
    """As `compiled_array`, but every operation is rounded by itself, as numpy does column by column."""
    return cast(F, Compiled(py_func, "exact", _EXACT))


def compiled_loop(py_func: F) -> F:
    """As `compiled`, for a loop over tuples of arrays that makes no arrays of its own: they are not counted."""
    return cast(F, Compiled(py_func, "loop", _LOOP))


def compiled_part(py_func: F) -> F:
    """As `compiled_loop`, for a part of such a loop: always inlined, and only compiled code may call it.

    It has no door from Python (its `py_func` has), which for tuples of many arrays would take longer to compile than
    the function.
    """
    return cast(F, Compiled(py_func, "part", _PART))


def plain(function: F) -> F:
    """The function as written, whether it is compiled or not."""
    return cast(F, getattr(function, "py_func", function))


def bits_of(value: float) -> int:
    """The 64 bits of a float, read as a signed integer."""
    return cast(int, struct.unpack("<q", struct.pack("<d", value))[0])


def float_of(bits: int) -> float:
    """The float with these 64 bits (a signed integer)."""
    return cast(float, struct.unpack("<d", struct.pack("<q", bits))[0])


def cache_folder() -> Path | None:
    """Where compiled code of these very sources is kept; None when there is no place to keep it."""
    return _cache_folder(str(_numba().config.CACHE_DIR))


@lru_cache(maxsize=1)
def _numba() -> Any:
    """numba, taught `bits_of` and `float_of`."""
    import numba
    import numpy as np
    from numba import extending

    def bits_impl(value: Any) -> Any:
        return lambda value: np.float64(value).view(np.int64)

    def float_impl(bits: Any) -> Any:
        return lambda bits: np.int64(bits).view(np.float64)

    extending.overload(bits_of, strict=False)(bits_impl)
    extending.overload(float_of, strict=False)(float_impl)
    return numba


def _build(py_func: Callable[..., Any], kind: str, options: dict[str, Any]) -> Callable[..., Any]:
    numba = _numba()
    asked = str(numba.config.CACHE_DIR)
    folder = _cache_folder(asked)
    if folder is None:
        return cast(Callable[..., Any], numba.njit(**options)(py_func))
    # numba fixes a function's folder when it makes the dispatcher; other users of numba keep theirs. Its cache does
    # not know the options, so each kind has a folder of its own.
    numba.config.CACHE_DIR = str(folder / kind)
    try:
        dispatcher = numba.njit(cache=True, **options)(py_func)
    finally:
        numba.config.CACHE_DIR = asked
    if dispatcher is not py_func:
        _save_alone(dispatcher, folder / "saving.lock")
    return cast(Callable[..., Any], dispatcher)


def _save_alone(dispatcher: Any, lock: Path) -> None:
    """Lets one process save at a time: numba looks for a free file name and takes it in two steps, so that of two that
    compile a function at once, for other types each, one would later be given the other's code."""
    file = dispatcher._cache._cache_file
    save = file.save

    def alone(key: Any, data: Any) -> None:
        with ExitStack() as held:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(held.enter_context(lock.open("ab")), fcntl.LOCK_EX)
            save(key, data)

    file.save = alone


@lru_cache(maxsize=4)
def _cache_folder(asked: str) -> Path | None:
    digest = _sources_digest()
    if digest is None:
        return None
    base = Path(asked) if asked else _user_folder()
    folder = base / f"core-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        folder.touch()
    except OSError:
        return None
    _prune(base, folder)
    return folder


def _user_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("optionwriter", appauthor=False)) / "compiled"


def _sources_digest() -> str | None:
    """A hash of every source of core; None where the sources are no files (a zipped package)."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    try:
        for source in sorted(root.rglob("*.py")):
            digest.update(source.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    except OSError:
        return None
    return digest.hexdigest()[:20] if (root / "compiled.py").is_file() else None


def _prune(base: Path, current: Path) -> None:
    """Deletes the folders of old sources: all but the newest few and those used within a day of this one."""
    try:
        now = current.stat().st_mtime
        others = [(folder.stat().st_mtime, folder) for folder in base.glob("core-*") if folder != current]
    except OSError:
        return
    for used, folder in sorted(others, reverse=True)[_FOLDERS_KEPT - 1 :]:
        if now - used > _FOLDER_AGE_KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
