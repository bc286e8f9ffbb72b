"""`evalkit.Scorer`: a challenge's metrics over frames in memory, again and again, with networks that stay loaded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.arrays.checks import items_of
from evalkit.arrays.session import Measurer
from evalkit.challenges.model import Challenge, load_challenge, require_videos
from evalkit.errors import EvalkitError, InputError, UsageError, did_you_mean
from evalkit.media.held import HeldSound, HeldVideo
from evalkit.metrics.base import Metric
from evalkit.progress import Progress
from evalkit.reference_models.generators.base import GenerationError
from evalkit.scorer.arguments import check_kinds
from evalkit.scorer.array_facts import facts_of, findings_in
from evalkit.scorer.cards import scorecard_of
from evalkit.scorer.planning import scorer_plan
from evalkit.scorer.random_states import kept_random_states, seed_everything
from evalkit.scorer.references import References
from evalkit.scorer.requests import AUDIO_RATE, ScorerSample, requests_for
from evalkit.scorer.rows import Row, digest_of, strip_of
from evalkit.scorer.sharing import gathered, rank_and_world
from evalkit.scorer.subset import Samples, chosen_samples, item_of
from evalkit.scoring.intake import expected_lengths
from evalkit.scoring.plan import require_references
from evalkit.scoring.scorecard import Scorecard
from evalkit.scoring.shared_cache import open_cache, open_place
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.findings import Finding, verdict_of
from evalkit.weights.manifest import Backbones

Generate = Callable[[ScorerSample], Any]


class Scorer:
    """Scores frames in memory by a challenge's rules, as often as a training loop asks.

        with evalkit.Scorer("talking-head", "testset/", samples=evalkit.pick(16), backbones="bundled") as scorer:
            for step in range(steps):
                ...
                if step % 1000 == 0:
                    card = scorer.run(lambda sample: model.generate(sample.reference_image, sample.audio))
                    log(card.scores(prefix="val/"), step)

    The numbers are those of `evalkit score` of a lossless file with the same frames. Everything happens in this
    process: networks are loaded at the first use and stay until `close`; features of the references are computed once,
    and taken from the feature cache where it has them. What is kept of a video are features, no frames. Random states
    and PyTorch's settings are the caller's again after every call.

    Args:
        challenge: a preset's id, the path of a YAML file, or a `Challenge`: its metrics, and its rules for rates,
            lengths and sizes.
        testset: the test set's folder, its file, or a `TestSet`.
        metrics: ids or aliases, as a list or one string with commas; ``None`` for the challenge's, without those that
            need a file or measured seconds.
        samples: `evalkit.pick`, ids, or ``None`` for all.
        backbones: a set's name or file.
        device: ``cpu``, ``cuda`` or ``auto``.
        cache: folder or address of the feature cache, for the references.
        fps: of the videos that `run` asks for; ``None`` for 25, or the nearest that the challenge allows.
        seed: of the random numbers that generators draw in `run`.
        threads: of one operator on the CPU; with 1 the numbers are those of `evalkit score` to the bit.
        offload: give the networks' memory back after every `run` and `compute`; they are loaded again at the next.
        allow_missing: leave out metrics whose weights are not there, instead of stopping.
        name: of what is scored, for the scorecard.
        progress: told how far `run` is.

    Attributes:
        challenge, testset: what was opened; the test set has the chosen samples only.
        samples: what a generator gets for each of them.

    Raises:
        UsageError: a wrong argument.
        EvalkitError: something can't be opened, or weights are missing.
    """

    def __init__(
        self,
        challenge: str | Path | Challenge,
        testset: str | Path | TestSet,
        *,
        metrics: Sequence[str | Metric] | str | None = None,
        samples: Samples = None,
        backbones: str | Path | Backbones = "published",
        device: str = "cpu",
        cache: str | Path | None = None,
        fps: float | None = None,
        seed: int = 0,
        threads: int = 1,
        offload: bool = False,
        allow_missing: bool = False,
        name: str = "model",
        progress: Progress | None = None,
    ) -> None:
        check_kinds(challenge=challenge, testset=testset, metrics=metrics, backbones=backbones, device=device)
        check_kinds(cache=cache, fps=fps, seed=seed, name=name)
        self.challenge = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
        require_videos(self.challenge, "A scorer of frames in memory")
        whole = testset if isinstance(testset, TestSet) else load_testset(testset)
        self.testset = chosen_samples(whole, samples)
        self._chosen = samples
        self.name, self._offload = name, offload
        self._progress = progress or Progress()
        self._cache = open_place(cache, self._progress.warn)
        self._measurer = Measurer(backbones, device=device, threads=threads)
        names = [one.strip() for one in metrics.split(",") if one.strip()] if isinstance(metrics, str) else metrics
        self._plan = scorer_plan(
            self.challenge, self._measurer.backbones, names, self._measurer.device, allow_missing=allow_missing
        )
        require_references(self.testset, self._plan)
        self.samples = requests_for(self.testset, self.challenge, fps, seed)
        self._lengths = expected_lengths(
            self.testset, self.challenge, [sample.id for sample in self.testset], open_cache(self._cache)
        )
        self._references = References(self._measurer, self._plan, self.challenge, self._cache, exact=threads == 1)
        self._by_id: dict[str, Sample] = {sample.id: sample for sample in self.testset}
        self._rows: dict[str, Row] = {}
        self._failures: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<Scorer: {self.challenge.id}, {len(self._plan.metrics)} metrics, {len(self._rows)} of "
            f"{len(self.testset)} samples scored>"
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Ids of the metrics that are computed."""
        return tuple(self._plan.metrics)

    def update(
        self,
        sample_id: str,
        frames: Any,
        audio: Any = None,
        fps: float = 25,
        *,
        audio_rate: int = AUDIO_RATE,
    ) -> tuple[Finding, ...]:
        """Score one video; an earlier one of the same sample is replaced.

        Args:
            sample_id: which sample it answers.
            frames: (T, H, W, 3) uint8 RGB of NumPy, or (T, 3, H, W) uint8 of PyTorch, on any device.
            audio: its own sound from the first frame on, (N,), (C, N) or (N, C), int16 or float of -1..1; ``None`` for
                the sample's speech, as a talking head is given it; ``False`` for a video without sound.
            fps: frames per second.
            audio_rate: samples per second of ``audio``.

        Returns:
            What the challenge's rules find. A finding of severity ``error`` means that a file like that would be
            refused, so that the video is not scored.

        Raises:
            UsageError: the sample is not one of those chosen.
            InputError: an array of another shape or type; the message says how to convert it.
        """
        sample = self._sample(sample_id)
        video = self._held(sample, frames, audio, fps, audio_rate)
        facts = facts_of(video, self.challenge.submission)
        expected = self._lengths.get(sample.id)
        findings = findings_in(facts, self.challenge.submission, f"{sample.id} (array)", expected)
        features = {}
        if verdict_of(findings) != "error":
            unused = frozenset() if sample.shows_person else self._plan.people_features
            item = item_of(sample, self.testset, video, unused)
            with self._measurer.settings():
                features = self._measurer.features(self._plan, item, known=self._references.of(item))
        self._rows[sample.id] = Row(sample.id, digest_of(video), facts, findings, features, strip_of(video))
        self._failures.pop(sample.id, None)
        return findings

    def compute(self) -> Scorecard:
        """Return the scorecard of the videos scored so far; samples without one are missing in its coverage.

        It says which part of the test set was scored (``provenance["subset"]``, and a note beside each number).
        """
        try:
            with self._measurer.settings():
                return scorecard_of(
                    self._plan,
                    self.challenge,
                    self.testset,
                    self._chosen,
                    self._rows,
                    self._failures,
                    self.name,
                    self._cache,
                )
        finally:
            self._hand_back()

    def reset(self) -> None:
        """Forget all videos; networks and features of references stay."""
        self._rows.clear()
        self._failures.clear()

    def run(
        self, generate: Generate, *, skip_errors: bool = False, seeded: bool = True, distributed: bool = False
    ) -> Scorecard:
        """Score what ``generate`` makes of every sample, and return the scorecard; earlier videos are forgotten.

        Args:
            generate: called with a `ScorerSample` and without gradients; returns frames, or (frames, audio) with the
                sound at the sample's ``audio_rate``. Frames are taken to be shown at the sample's ``fps``.
            skip_errors: an exception of ``generate``, or frames that can't be read, cost that sample alone; without,
                they end the run.
            seeded: seed all random generators for each sample, so that every evaluation draws the same numbers.
            distributed: share the samples among the processes of `torch.distributed`. Every process must call it, and
                each gets the whole scorecard.

        Warns:
            RuntimeWarning: the challenge refuses what ``generate`` made; those videos have no number.

        Raises:
            GenerationError: ``generate`` raised; the message names the sample.
            InputError: it returned something else than frames.
        """
        self.reset()
        rank, world = rank_and_world() if distributed else (0, 1)
        problem: EvalkitError | None = None
        mine = self.samples[rank::world]
        with kept_random_states(), self._progress.stage("scoring", len(mine)) as stage:
            for asked in mine:
                try:
                    self._take(asked, generate, seeded=seeded)
                except EvalkitError as error:
                    if not (skip_errors and isinstance(error, InputError)):  # a full disk costs more than one sample
                        problem = error
                        break
                    self._failures[asked.id] = str(error)
                stage.advance()
        if world > 1:
            problem = self._gather(problem)
        if problem is not None:
            self._hand_back()
            raise problem
        if rank == 0:
            self._warn_of_refused()
        return self.compute()

    def filmstrip(self, sample_id: str) -> NDArray[np.uint8] | None:
        """Return a few frames of a sample's last video side by side, (H, W, 3) uint8; ``None`` without a video."""
        row = self._rows.get(self._sample(sample_id).id)
        return None if row is None else row.strip

    def close(self) -> None:
        """Give back the networks and what was kept of videos."""
        self.reset()
        self._release()

    def _take(self, asked: ScorerSample, generate: Generate, *, seeded: bool) -> None:
        if seeded:
            seed_everything(asked.seed)
        try:
            made = _without_gradients(generate, asked)
        except Exception as error:
            raise GenerationError(
                f"The generator failed for the sample '{asked.id}'.", found=f"{type(error).__name__}: {error}"
            ) from error
        frames, audio = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
        try:
            self.update(asked.id, frames, audio, asked.fps, audio_rate=asked.audio_rate)
        except InputError as error:
            raise InputError(
                [f"What the generator returned for the sample '{asked.id}' can't be scored.", error.what],
                found=error.found,
                expected=error.expected,
                fix=error.fix,
            ) from error

    def _warn_of_refused(self) -> None:
        """Say it when the rules refuse videos: nobody would look for the reason of a gap in a log of training."""
        errors = [[one for one in row.findings if one.severity == "error"] for row in self._rows.values()]
        refused = [found[0] for found in errors if found]
        if refused:
            first = refused[0]
            warnings.warn(
                f"Not scored, because they break a rule of '{self.challenge.id}': {len(refused)} of {len(self._rows)} "
                f"videos. The first: {first.path}: {first.message} Found {first.found}; expected {first.expected}.",
                RuntimeWarning,
                stacklevel=3,
            )

    def _gather(self, problem: EvalkitError | None) -> EvalkitError | None:
        """Take the rows of all processes; return the first problem of any."""
        parts = gathered((self._rows, self._failures, problem))
        for rows, failures, _ in parts:
            self._rows |= rows
            self._failures |= failures
        return next((found for _, _, found in parts if found is not None), None)

    def _held(self, sample: Sample, frames: Any, audio: Any, fps: float, audio_rate: int) -> HeldVideo:
        own = audio is not None and audio is not False
        given = {"audio": [audio], "audio_rate": audio_rate} if own else {}
        (item,) = items_of([frames], fps=fps, **given)
        video: Any = item.video
        if audio is None and sample.audio is not None:
            return HeldVideo(video.frames, video.times, _speech(self.testset.path(sample.audio)))
        held: HeldVideo = video
        return held

    def _sample(self, sample_id: str) -> Sample:
        if sample_id not in self._by_id:
            raise UsageError(
                f"The scorer has no sample '{sample_id}'.{did_you_mean(str(sample_id), self._by_id)}",
                fix="scorer.samples has those that were chosen.",
            )
        return self._by_id[sample_id]

    def _hand_back(self) -> None:
        if self._offload:
            self._release()

    def _release(self) -> None:
        self._measurer.close()
        if self._measurer.device != "cpu":
            import gc

            import torch

            gc.collect()
            torch.cuda.empty_cache()


def _without_gradients(generate: Generate, asked: ScorerSample) -> Any:
    import sys

    if "torch" not in sys.modules:
        return generate(asked)
    import torch

    with torch.no_grad():
        return generate(asked)


def _speech(path: Path) -> HeldSound:
    """Return the speech of a sample as a sound in memory, at its own rate."""
    from evalkit.media.audio import read_audio
    from evalkit.media.container import open_media

    with open_media(path) as container:
        rate = int(container.streams.audio[0].rate)
    return HeldSound(read_audio(path, rate)[None], rate)
