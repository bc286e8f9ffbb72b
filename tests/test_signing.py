"""Signatures in OpenSSH's form: what is written, and what is refused of strangers' files."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from builders.ssh_keys import write_key

from evalkit.errors import InputError
from evalkit.signing import (
    MAX_BYTES,
    NAMESPACE,
    PublicKey,
    SigningKey,
    check_signature,
    is_fingerprint,
    load_public_key,
    load_signing_key,
    read_signature,
)

DATA = b'{"schema": 1}\n'
KEYGEN = shutil.which("ssh-keygen")


def nobody() -> None:
    return None


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return load_signing_key(write_key(tmp_path), nobody)


def test_what_is_signed_is_checked_to_the_byte(key: SigningKey) -> None:
    text = key.sign(DATA)
    assert key.sign(DATA) == text
    signed = check_signature(DATA, text, "it")
    assert (signed.key, signed.text) == (key.public, text)
    assert is_fingerprint(signed.key.fingerprint)
    for other in (DATA + b" ", DATA[:-1], b"", DATA.replace(b"1", b"2")):
        with pytest.raises(InputError, match=r"not a signature of this file.*SHA256:"):
            check_signature(other, text, "it")


def test_a_signature_for_another_purpose_is_refused(key: SigningKey) -> None:
    for purpose in ("git", "file", NAMESPACE + "s", ""):
        with pytest.raises(InputError, match="another purpose"):
            check_signature(DATA, key.sign(DATA, purpose), "it")


def test_a_key_and_its_public_half(tmp_path: Path) -> None:
    private = write_key(tmp_path)
    public = load_public_key(tmp_path / "key.pub")
    assert public.comment == "organizers of the challenge"
    assert (tmp_path / "key.pub").read_text() == f"{public.line} {public.comment}\n"
    assert load_signing_key(private, nobody).public.fingerprint == public.fingerprint


def test_an_encrypted_key_asks_for_its_passphrase(tmp_path: Path) -> None:
    private = write_key(tmp_path, passphrase=b"open sesame")
    assert load_signing_key(private, lambda: "open sesame").sign(DATA)
    with pytest.raises(InputError, match="passphrase is wrong"):
        load_signing_key(private, lambda: "open")
    with pytest.raises(InputError, match=r"encrypted, and there is no terminal.*ssh-keygen -Y sign"):
        load_signing_key(private, nobody)


@pytest.mark.parametrize(("kind", "shown"), [("rsa", "RSA"), ("ecdsa", "EC")])
def test_keys_of_other_kinds_are_refused(tmp_path: Path, kind: str, shown: str) -> None:
    private = write_key(tmp_path, kind=kind)
    with pytest.raises(InputError, match=rf"another kind of key.*({shown}).*ed25519"):
        load_signing_key(private, nobody)
    with pytest.raises(InputError, match=r"another kind of key.*(ssh-rsa|ecdsa-sha2).*ed25519"):
        load_public_key(tmp_path / "key.pub")


def test_the_halves_of_a_key_are_not_mistaken(tmp_path: Path) -> None:
    private = write_key(tmp_path)
    with pytest.raises(InputError, match=r"not a private key.*a public key"):
        load_signing_key(tmp_path / "key.pub", nobody)
    with pytest.raises(InputError, match=r"stays with its owner.*key\.pub"):
        load_public_key(private)


GOOD = PublicKey(bytes(range(32)))
LINE = GOOD.line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 QUJD",
        LINE[:-8],
        LINE + "AAAA",
        f"{LINE}\n{LINE}\n",
        "sk-ssh-ed25519@openssh.com " + LINE.split()[1],
        "ssh-ed25519 " + base64.b64encode(GOOD.blob + b"more").decode(),
        "ssh-ed25519 " + base64.b64encode(b"\xff\xff\xff\xff" + GOOD.blob).decode(),
        'command="rm" ' + LINE,
        "x" * (MAX_BYTES + 1),
    ],
)
def test_files_that_are_no_public_key_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key.pub"
    file.write_text(text)
    with pytest.raises(InputError, match=r"not a public key|another kind|too large"):
        load_public_key(file)


def test_comments_of_keys_are_short_and_plain(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(f"# made today\n\n{LINE} {'n' * 5000}\n")
    assert len(load_public_key(file).comment) == 100
    file.write_text(f"{LINE} gpm\u202eexe\n", encoding="utf-8")
    assert load_public_key(file).comment == ""


def armored(blob: bytes) -> str:
    return f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(blob).decode()}\n-----END SSH SIGNATURE-----\n"


def blob_of(text: str) -> bytes:
    return base64.b64decode("".join(text.split("\n")[1:-2]))


def test_every_changed_byte_of_a_signature_is_refused(key: SigningKey) -> None:
    blob = blob_of(key.sign(DATA))
    assert check_signature(DATA, armored(blob), "it").key == key.public
    for at in range(len(blob)):
        with pytest.raises(InputError):
            check_signature(DATA, armored(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]), "it")
    for end in range(len(blob)):
        with pytest.raises(InputError):
            check_signature(DATA, armored(blob[:end]), "it")
    with pytest.raises(InputError):
        check_signature(DATA, armored(blob + b"\0"), "it")


def test_a_signature_by_another_kind_of_key_is_named(key: SigningKey) -> None:
    blob = blob_of(key.sign(DATA))
    other = key.public.blob.replace(b"ssh-ed25519", b"ssh-rsa\x1b[31")
    with pytest.raises(InputError, match=r"another kind of key.*ssh-rsa") as raised:
        check_signature(DATA, armored(blob.replace(key.public.blob, other)), "it")
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "no", "-----BEGIN SSH SIGNATURE-----\n", armored(b""), armored(b"SSHSIG\0\0\0\2")]
)
def test_texts_that_are_no_signature_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a signature of OpenSSH"):
        check_signature(DATA, text, "it")


def test_files_beside_a_scorecard_are_bounded(tmp_path: Path) -> None:
    card, beside = tmp_path / "scorecard.json", tmp_path / "scorecard.json.sig"
    assert read_signature(card) is None
    beside.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not text"):
        read_signature(card)
    with beside.open("wb") as stream:
        stream.truncate(10**12)  # a hole: no disk is used
    with pytest.raises(InputError, match="too large"):
        read_signature(card)
    beside.unlink()
    os.mkfifo(beside)
    with pytest.raises(InputError, match="not a file"):
        read_signature(card)
    beside.unlink()
    beside.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a file"):
        read_signature(card)


@pytest.mark.skipif(KEYGEN is None, reason="needs ssh-keygen (Debian: openssh-client)")
def test_ssh_keygen_takes_our_signatures_and_we_take_its(tmp_path: Path) -> None:
    assert KEYGEN is not None
    private = write_key(tmp_path)
    ours = load_signing_key(private, nobody)
    (tmp_path / "scorecard.json").write_bytes(DATA)
    (tmp_path / "ours.sig").write_text(ours.sign(DATA))
    (tmp_path / "allowed").write_text(f"organizers {ours.public.line}\n")
    check = [KEYGEN, "-Y", "verify", "-f", "allowed", "-I", "organizers", "-n", NAMESPACE, "-s", "ours.sig"]
    done = subprocess.run(check, cwd=tmp_path, input=DATA, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ours.public.fingerprint in done.stdout.decode()
    assert subprocess.run(check, cwd=tmp_path, input=DATA + b" ", capture_output=True, check=False).returncode
    sign = [KEYGEN, "-Y", "sign", "-f", str(private), "-n", NAMESPACE, "scorecard.json"]
    subprocess.run(sign, cwd=tmp_path, capture_output=True, check=True)
    theirs = read_signature(tmp_path / "scorecard.json")
    assert theirs == ours.sign(DATA)
    assert check_signature(DATA, theirs, "it").key == ours.public
