"""Remakes src/optionwriter/web/static/vendor: scripts by others that the pages use, with licences and a hash manifest.

Needs npm, which fetches the packages from the registry it is configured for. The pages themselves never load anything
from elsewhere. A version is changed here, then this is run; tests/web/test_vendor.py holds files and manifest together.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "optionwriter" / "web" / "static" / "vendor"
MANIFEST = "vendor.json"


@dataclass(frozen=True)
class Package:
    """A package, what of it is kept (name in the package -> name here), and what its files have inside."""

    name: str
    version: str
    licence: str
    files: dict[str, str]
    notice: str = ""
    texts: tuple[tuple[str, str], ...] = ()  # files that the package itself does not hold


MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
PACKAGES = (
    Package("htmx.org", "4.0.1", "0BSD",
            {"dist/htmx.min.js": "htmx.min.js", "dist/ext/hx-sse.min.js": "hx-sse.min.js",
             "LICENSE": "htmx.LICENSE.txt"}),
    Package("lightweight-charts", "5.2.1", "Apache-2.0",
            {"dist/lightweight-charts.standalone.production.mjs": "lightweight-charts.mjs",
             "LICENSE": "lightweight-charts.LICENSE.txt"},
            "TradingView Lightweight Charts, Copyright (c) 2026 TradingView, Inc. https://www.tradingview.com/ "
            "Holds fancy-canvas and parts of tslib."),
    Package("fancy-canvas", "2.1.0", "MIT", {}, "Inside lightweight-charts.mjs.",
            (("fancy-canvas.LICENSE.txt", f"Copyright (c) 2019 TradingView, Inc\n\n{MIT}"),)),
    Package("tslib", "2.8.1", "0BSD", {"LICENSE.txt": "tslib.LICENSE.txt"}, "Inside lightweight-charts.mjs."),
)  # fmt: skip


def fetched(npm: str, package: Package, folder: Path) -> dict[str, bytes]:
    """The wanted files' contents by their name here. Errors: KeyError for a file that the package has not."""
    found = {name: text.encode() for name, text in package.texts}
    if not package.files:
        return found
    made = subprocess.run(
        [npm, "pack", "--silent", f"{package.name}@{package.version}"],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    with tarfile.open(folder / made.stdout.split()[-1]) as archive:
        for inside, here in package.files.items():
            opened = archive.extractfile(f"package/{inside}")
            assert opened is not None, f"{package.name}: {inside} is no file"
            found[here] = without_map(opened.read())
    return found


def without_map(content: bytes) -> bytes:
    """The text without its pointer to a source map, which is not kept."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))


def main() -> int:
    """Writes files and manifest; 1 when npm is missing."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm was not found: install it, then repeat", file=sys.stderr)
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.iterdir():
        old.unlink()
    rows = []
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in fetched(npm, package, Path(folder)).items():
                (TARGET / name).write_bytes(content)
                rows.append(
                    {
                        "package": package.name,
                        "version": package.version,
                        "licence": package.licence,
                        "file": name,
                        "sha256": hashlib.sha256(content).hexdigest(),
                        "notice": package.notice,
                    }
                )
    (TARGET / MANIFEST).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
