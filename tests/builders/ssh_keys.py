"""Pairs of keys as ssh-keygen writes them."""

from __future__ import annotations

from pathlib import Path


def write_key(folder: Path, name: str = "key", kind: str = "ed25519", passphrase: bytes | None = None) -> Path:
    """Write a pair of keys as ssh-keygen does, and return the private one."""
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    made: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind == "ed25519":
        made = ed25519.Ed25519PrivateKey.generate()
    elif kind == "ecdsa":
        made = ec.generate_private_key(ec.SECP256R1())
    else:
        made = rsa.generate_private_key(65537, 2048)
    lock: forms.KeySerializationEncryption = forms.NoEncryption()
    if passphrase is not None:
        lock = forms.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(4).build(passphrase)
    path = folder / name
    path.write_bytes(made.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, lock))
    path.chmod(0o600)
    line = made.public_key().public_bytes(forms.Encoding.OpenSSH, forms.PublicFormat.OpenSSH)
    path.with_name(f"{name}.pub").write_bytes(line + b" organizers of the challenge\n")
    return path
