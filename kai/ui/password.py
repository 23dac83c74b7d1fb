"""The shared password, hashed slowly and compared in constant time. ``python -m kai.ui.password`` prints a hash.

A hash is ``scrypt:<log2 n>:<r>:<p>:<salt>:<key>``, with salt and key in URL-safe base64. It contains no character that a
shell or a ``.env`` file would interpret.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import re
import secrets
import sys
from typing import Final

LEAST_CHARS: Final = 8
_LOG2_N, _R, _P = 15, 8, 1
"""32 MiB and about a tenth of a second for a try (OWASP's second choice for scrypt has p = 3 there)."""
_KEY_BYTES, _SALT_BYTES = 32, 16
_HASH: Final = re.compile(
    r"scrypt:(1[0-8]):(\d{1,2}):(\d{1,2}):([A-Za-z0-9_-]{16,64}=*):([A-Za-z0-9_-]{32,96}=*)"
)


def is_hash(text: str) -> bool:
    """Return whether the text has the form of a hash of ``make_hash``."""
    return _HASH.fullmatch(text) is not None


def make_hash(password: str) -> str:
    """Return a hash of the password with a fresh salt. Raises ``ValueError`` when the password is too short."""
    if len(password) < LEAST_CHARS:
        raise ValueError(f"A password has at least {LEAST_CHARS} characters.")
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derive(password, salt, _LOG2_N, _R, _P, _KEY_BYTES)
    return f"scrypt:{_LOG2_N}:{_R}:{_P}:{_encode(salt)}:{_encode(key)}"


def is_password(password: str, hashed: str) -> bool:
    """Return whether the password matches the hash. Takes a tenth of a second of a core. Raises ``ValueError`` for text that
    is no hash."""
    found = _HASH.fullmatch(hashed)
    if found is None:
        raise ValueError("not a hash of a password")
    salt, key = base64.urlsafe_b64decode(found[4]), base64.urlsafe_b64decode(found[5])
    tried = _derive(password, salt, int(found[1]), int(found[2]), int(found[3]), len(key))
    return secrets.compare_digest(tried, key)


def _derive(password: str, salt: bytes, log2_n: int, r: int, p: int, length: int) -> bytes:
    n = 1 << log2_n
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=length)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii")


def main() -> int:
    """Ask for a password twice, or read one line if standard input is no terminal, and print the line for ``.env``."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            print("The two are not the same. Try again.", file=sys.stderr)
            return 1
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        hashed = make_hash(password)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"KAI_PASSWORD_HASH={hashed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
