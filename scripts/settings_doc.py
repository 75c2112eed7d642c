"""Writes docs/settings.md from the settings model; a test holds the file to it."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from optionwriter.settings import Settings, fields, group_of, shown

TARGET = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Made from `src/optionwriter/settings.py` by `python scripts/settings_doc.py`; do not edit by hand.

A value comes from the environment, else from `.env`, else from `optionwriter.toml` in the working folder,
else it is the default. Names are the same everywhere (in files in either case). An unknown key in a file, or a
near-miss of a known name in the environment, refuses to start and names it. `optionwriter config show` prints what is
in force and where each value came from, secrets masked; `optionwriter config check` says whether the agent can start.
"""


def document() -> str:
    """The page."""
    defaults = Settings()
    lines = [HEAD]
    last = ""
    for name, field in fields().items():
        if group_of(field) != last:
            last = group_of(field)
            lines += [f"\n## {last.capitalize()}\n", "| setting | default | meaning |", "|---|---|---|"]
        default = shown(defaults, name) if field.default is not PydanticUndefined else "(required)"
        lines.append(f"| {name.upper()} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
