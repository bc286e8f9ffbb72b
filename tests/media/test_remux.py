"""Videos copied without metadata: the same pictures and sound, and no word of who made them with what."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from evalkit.errors import MediaError
from evalkit.media.encode import write_video
from evalkit.media.remux import remux_video

ENCODERS = (b"x264", b"Lavf", b"Lavc", b"LAME", b"x265")


def contents(path: Path) -> tuple[list[Any], str, int]:
    """Return the times and digests of the frames, the digest of the sound, and its samples."""
    with av.open(str(path)) as file:
        frames = [
            (float(frame.time), hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest())
            for frame in file.decode(file.streams.video[0])
        ]
    sound, count = hashlib.sha256(), 0
    with av.open(str(path)) as file:
        for frame in file.decode(file.streams.audio[0]) if file.streams.audio else []:
            sound.update(frame.to_ndarray().tobytes())
            count += frame.samples
    return frames, sound.hexdigest(), count


def make(path: Path, *, sound: bool = True) -> Path:
    rng = np.random.default_rng(3)
    frames = [rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(30)]
    wave = np.sin(np.arange(16_000) / 9).astype(np.float32) / 5
    write_video(path, frames, 30, wave if sound else None, preset="fast")
    return path


def tag(source: Path, target: Path, word: str, options: dict[str, str] | None = None) -> Path:
    """Copy a file to one whose tags and names of handlers say ``word``."""
    with av.open(str(source)) as given, av.open(str(target), "w", options=options or {}) as made:
        made.metadata.update(title=word, comment=word, artist=word)
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for stream in streams.values():
            stream.metadata["handler_name"] = word
            stream.metadata["language"] = "deu"
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    return target


@pytest.mark.parametrize("ending", ["mp4", "mov"])
@pytest.mark.parametrize("sound", [True, False])
def test_pictures_and_sound_stay_and_words_go(tmp_path: Path, ending: str, sound: bool) -> None:
    plain = make(tmp_path / "plain.mp4", sound=sound)
    tagged = tag(plain, tmp_path / f"tagged.{ending}", "TeamNebula")
    before = tagged.read_bytes()
    assert b"TeamNebula" in before
    assert b"x264" in before, "the encoder names itself in the stream"
    target = tmp_path / "new.mp4"
    remux_video(tagged, target)
    after = target.read_bytes()
    assert [word for word in (b"TeamNebula", b"deu", *ENCODERS) if word in after] == []
    new, old = contents(target), contents(tagged)
    assert [digest for _, digest in new[0]] == [digest for _, digest in old[0]]
    assert [at for at, _ in new[0]] == pytest.approx([at for at, _ in old[0]], abs=0.002)
    assert new[1:] == old[1:]


def test_the_contents_come_first_so_that_a_browser_can_seek(tmp_path: Path) -> None:
    target = tmp_path / "new.mp4"
    remux_video(tag(make(tmp_path / "plain.mp4"), tmp_path / "late.mp4", "x", {"movflags": "+empty_moov"}), target)
    names, at, data = [], 0, target.read_bytes()
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        names.append(name)
        at += size
    assert names.index(b"moov") < names.index(b"mdat")
    assert at == len(data)


def test_the_same_video_gives_the_same_bytes_whatever_its_tags_say(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain.mp4")
    made = []
    for word in ("Nebula", "a much longer name of another team"):
        target = tmp_path / f"{len(made)}.mp4"
        remux_video(tag(plain, tmp_path / f"{len(made)}-in.mp4", word), target)
        made.append(target.read_bytes())
    assert made[0] == made[1]


def test_what_browsers_do_not_play_is_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "old.avi", tmp_path / "new.mp4"
    with av.open(str(source), "w") as made:
        stream = made.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for packet in [*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)]:
            made.mux(packet)
    with pytest.raises(MediaError, match="Browsers don't play this video") as error:
        remux_video(source, target)
    assert error.value.found == "mpeg4"
    assert not target.exists()


def test_a_file_without_times_of_decoding_is_refused(tmp_path: Path) -> None:
    source, target = tag(make(tmp_path / "plain.mp4"), tmp_path / "b.mkv", "x"), tmp_path / "new.mp4"
    with pytest.raises(MediaError, match="when each frame is decoded"):
        remux_video(source, target)
    assert not target.exists()


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_was_cut_off_leaves_nothing_behind(tmp_path: Path, share: float) -> None:
    data = make(tmp_path / "plain.mp4").read_bytes()
    cut, target = tmp_path / "cut.mp4", tmp_path / "new.mp4"
    moov = data.index(b"moov") - 4
    whole = data[: moov + struct.unpack_from(">I", data, moov)[0]]
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(MediaError):
        remux_video(cut, target)
    assert not target.exists()


@pytest.mark.shared
def test_real_clips_play_as_before(shared: Path, tmp_path: Path) -> None:
    for name in ("c07.mp4",):
        target = tmp_path / name
        remux_video(shared / "data" / "clips" / name, target)
        assert contents(target)[1:] == contents(shared / "data" / "clips" / name)[1:]
        assert [word for word in ENCODERS if word in target.read_bytes()] == []
