"""The address at which people reach a studio."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlsplit


def root_address(url: str, schemes: Container[str]) -> str | None:
    """Return the address of a host without a slash at its end; ``None`` when it is anything else, or more than that."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # brackets or a port that can't be
        return None
    if not whole or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        return None
    return f"{parts.scheme}://{parts.netloc}"
