"""Detached signatures of files by Ed25519 keys of OpenSSH, in the form of ``ssh-keygen -Y sign`` (SSHSIG).

A signature says that the holder of a key stood for exactly these bytes, for one purpose, the namespace. What is read
here comes from strangers: sizes are bounded, and only the one form that evalkit writes is taken.

The format: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import InputError
from evalkit.text import escape_for_display, hidden_characters

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAMESPACE = "evalkit-scorecard"
SUFFIX = ".sig"
MAX_BYTES = 16 * 1024  # of a key or a signature; those of Ed25519 have a few hundred
_MAGIC = b"SSHSIG"
_TYPE = b"ssh-ed25519"
_HASHES = ("sha512", "sha256")  # the first is written
_RAW, _SIGNATURE = 32, 64  # bytes
_COMMENT = 100  # characters
_ARMOR = re.compile(
    r"-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)\r?\n-----END SSH SIGNATURE-----\s*", re.ASCII
)
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}", re.ASCII)
_ED25519 = "an Ed25519 key, as 'ssh-keygen -t ed25519 -f KEY' makes one"


@dataclass(frozen=True)
class PublicKey:
    """Who signs.

    Args:
        raw: the 32 bytes of the key.
        comment: what its file says of it; nobody vouches for that.
    """

    raw: bytes
    comment: str = ""

    @property
    def blob(self) -> bytes:
        """The key as SSH sends it."""
        return _string(_TYPE) + _string(self.raw)

    @property
    def line(self) -> str:
        """The key as a ``.pub`` file holds it, without the comment."""
        return f"{_TYPE.decode()} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """The name that ``ssh-keygen -l`` shows: ``SHA256:`` and 43 characters."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Signed:
    """A signature that was checked and holds.

    Args:
        key: whose it is; whether to trust it is another question.
        text: the signature as it was read.
    """

    key: PublicKey
    text: str


@dataclass(frozen=True)
class SigningKey:
    """A private key."""

    _private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """The key that others check with."""
        return PublicKey(self._private.public_key().public_bytes_raw())

    def sign(self, data: bytes, namespace: str = NAMESPACE) -> str:
        """Return the signature of ``data`` as text, as ``ssh-keygen -Y sign -n NAMESPACE`` writes it."""
        signature = self._private.sign(_signed_part(data, namespace, _HASHES[0]))
        blob = _MAGIC + (1).to_bytes(4, "big")
        for part in (self.public.blob, namespace.encode(), b"", _HASHES[0].encode()):
            blob += _string(part)
        blob += _string(_string(_TYPE) + _string(signature))
        plain = base64.b64encode(blob).decode()
        lines = [plain[at : at + 70] for at in range(0, len(plain), 70)]
        return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def check_signature(data: bytes, text: str, source: str, namespace: str = NAMESPACE) -> Signed:
    """Return who signed ``data``.

    Args:
        data: the bytes of the file that was signed.
        text: the signature.
        source: how messages call the signature.
        namespace: what it must have been made for.

    Raises:
        InputError: when it is no such signature, or one of something else.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, made_for, hashed_by, signature = _read_signature(text, source)
    if made_for != namespace:
        raise _refused(
            f"{source} was made for another purpose.",
            found=f"namespace '{made_for[:60]}'",
            expected=f"namespace '{namespace}'",
        )
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, _signed_part(data, namespace, hashed_by))
    except (InvalidSignature, ValueError):
        raise _refused(
            f"{source} is not a signature of this file: one of the two was changed, or belongs to another.",
            found=f"a signature by {key.fingerprint}",
        ) from None
    return Signed(key, text)


def read_signature(file: Path) -> str | None:
    """Return the signature that lies beside ``file``, ``None`` where there is none.

    Raises:
        InputError: when it can't be read.
    """
    beside = file.with_name(file.name + SUFFIX)
    if not beside.exists() and not beside.is_symlink():
        return None
    return _read(beside, "signature")


def load_public_key(file: Path) -> PublicKey:
    """Read a ``.pub`` file with one Ed25519 key.

    Raises:
        InputError: when it holds something else.
    """
    text = _read(file, "public key")
    if "PRIVATE KEY" in text:
        raise InputError(
            f"{file} is a private key, which stays with its owner.", fix=f"Give the public one: '{file}.pub'."
        )
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    words = lines[0].split(None, 2) if len(lines) == 1 else []
    if len(words) < 2:
        raise InputError(f"{file} is not a public key of OpenSSH.", expected=f"one line of {_ED25519}")
    if words[0] != _TYPE.decode():
        raise _another_kind(str(file), words[0])
    parts = _parts(_decoded(words[1]), 2)
    if parts is None or parts[0] != _TYPE or len(parts[1]) != _RAW:
        raise InputError(f"{file} is not a public key of OpenSSH.", expected=f"one line of {_ED25519}")
    comment = words[2].strip() if len(words) > 2 else ""
    return PublicKey(parts[1], "" if hidden_characters(comment) else comment[:_COMMENT])


def load_signing_key(file: Path, ask: Callable[[], str | None]) -> SigningKey:
    """Read a private Ed25519 key of OpenSSH.

    Args:
        file: where it is.
        ask: returns the passphrase; called for an encrypted key only. ``None`` when nobody can be asked.

    Raises:
        InputError: when it holds something else, or the passphrase is wrong or missing.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    text = _read(file, "private key")
    if "BEGIN OPENSSH PRIVATE KEY" not in text:
        public = text.startswith(("ssh-", "ecdsa-", "sk-"))
        found = "a public key" if public else None
        raise InputError(f"{file} is not a private key of OpenSSH.", found=found, expected=_ED25519)
    passphrase: bytes | None = None
    try:
        try:
            key = load_ssh_private_key(text.encode(), None)
        except (TypeError, ValueError) as error:  # it is encrypted; versions of the library differ in how they say it
            if isinstance(error, ValueError) and "password" not in str(error):
                raise
            given = ask()
            if given is None:
                raise InputError(
                    f"The key {file} is encrypted, and there is no terminal to ask for its passphrase on.",
                    fix="Sign the scorecard afterwards, with an agent if there is one: "
                    f"'ssh-keygen -Y sign -n {NAMESPACE} -f KEY scorecard.json'.",
                ) from None
            passphrase = given.encode()
            key = load_ssh_private_key(text.encode(), passphrase)
    except UnsupportedAlgorithm as error:
        raise InputError(f"The key {file} can't be used.", found=str(error), expected=_ED25519) from None
    except ValueError as error:
        why = "The passphrase is wrong, or the file is damaged." if passphrase is not None else str(error)
        raise InputError(f"The key {file} can't be read.", found=why, expected=_ED25519) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _another_kind(str(file), type(key).__name__.lstrip("_").removesuffix("PrivateKey"))
    return SigningKey(key)


def is_fingerprint(text: str) -> bool:
    """Whether ``text`` names a key as `PublicKey.fingerprint` does."""
    return _FINGERPRINT.fullmatch(text) is not None


def _read_signature(text: str, source: str) -> tuple[PublicKey, str, str, bytes]:
    armor = _ARMOR.fullmatch(text)
    blob = _decoded("".join(armor[1].split())) if armor else b""
    head = _MAGIC + (1).to_bytes(4, "big")
    parts = _parts(blob[len(head) :], 5) if blob.startswith(head) else None
    if parts is None:
        raise _refused(f"{source} is not a signature of OpenSSH.", expected="what 'evalkit score --sign' wrote")
    public, namespace, _, hashed_by, signature = parts
    key, made = _parts(public, 2), _parts(signature, 2)
    if not public.startswith(_string(_TYPE)):
        kind = _first(public)
        raise _another_kind(source, kind.decode("ascii", "replace") if kind else "no key")
    if key is None or made is None or len(key[1]) != _RAW or made[0] != _TYPE or len(made[1]) != _SIGNATURE:
        raise _refused(f"{source} is damaged.", expected="what 'evalkit score --sign' wrote")
    algorithm = hashed_by.decode("ascii", "replace")
    if algorithm not in _HASHES:
        raise _refused(f"{source} has another hash.", found=algorithm[:60], expected=" or ".join(_HASHES))
    return PublicKey(key[1]), namespace.decode("utf-8", "replace"), algorithm, made[1]


def _signed_part(data: bytes, namespace: str, algorithm: str) -> bytes:
    digest = hashlib.new(algorithm, data).digest()
    return _MAGIC + b"".join(map(_string, (namespace.encode(), b"", algorithm.encode(), digest)))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _first(data: bytes) -> bytes | None:
    if len(data) < 4:
        return None
    size = int.from_bytes(data[:4], "big")
    return data[4 : 4 + size] if 4 + size <= len(data) else None


def _parts(data: bytes, number: int) -> list[bytes] | None:
    """Return so many strings, ``None`` when ``data`` holds more or less than these."""
    found = []
    for _ in range(number):
        part = _first(data)
        if part is None:
            return None
        found.append(part)
        data = data[4 + len(part) :]
    return found if not data else None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(file: Path, what: str) -> str:
    try:
        if not file.is_file():  # a pipe or a device would never end
            raise InputError(f"The {what} {file} is not a file.")
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"The {what} {file} can't be read.", found=error.strerror or str(error)) from None
    if len(data) > MAX_BYTES:
        raise InputError(
            f"The {what} {file} is too large.", found=f"more than {MAX_BYTES} bytes", expected="a few hundred bytes"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"The {what} {file} is not text.") from None


def _refused(problem: str, *, found: str | None = None, expected: str | None = None) -> InputError:
    fix = "Sign the file again, or remove the signature: then it counts as handed in."
    return InputError(problem, found=found, expected=expected, fix=fix)


def _another_kind(source: str, kind: str) -> InputError:
    return InputError(
        f"{source} is of another kind of key.", found=escape_for_display(kind, limit=60), expected=_ED25519
    )
