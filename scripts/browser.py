"""Finds the browser that the browser tests drive: $BROWSER, else a Chromium on PATH, else Debian's, installed as root.

Run by `make browser`; says what it does, and does nothing when a browser is there. Nothing is ever downloaded but by
apt-get. NO_BROWSER=1 leaves the browser tests out, which CI may not (CI=true).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONTS = ("fonts-dejavu-core", "fonts-liberation")
FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".fonts")
CURE = "name one with BROWSER=/path/to/chromium, or leave the browser tests out with NO_BROWSER=1"
SKIPPED = "NO_BROWSER=1 leaves the browser tests out"
NOT_UNDER_CI = "NO_BROWSER=1 is not allowed under CI, which must run the browser tests: unset it"
_YES = frozenset(("1", "true", "yes"))
_IS_CHROMIUM = re.compile(r"Chrom|Edg|Brave", re.IGNORECASE)


class NoBrowserError(Exception):
    """No browser can be used; the message is one sentence with the cure."""


def is_left_out(environment: Mapping[str, str]) -> bool:
    """Whether the browser tests are left out by NO_BROWSER=1. Errors: NoBrowserError under CI."""
    if environment.get("NO_BROWSER", "").lower() not in _YES:
        return False
    if environment.get("CI", "").lower() in _YES:
        raise NoBrowserError(NOT_UNDER_CI)
    return True


def find(environment: Mapping[str, str]) -> str | None:
    """The browser's program, None when there is none. Errors: NoBrowserError for a $BROWSER that is no Chromium."""
    path = environment.get("PATH")
    if given := environment.get("BROWSER", ""):
        program = shutil.which(given, path=path)
        if program is None or not _IS_CHROMIUM.search(_version(program)):
            raise NoBrowserError(f"BROWSER={given} is no Chromium that can be started: {CURE}")
        return program
    return next((found for name in NAMES if (found := shutil.which(name, path=path))), None)


def needed(environment: Mapping[str, str]) -> str:
    """The browser's program. Errors: NoBrowserError when there is none."""
    program = find(environment)
    if program is None:
        raise NoBrowserError(f"No browser was found: {CURE}.")
    return program


def _version(program: str) -> str:
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout


def has_fonts() -> bool:
    """Whether any font is installed; without one a page shows boxes."""
    return any(
        next(folder.rglob(pattern), None)
        for folder in FONT_FOLDERS
        for pattern in ("*.ttf", "*.otf", "*.woff*")
    )


def can_install() -> bool:
    """Whether this is Debian, or like it, and we are root."""
    return Path("/etc/debian_version").exists() and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: tuple[str, ...]) -> None:
    """Installs Debian packages. Errors: NoBrowserError."""
    print(f"Installing {', '.join(packages)} with apt-get (for the browser tests)", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (
        ("apt-get", "-qq", "update"),
        ("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages),
    )
    for command in commands:
        done = subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise NoBrowserError(f"{' '.join(command)} failed: {CURE}.")


def main() -> int:
    """0 when a browser is there, or is not wanted; else 1 after one sentence."""
    try:
        if is_left_out(os.environ):
            print(f"{SKIPPED}: none is looked for.")
            return 0
        missing = (() if find(os.environ) else ("chromium",)) + (() if has_fonts() else FONTS)
        if missing and can_install():
            install(missing)
        program = needed(os.environ)
    except NoBrowserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Browser: {program}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
