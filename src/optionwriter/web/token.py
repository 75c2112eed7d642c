"""Token: the one secret of the page, made on its first start and kept in the data folder.

Owns DATA_DIR/web.token. Keeps: the file is its owner's alone (mode 0600); a token is never printed but in the link
that its owner asked for; one that the settings give is used instead, and not written.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from optionwriter.bootstrap.parts import TOKEN_FILE

TOKEN_BYTES = 32


class TokenError(Exception):
    """The token can't be read or made; the message names the file and the cure."""


def web_token(folder: Path, given: str = "") -> str:
    """The token in force: the given one, else the folder's, made here when there is none. Errors: TokenError."""
    if given:
        return given
    path = folder / TOKEN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _kept(path)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        return _kept(path)
    except OSError as error:
        raise TokenError(
            f"{path}: the page's token can't be kept there ({error.strerror}): mend the folder's permissions, "
            "or give one with WEB_TOKEN"
        ) from error


def _kept(path: Path) -> str:
    path.chmod(0o600)
    token = path.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < TOKEN_BYTES:
        raise TokenError(f"{path} holds no token: delete it, and the next start makes a new one")
    return token


def login_link(base: str, token: str) -> str:
    """The address that signs a browser in; `base` ends with a slash."""
    return f"{base}login?token={token}"
