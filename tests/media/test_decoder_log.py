"""FFmpeg's log: the first messages are kept, all are counted, and none comes from another file."""

from __future__ import annotations

from pathlib import Path

import av.logging
import pytest
from hard_clips import make

from evalkit.media.decoder_log import DecoderLog
from evalkit.media.inspect import inspect_media


def test_the_first_different_ones_are_kept_and_all_are_counted() -> None:
    log = DecoderLog()
    av.logging.log(av.logging.ERROR, "before", "nobody listens")
    with log.capture():
        for number in [1, 1, 2, 3, 4, 5, 6, 7]:
            av.logging.log(av.logging.ERROR, "codec", f"complaint {number}\x1b[31m\n")
        av.logging.log(av.logging.WARNING, "codec", "no matter")
    av.logging.log(av.logging.ERROR, "after", "nobody listens")
    assert log.count == 8
    assert log.messages == [f"codec: complaint {number}\\x1b[31m" for number in range(1, 6)]


def test_a_fault_ends_the_listening() -> None:
    log = DecoderLog()
    with pytest.raises(ValueError, match="stop"), log.capture():
        av.logging.log(av.logging.FATAL, "codec", "the end")
        raise ValueError("stop")
    assert (log.count, log.messages) == (1, ["codec: the end"])
    assert av.logging.get_level() is None


@pytest.mark.ffmpeg
def test_reading_tells_the_same_each_time(tmp_path: Path) -> None:
    damaged, good = make("sps-cut-short", tmp_path), make("plain", tmp_path)
    first, second, third = (inspect_media(path).facts for path in (damaged, damaged, good))
    assert first == second
    assert first.decoder_message_count == 3
    assert first.decoder_messages == ("h264: Overread VUI by 8 bits",)
    assert (third.decoder_messages, third.decoder_message_count) == ((), 0)
