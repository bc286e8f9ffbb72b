"""The keys whose signatures the board trusts."""

from __future__ import annotations

from sqlalchemy import Connection, select

from evalkit.board.names import clean_reason
from evalkit.board.tables import is_active, signers
from evalkit.board.writing import Write
from evalkit.errors import InputError
from evalkit.signing import PublicKey


def trust(write: Write, key: PublicKey, why: str) -> bool:
    """Add a key; see `evalkit.board.Board.trust`."""
    why = clean_reason(why, "Trusting a key")
    if key.fingerprint in trusted_keys(write.connection):
        return False
    write.add(signers, [{"fingerprint": key.fingerprint, "line": key.line, "comment": key.comment}])
    write.log("trust", key.fingerprint, {"comment": key.comment, "why": why})
    return True


def distrust(write: Write, fingerprint: str, why: str) -> None:
    """End a key; see `evalkit.board.Board.distrust`."""
    why = clean_reason(why, "Trusting a key no longer")
    trusted = trusted_keys(write.connection)
    if fingerprint not in trusted:
        raise InputError(
            "The board does not trust this key.",
            found=fingerprint,
            expected=" or ".join(trusted) or "one of the keys that it trusts; there is none",
        )
    write.end(signers, signers.c.fingerprint == fingerprint)
    write.log("distrust", fingerprint, {"why": why})


def trusted_keys(connection: Connection) -> list[str]:
    """Return the fingerprints of the keys that the board trusts."""
    query = select(signers.c.fingerprint).where(is_active(signers)).order_by(signers.c.id)
    return list(connection.execute(query).scalars())
