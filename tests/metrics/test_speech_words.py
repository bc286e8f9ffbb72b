"""Word errors: pooled over the set, against jiwer, from imported texts that nobody trusts, and by PocketSphinx."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from sync_networks import write_wav

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError, Item, feature_registry
from evalkit.metrics.speech import signals, sphinx
from evalkit.metrics.speech.imported import TranscriptExtractor

METRICS = metric_registry()
WORDS = ("go", "forward", "ten", "meters", "the", "cat", "sat")


def video(sample: str, reference: str, hypothesis: str, feature: str = "transcript_imported") -> VideoInputs:
    arrays = {"reference": np.array(reference), "hypothesis": np.array(hypothesis)}
    return VideoInputs(sample, {feature: FeatureData(arrays)})


PAIRS = (("the cat sat on the mat", "the cat sit on mat"), ("hello world", "hello word"), ("a", "a b c"))


def test_errors_are_pooled_over_the_set():
    videos = [video(f"s{at}", *pair) for at, pair in enumerate(PAIRS)]
    found = METRICS["asr.wer"].score_set(videos)
    assert (found.value, found.n) == (pytest.approx(5 / 9), 3)
    assert found.details == {"errors": 5.0, "length": 9.0, "mean_of_samples": pytest.approx(0.944444, abs=5e-7)}
    assert found.ci95[0] < found.value < found.ci95[1]
    assert METRICS["asr.cer"].score_set(videos).value == pytest.approx(0.294118, abs=5e-7)
    assert [METRICS["asr.wer"].score_video(one).value for one in videos] == [pytest.approx(2 / 6), 0.5, 2.0]
    assert METRICS["asr.wer"].score_set(reversed(videos)) == found


def test_rates_are_those_of_jiwer():
    import jiwer

    draw = random.Random(0)
    for _ in range(100):
        references = [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(4)]
        hypotheses = [" ".join(draw.choices(WORDS, k=draw.randint(0, 9))) for _ in range(4)]
        videos = [video(str(at), *pair) for at, pair in enumerate(zip(references, hypotheses, strict=True))]
        assert METRICS["asr.wer"].score_set(videos).value == jiwer.process_words(references, hypotheses).wer
        assert METRICS["asr.cer"].score_set(videos).value == jiwer.process_characters(references, hypotheses).cer


def test_nothing_recognised_counts_as_deletions_and_says_so():
    found = METRICS["asr.wer"].score_video(video("s", "one two three", ""))
    assert (found.value, [event.kind for event in found.events]) == (1.0, ["no_words"])
    pooled = METRICS["asr.wer"].score_set([video("s", "one two three", ""), video("t", "four", "four")])
    assert (pooled.value, [note.kind for note in pooled.notes]) == (0.75, ["no_words"])


def test_case_and_punctuation_count_only_where_the_id_says_so():
    one = video("s", "Don't go.", "dont go")
    assert METRICS["asr.wer"].score_video(one).value == 1.0
    assert METRICS["asr.wer.aligndit"].score_video(one).value == 0.0
    assert METRICS["asr.cer.aligndit"].score_video(one).value == 0.0


@pytest.mark.parametrize(("name", "transcript"), [("asr.wer", ""), ("asr.cer", "  "), ("asr.wer.aligndit", "?! ...")])
def test_a_transcript_without_words_is_left_out(name: str, transcript: str):
    for heard in ("um hello", ""):
        found = METRICS[name].score_video(video("s", transcript, heard))
        assert (found.value, found.reason) == (None, "transcript_without_words")
    pooled = METRICS[name].score_set([video("s", transcript, "um"), video("t", "a b", "a b")])
    assert (pooled.value, pooled.n) == (0.0, 1)
    assert METRICS[name].score_set([video("s", transcript, "um")]).reason == "transcript_without_words"


def test_samples_without_a_transcript_are_left_out():
    missing = VideoInputs("u", {"transcript_imported": FeatureData(None, "no_transcript")})
    found = METRICS["asr.wer"].score_set([missing, video("s", "one two", "one")])
    assert (found.value, found.n) == (0.5, 1)
    assert METRICS["asr.wer"].score_set([missing]).reason == "no_transcript"


def imported(folder: Path, transcript: str | None = "hello world") -> dict[str, str]:
    item = Item("s/1", folder / "s.wav", transcript=transcript, imported=(("asr", folder),))
    arrays = TranscriptExtractor({}).open(item, {}).finish()
    return {name: str(text) for name, text in arrays.items()}


def test_an_imported_text_is_read_whatever_its_lines(tmp_path):
    place = tmp_path / "generated" / "s" / "1.txt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"\xef\xbb\xbfHello,\r\n  w\xc3\xb6rld \n")
    assert imported(tmp_path) == {"hypothesis": "Hello, wörld", "reference": "hello world"}
    place.write_bytes(b"")
    assert imported(tmp_path)["hypothesis"] == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfeh\x00i\x00", "UTF-8"), (b"h\x00i", "no text"), (b"word " * 20_001, "at most 100,000")],
)
def test_a_file_that_is_no_text_is_one_sentence(tmp_path, content, words):
    place = tmp_path / "generated" / "s" / "1.txt"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    with pytest.raises(FeatureUnavailableError) as caught:
        imported(tmp_path)
    assert caught.value.reason == "import_unusable"
    assert words in caught.value.detail


def test_what_is_missing_is_named(tmp_path):
    def reason(item: Item) -> str:
        with pytest.raises(FeatureUnavailableError) as caught:
            TranscriptExtractor({}).open(item, {})
        return caught.value.reason

    assert reason(Item("s", tmp_path / "s.wav")) == "no_transcript"
    assert reason(Item("s", tmp_path / "s.wav", transcript="a")) == "not_imported"
    place = (("asr", tmp_path),)
    assert reason(Item("s", tmp_path / "s.wav", transcript="a", imported=place)) == "import_missing"
    (tmp_path / "generated").mkdir()
    os.mkfifo(tmp_path / "generated" / "s.txt")
    assert reason(Item("s", tmp_path / "s.wav", transcript="a", imported=place)) == "import_missing"


def test_long_sounds_are_cut_where_they_are_quiet():
    loud = np.full(75 * 16000, 9000, np.int16)
    loud[25 * 16000 : 25 * 16000 + 3200] = 0
    cut = list(sphinx.pieces(loud))
    assert sum(map(len, cut)) == len(loud)
    assert len(cut[0]) == pytest.approx(25.1 * 16000, abs=1700)
    assert max(map(len, cut)) <= 30 * 16000
    assert list(sphinx.pieces(loud[:0])) == []


def test_sphinx_hears_nothing_in_silence(tmp_path):
    item = Item("s", write_wav(tmp_path / "s.wav", np.zeros(32000, np.int16)), transcript="one two")
    session = feature_registry()["transcript_sphinx"]({}).open(item, {})
    session.plan(np.empty(0))
    arrays = session.finish()
    assert str(arrays["hypothesis"]) == ""
    found = METRICS["asr.wer.sphinx"].score_video(VideoInputs("s", {"transcript_sphinx": FeatureData(arrays)}))
    assert (found.value, found.events[0].kind) == (1.0, "no_words")


def test_without_the_package_sphinx_is_unscored_and_says_what_to_install(tmp_path, monkeypatch):
    def absent(_name: str) -> str:
        raise signals.PackageNotFoundError

    monkeypatch.setattr(signals, "version", absent)
    item = Item("s", write_wav(tmp_path / "s.wav", np.zeros(32000, np.int16)), transcript="one two")
    session = feature_registry()["transcript_sphinx"]({}).open(item, {})
    session.plan(np.empty(0))
    with pytest.raises(FeatureUnavailableError) as caught:
        session.finish()
    assert (caught.value.reason, caught.value.detail) == ("no_pocketsphinx", sphinx.NO_SPHINX)


@pytest.mark.shared
def test_sphinx_hears_the_same_words_again_and_others_in_noise(shared, tmp_path):
    """Real English speech: the words don't depend on what was heard before, and are lost in noise as loud."""
    from evalkit.media.audio import read_audio
    from evalkit.metrics.features.audio import to_int16

    clean = to_int16(read_audio(shared / "data/talking-heads/testset/audio/s02.wav", 16000))
    noise = np.random.RandomState(0).randn(len(clean)) * clean.std()
    heard = sphinx.recognise(clean)
    garbled = sphinx.recognise((clean + noise).clip(-32768, 32767).astype(np.int16))
    assert len(heard.split()) >= 5
    assert sphinx.recognise(clean) == heard
    assert METRICS["asr.wer.sphinx"].score_video(video("s", heard, garbled, "transcript_sphinx")).value > 0.5
