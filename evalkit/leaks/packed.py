"""Find a few signatures among millions: bits of both packed into 64-bit words, compared by counting differing bits.

A signature is a row of bits for every tenth of a second. Two are compared at shifts of up to a second. Of most pairs, a
few of the rows say that they are unrelated (`LOOSE`); only the others are compared in full. So a pair costs a fraction
of a microsecond, and memory grows with the block of lines, not with the listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.gaming.signature import MIN_OVERLAP, MIN_TICKS, TICKS

Words = NDArray[np.uint64]
LOOSE = 0.1  # by which the share of equal bits in the few rows may be below the wanted one
MAX_SHIFT = 10  # tenths of a second
STEP = 2  # of the shifts at which a few rows are compared: bits change slowly


@dataclass(frozen=True)
class BitKind:
    """One kind of signature.

    Args:
        bits: of a tenth of a second, a multiple of 8.
        sparse: one in how many tenths of a second is compared first.
        share: of equal bits, from which on two are the same.
    """

    bits: int
    sparse: int
    share: float

    @property
    def bytes(self) -> int:
        """Bytes of a whole signature."""
        return TICKS * self.bits // 8


@dataclass(frozen=True)
class Packed:
    """Signatures of many lines.

    Args:
        kind: of all of them.
        ticks: (N, TICKS, bits/8) uint8, zeros after a signature's end.
        lengths: (N,) int64, in tenths of a second.
    """

    kind: BitKind
    ticks: NDArray[np.uint8]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, kind: BitKind, signatures: Sequence[bytes]) -> Packed:
        """Return the signatures, each of whole tenths of a second, `TICKS` at most."""
        row = kind.bits // 8
        data = b"".join(one.ljust(kind.bytes, b"\0") for one in signatures)
        ticks = np.frombuffer(data, np.uint8).reshape(len(signatures), TICKS, row)
        return cls(kind, ticks, np.array([len(one) // row for one in signatures], np.int64))


@dataclass(frozen=True)
class Hit:
    """A line that has the signature that was looked for.

    Args:
        line: its number in the block.
        share: of equal bits.
        shift: seconds by which the line is later.
    """

    line: int
    share: float
    shift: float


class Block:
    """Lines of a listing, prepared for many searches."""

    def __init__(self, lines: Packed) -> None:
        kept = np.flatnonzero(lines.lengths >= MIN_TICKS)  # shorter ones have too little in common with any
        self.kind = lines.kind
        self._numbers = kept
        self._ticks = np.ascontiguousarray(lines.ticks[kept])
        self._lengths = lines.lengths[kept]
        self._sparse = _columns(self._ticks[:, :: self.kind.sparse])
        self._valid: Words | None = None
        if (self._lengths < TICKS).any():
            inside = np.arange(TICKS) < self._lengths[:, None]
            marks = np.where(inside[..., None], np.uint8(255), np.uint8(0))
            self._valid = _columns(np.broadcast_to(marks, self._ticks.shape)[:, :: self.kind.sparse])

    def search(self, wanted: NDArray[np.uint8]) -> Iterator[Hit]:
        """Yield the lines that have the signature (K, bits/8) at a shift of up to a second, each with its best match.

        Of equally good shifts the smallest counts.
        """
        if len(wanted) < MIN_TICKS or not len(self._numbers):
            return
        best: dict[int, tuple[float, int]] = {}
        for middle in range(-MAX_SHIFT, MAX_SHIFT + 1, STEP):
            near = self._near(wanted, middle)
            if not len(near):
                continue
            for shift in range(max(middle - 1, -MAX_SHIFT), min(middle + 1, MAX_SHIFT) + 1):
                for at, share in zip(near.tolist(), self._shares(wanted, shift, near).tolist(), strict=True):
                    known = best.get(at, (0.0, 0))
                    if share >= self.kind.share and (share, -abs(shift)) > (known[0], -abs(known[1])):
                        best[at] = share, shift
        for at, (share, shift) in sorted(best.items()):
            yield Hit(int(self._numbers[at]), share, shift / 10)

    def _common(self, count: int, shift: int) -> NDArray[np.int64]:
        """Return how many tenths of a second each line has in common with ``count`` that are ``shift`` earlier."""
        return np.minimum(self._lengths, count + shift) - max(shift, 0)

    def _near(self, wanted: NDArray[np.uint8], shift: int) -> NDArray[np.int64]:
        """Return the lines that may have the signature at this shift, by the sparse rows."""
        shown, inside = np.zeros((TICKS, wanted.shape[1]), np.uint8), np.zeros((TICKS, wanted.shape[1]), np.uint8)
        first, last = max(0, shift), min(TICKS, len(wanted) + shift)
        shown[first:last] = wanted[first - shift : last - shift]
        inside[first:last] = 255
        theirs, mask = (_columns(one[None, :: self.kind.sparse])[:, 0] for one in (shown, inside))
        apart = np.zeros(len(self._lengths), np.uint16)
        common = np.zeros(len(self._lengths), np.uint16)
        for at, column in enumerate(self._sparse):
            if not mask[at]:
                continue
            room = mask[at] if self._valid is None else self._valid[at] & mask[at]
            apart += ones((column ^ theirs[at]) & room)
            if self._valid is not None:
                common += ones(room)
        whole = int(ones(mask).sum())
        allowed = (1 - self.kind.share + LOOSE) * (whole if self._valid is None else common)
        # A neighbouring shift has a tenth of a second more in common, perhaps.
        return np.flatnonzero((apart <= allowed) & (self._common(len(wanted), shift) >= self._needed(len(wanted)) - 1))

    def _needed(self, count: int) -> NDArray[np.float64]:
        """Return how many tenths of a second each line must have in common with ``count``."""
        return np.maximum(MIN_TICKS, np.ceil(MIN_OVERLAP * np.minimum(self._lengths, count)))

    def _shares(self, wanted: NDArray[np.uint8], shift: int, lines: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of equal bits of some lines."""
        first, last = max(0, shift), min(TICKS, len(wanted) + shift)
        differing = ones(self._ticks[lines, first:last] ^ wanted[first - shift : last - shift]).sum(axis=2)
        common = self._common(len(wanted), shift)[lines]
        needed = self._needed(len(wanted))[lines]
        inside = np.arange(first, last) < self._lengths[lines, None]
        share = 1 - np.sum(differing * inside, axis=1) / np.maximum(1, common * self.kind.bits)
        return np.where(common >= needed, share, 0.0)


def ones(values: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Return the number of bits that are 1 in each value, of the same shape."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2.0
        return np.asarray(np.bitwise_count(values))
    halves = np.ascontiguousarray(values)[..., None].view(np.uint8)
    return np.asarray(_ONES[halves].sum(axis=-1), np.uint8)


_ONES = np.array([number.bit_count() for number in range(256)], np.uint8)


def _columns(ticks: NDArray[np.uint8]) -> Words:
    """Return bytes (N, T, B) as words (W, N): those of one place in all signatures lie side by side."""
    flat = ticks.reshape(len(ticks), ticks.shape[1] * ticks.shape[2])
    padded = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 8)))
    return np.ascontiguousarray(np.ascontiguousarray(padded).view(np.uint64).T)
