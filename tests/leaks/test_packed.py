"""Signatures among many lines: the same matches as pair by pair, whatever the lengths, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.leaks import packed
from evalkit.leaks.listing import MOTION, SOUND
from evalkit.leaks.packed import BitKind, Block, Packed, ones

Rows = NDArray[np.uint8]


def slow(rng: np.random.Generator, ticks: int, bits: int) -> NDArray[np.bool_]:
    """Return bits that change as slowly as those of people: (ticks, bits)."""
    values = rng.standard_normal((ticks, bits))
    for tick in range(1, ticks):
        values[tick] = 0.9 * values[tick - 1] + 0.4 * values[tick]
    return values > 0


def changed(rng: np.random.Generator, bits: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    return bits ^ (rng.random(bits.shape) < share)


def pair_by_pair(kind: BitKind, line: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> tuple[float, int]:
    """Return the best share of equal bits and its shift, by the definition."""
    best = (0.0, 0)
    for shift in sorted(range(-10, 11), key=abs):
        first, last = max(0, shift), min(len(line), len(wanted) + shift)
        if last - first < max(20, np.ceil(0.6 * min(len(line), len(wanted)))):
            continue
        share = float(np.mean(line[first:last] == wanted[first - shift : last - shift]))
        best = max(best, (share, shift), key=lambda one: one[0])
    return best if best[0] >= kind.share else (0.0, 0)


@pytest.mark.parametrize("kind", [MOTION, SOUND])
def test_matches_are_those_of_every_pair(kind: BitKind) -> None:
    rng = np.random.default_rng(3)
    wanted = [slow(rng, length, kind.bits) for length in (64, 64, 50, 33, 20, 19)]
    lines = [slow(rng, int(length), kind.bits) for length in rng.integers(0, 65, 60)]
    for number, (start, length) in enumerate([(0, 64), (3, 61), (7, 50), (10, 40), (1, 30), (0, 20), (0, 19)]):
        for share in (0.0, 0.1, 0.15):
            lines.append(changed(rng, wanted[number % 3][start : start + length], share))
            lines.append(np.concatenate([slow(rng, start, kind.bits), wanted[number % 3]])[:64])
    block = Block(Packed.of(kind, [np.packbits(line, axis=1).tobytes() for line in lines]))
    found = 0
    for one in wanted:
        hits = {hit.line: hit for hit in block.search(np.packbits(one, axis=1))}
        for at, line in enumerate(lines):
            share, shift = pair_by_pair(kind, line, one) if min(len(line), len(one)) >= 20 else (0.0, 0)
            assert (at in hits) == (share > 0), (at, share)
            if at in hits:
                assert hits[at].share == pytest.approx(share)
                assert hits[at].shift == shift / 10
                found += 1
    assert found >= 20


def test_unrelated_lines_of_full_length_are_not_found() -> None:
    rng = np.random.default_rng(4)
    lines = np.stack([np.packbits(slow(rng, 64, 24), axis=1) for _ in range(500)])
    block = Block(Packed.of(MOTION, [line.tobytes() for line in lines]))
    assert [hit.line for hit in block.search(lines[7])] == [7]


def test_nothing_is_found_where_there_is_nothing() -> None:
    nothing = Block(Packed.of(MOTION, [b"", b"\1\2\3" * 19]))
    assert list(nothing.search(np.zeros((64, 3), np.uint8))) == []
    assert list(Block(Packed.of(MOTION, [])).search(np.zeros((64, 3), np.uint8))) == []


def test_bits_are_counted_with_old_versions_of_numpy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.random.default_rng(0).integers(0, 2**63, (3, 4), dtype=np.uint64)
    wanted = [[int(word).bit_count() for word in row] for row in words]
    assert ones(words).tolist() == wanted
    monkeypatch.delattr(packed.np, "bitwise_count", raising=False)
    assert ones(words).tolist() == wanted
    assert ones(words.T).tolist() == np.transpose(wanted).tolist()
    assert ones(words.view(np.uint8)).sum() == np.sum(wanted)
