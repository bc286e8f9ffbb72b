"""What FFmpeg complains of: kept in part, counted in whole, the same whoever was read before, and never of others."""

from __future__ import annotations

from pathlib import Path

import av.logging
import pytest
from hard_clips import make

from evalkit.media.complaints import Complaints
from evalkit.media.inspect import inspect_media


def test_the_first_different_ones_are_kept_and_all_are_counted() -> None:
    heard = Complaints()
    av.logging.log(av.logging.ERROR, "before", "nobody listens")
    with heard.listening():
        for number in [1, 1, 2, 3, 4, 5, 6, 7]:
            av.logging.log(av.logging.ERROR, "codec", f"complaint {number}\x1b[31m\n")
        av.logging.log(av.logging.WARNING, "codec", "no matter")
    av.logging.log(av.logging.ERROR, "after", "nobody listens")
    assert heard.count == 8
    assert heard.words == [f"codec: complaint {number}\\x1b[31m" for number in range(1, 6)]


def test_a_fault_ends_the_listening() -> None:
    heard = Complaints()
    with pytest.raises(ValueError, match="stop"), heard.listening():
        av.logging.log(av.logging.FATAL, "codec", "the end")
        raise ValueError("stop")
    assert (heard.count, heard.words) == (1, ["codec: the end"])
    assert av.logging.get_level() is None


@pytest.mark.ffmpeg
def test_reading_tells_the_same_each_time(tmp_path: Path) -> None:
    damaged, good = make("sps-cut-short", tmp_path), make("plain", tmp_path)
    first, second, third = (inspect_media(path).facts for path in (damaged, damaged, good))
    assert first == second
    assert first.complaint_count == 3
    assert first.complaints == ("h264: Overread VUI by 8 bits",)
    assert (third.complaints, third.complaint_count) == ((), 0)
