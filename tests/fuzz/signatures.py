"""Fuzzed signatures and public keys: nothing but a signature of the very bytes by a key is taken."""

from __future__ import annotations

import base64
import binascii
import random
import re
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from evalkit.signing import NAMESPACE, SigningKey, check_signature, load_public_key, read_signature
from fuzz.kinds import WrongAcceptError
from fuzz.mutations import mutated_text

DATA = b'{"schema": 1}\n'
PARTS = (b"SSHSIG", b"ssh-ed25519", NAMESPACE.encode(), b"sha512", b"sha256", b"sk-ssh-ed25519@openssh.com", b"file")
LENGTHS = (0, 1, 31, 32, 33, 63, 64, 65, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@cache
def key(number: int = 0) -> SigningKey:
    """Return one of a few private keys."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32))


def make_signature(dice: random.Random) -> bytes:
    """Return a signature of `DATA`, or of something like it, changed in its text, in its binary form, or not at all."""
    kind = dice.random()
    signer = key(dice.randrange(3))
    data = DATA if kind < 0.9 else DATA + dice.randbytes(1)
    text = signer.sign(data, NAMESPACE if dice.random() < 0.95 else dice.choice(("file", "", "evalkit-scorecard\0")))
    if kind < 0.45:
        return mutated_text(text, dice)
    if kind < 0.85:
        blob = bytearray(base64.b64decode("".join(text.splitlines()[1:-1])))
        for _ in range(dice.randint(1, 3)):
            _change(blob, dice)
        text = _armoured(bytes(blob), dice)
    return text.encode()


def make_key(dice: random.Random) -> bytes:
    """Return a public key as a file holds it, changed in its text, in its binary form, or not at all."""
    public = key(dice.randrange(3)).public
    kind = dice.random()
    blob = bytearray(public.blob)
    if kind < 0.4:
        _change(blob, dice)
    line = (
        f"{dice.choice(('ssh-ed25519', 'ssh-ed25519', 'ssh-rsa'))} {base64.b64encode(blob).decode()} olga@example.org"
    )
    if kind < 0.8:
        return mutated_text(line + dice.choice(("", "\n", "\r\n", f"\n# more\n{line}")), dice)
    return (line + "\n").encode()


def _armoured(blob: bytes, dice: random.Random) -> str:
    plain, width = base64.b64encode(blob).decode(), dice.choice((70, 76, 10**6))
    lines = [plain[at : at + width] for at in range(0, len(plain), width)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def _change(blob: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(blob) + 1)
    kind = dice.randrange(5)
    if kind == 0:
        blob[at : at + 1] = dice.randbytes(1)
    elif kind == 1:
        blob[at : at + 4] = dice.choice(LENGTHS).to_bytes(4, "big")
    elif kind == 2:
        part = dice.choice(PARTS)
        blob[at:at] = len(part).to_bytes(4, "big") + part
    elif kind == 3:
        del blob[at : at + dice.randint(1, 40)]
    else:
        old, new = dice.choice(PARTS), dice.choice(PARTS)
        blob[:] = bytes(blob).replace(old, new, 1)


def check(path: Path) -> None:
    """Check a signature of `DATA`; what is taken must be one, by another reading of the format."""
    text = read_signature(path.with_suffix(""))
    if text is None:
        raise WrongAcceptError("the signature was not seen")
    signed = check_signature(DATA, text, "the signature")
    found = re.search("BEGIN SSH SIGNATURE-----(.*)-----END", text, re.DOTALL)
    blob = base64.b64decode(re.sub("[^A-Za-z0-9+/=]", "", found[1])) if found else b""
    raw, signature = signed.key.raw, blob[-64:]
    for name in (b"sha512", b"sha256"):
        made_of = blob[:6] + b"".join(map(_string, (NAMESPACE.encode(), b"", name, _hash(name))))
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, made_of)
        except InvalidSignature:
            continue
        if raw not in {key(number).public.raw for number in range(3)}:
            raise WrongAcceptError("an unknown key signed")
        return
    raise WrongAcceptError("it signs something else")


def _hash(name: bytes) -> bytes:
    import hashlib

    return hashlib.new(name.decode(), DATA).digest()


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def load(path: Path) -> None:
    """Read a public key; what is taken must be what another library reads there."""
    found = load_public_key(path)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]
    try:
        other = serialization.load_ssh_public_key(lines[0].strip().encode())
    except (ValueError, binascii.Error) as error:
        raise WrongAcceptError(f"another library refuses it: {error}") from None
    if not isinstance(other, Ed25519PublicKey) or other.public_bytes_raw() != found.raw:
        raise WrongAcceptError("another library reads another key")
