"""Metrics as classes of torchmetrics, for `MetricCollection`, Lightning and training on several processes.

    from evalkit.torchmetrics import FID, LipSyncConfidence

    fid = FID(backbones="bundled")
    fid.update(generated, reference=real)     # uint8 videos (B, T, 3, H, W), lists of (T, 3, H, W), or NumPy arrays
    fid.compute()

The numbers are those of `evalkit.measure`, computed by the same code. States are gathered from all processes when
`compute` is called; networks are shared by all classes of a process, and are no part of a pickle or a copy.

A number that can't be computed is NaN, with a warning that has the reason: missing is not zero. The class needs the
package torchmetrics: ``pip install 'evalkit-video[torchmetrics]'``.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from evalkit.arrays.calling import session_for
from evalkit.arrays.checks import items_of, references_alone
from evalkit.arrays.needs import check_given
from evalkit.arrays.session import Measurer
from evalkit.metrics.base import FeatureData, VideoInputs
from evalkit.metrics.distances.set_distance import DistributionDistance
from evalkit.scoring.plan import RunPlan

try:
    import torch
    from torchmetrics import Metric
    from torchmetrics.utilities import dim_zero_cat
except ModuleNotFoundError as error:
    raise ImportError(
        "evalkit.torchmetrics needs the package torchmetrics. Run: pip install 'evalkit-video[torchmetrics]'"
    ) from error


class ArrayMetric(Metric):
    """What the classes share: the metric of evalkit, its backbones and the session with the networks.

    Args:
        backbones: ``published``, ``bundled``, or the path of a backbones file.
        networks_on: the device of the networks: ``cpu``, ``cuda`` or ``auto``. It is not the device of the states,
            which ``.to`` moves.
        threads: of PyTorch on the CPU while the networks run.
        options: of `torchmetrics.Metric`, as ``sync_on_compute``.

    Raises:
        UsageError: an unknown set of backbones, or one without the network.
        WeightsError: the backbones lack a file.
    """

    metric: ClassVar[str]
    is_differentiable = False
    full_state_update = False

    def __init__(
        self, *, backbones: str | Path = "published", networks_on: str = "cpu", threads: int = 1, **options: Any
    ) -> None:
        super().__init__(**options)
        self._settings = (backbones, networks_on, threads)
        self._measurer: Measurer | None = None
        self._quiet = False
        self._opened()

    def _opened(self) -> tuple[Measurer, RunPlan]:
        if self._measurer is None:
            self._measurer = session_for(*self._settings)
        return self._measurer, self._measurer.plan(self.metric)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Take videos, and return the number of these alone: NaN, without a warning, where they have none."""
        self._quiet = True
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._quiet = False

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_measurer": None}

    def _missing(self, reason: str | None, detail: str = "") -> torch.Tensor:
        why = f"{reason}: {detail}" if detail else str(reason)
        if not self._quiet:
            warnings.warn(f"{type(self).__name__} has no value ({why}) and is NaN.", stacklevel=3)
        return torch.tensor(float("nan"), dtype=torch.float64, device=self.device)


class VideoMean(ArrayMetric):
    """The mean over videos of a value of each video.

    The state is the sum and the number of the values, so that it doesn't grow. ``unscored`` counts the videos without a
    value, and ``reasons`` why those of this process have none.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.reasons: dict[str, int] = {}
        # Names of their own: MetricCollection takes metrics with equal states for one.
        self._prefix = self.metric.replace(".", "_")
        for name in ("total", "scored", "unscored"):
            self.add_state(f"{self._prefix}_{name}", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def unscored(self) -> int:
        """How many videos have no value; of all processes inside of `compute`, else of this one."""
        return int(getattr(self, f"{self._prefix}_unscored"))

    def _take(self, video: Any, **given: Any) -> None:
        measurer, plan = self._opened()
        there = {name: value for name, value in given.items() if value is not None}
        check_given(plan, there)
        (name,) = plan.metrics
        with measurer.settings():
            for item in items_of(video, **there):
                value = measurer.values(plan, VideoInputs(item.sample, measurer.features(plan, item)))[name]
                if value.value is None:
                    self.reasons[str(value.reason)] = self.reasons.get(str(value.reason), 0) + 1
                    self._add("unscored", 1.0)
                else:
                    self._add("total", value.value)
                    self._add("scored", 1.0)

    def _add(self, name: str, value: float) -> None:
        setattr(self, f"{self._prefix}_{name}", getattr(self, f"{self._prefix}_{name}") + value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Take videos, and return the mean of these alone."""
        before = self.reasons
        value = super().forward(*args, **kwargs)
        self.reasons = {why: before.get(why, 0) + self.reasons.get(why, 0) for why in {*before, *self.reasons}}
        return value

    def compute(self) -> torch.Tensor:
        """Return the mean of the scored videos, or NaN with a warning."""
        scored = getattr(self, f"{self._prefix}_scored")
        if scored == 0:
            why = max(self.reasons, key=lambda name: self.reasons[name], default="no_video")
            return self._missing(why, f"{self.unscored} videos" if self.unscored else "")
        mean: torch.Tensor = getattr(self, f"{self._prefix}_total") / scored
        return mean

    def reset(self) -> None:
        """Forget all videos."""
        super().reset()
        self.reasons = {}


class SetDistance(ArrayMetric):
    """A distance between generated and real videos, of all frames or clips of both.

    The state has the network's vectors of both sides, so memory grows with them (8 kB for each frame by Inception).

    Args:
        reset_real_features: whether `reset` forgets the real videos too. ``False`` for a fixed validation set: its
            vectors are computed once.
        options: of `ArrayMetric`.
    """

    def __init__(self, *, reset_real_features: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self._keep_real = not reset_real_features
        _, plan = self._opened()
        ((_, metric),) = plan.metrics.items()
        assert isinstance(metric, DistributionDistance)  # noqa: S101 - of the classes below
        self._features = metric.record.features
        # Named by their features: metrics of the same vectors share them in a MetricCollection. Flat, because a process
        # without a video gives an empty vector, and all processes need as many dimensions.
        self._states = tuple(f"{name}_rows" for name in self._features)
        for name in self._states:
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state(f"{self._features[0]}_length", torch.tensor(0), dist_reduce_fx="max")

    def update(self, video: Any = None, reference: Any = None, *, fps: Any = None, reference_fps: Any = None) -> None:
        """Take generated videos, real ones, or both; not necessarily as many.

        Args:
            video: generated: uint8 (B, T, 3, H, W), (T, 3, H, W), a list of these, or the same as NumPy arrays with the
                channels last. Pictures (N, 3, H, W) for FID and KID.
            reference: real, in the same form.
            fps: frames per second; without it every frame counts once.
            reference_fps: of the real ones, where it is another.
        """
        measurer, plan = self._opened()
        with measurer.settings():
            if video is not None:
                for item in items_of(video, **({} if fps is None else {"fps": fps})):
                    self._keep(0, measurer.features(plan, item))
            if reference is not None:
                for item in references_alone(reference, reference_fps if reference_fps is not None else fps):
                    self._keep(1, measurer.reference_features(plan, item))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Take videos, and return the distance of these alone."""
        keep, self._keep_real = self._keep_real, False  # the batch starts from nothing, and is added afterwards
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._keep_real = keep

    def _keep(self, side: int, features: dict[str, FeatureData]) -> None:
        data = features[self._features[side]]
        if data.arrays is None:
            what = "A real video" if side else "A video"
            warnings.warn(f"{what} is left out of {type(self).__name__} ({data.reason}: {data.detail}).", stacklevel=3)
            return
        rows = np.ascontiguousarray(np.asarray(data.arrays["activation"], np.float32)[data.arrays["row"]])
        kept = getattr(self, self._states[side])
        kept.append(torch.from_numpy(rows.reshape(-1)).to(self.device))
        setattr(self, f"{self._features[0]}_length", torch.tensor(rows.shape[1], device=self.device))

    def compute(self) -> torch.Tensor:
        """Return the distance, or NaN with a warning."""
        _, plan = self._opened()
        ((_, metric),) = plan.metrics.items()
        assert isinstance(metric, DistributionDistance)  # noqa: S101
        sides = [self._rows(name) for name in self._states]
        if any(rows is None for rows in sides):
            return self._missing("no_video" if sides[0] is None else "no_reference_video")
        given = {
            name: FeatureData({"activation": rows, "row": np.arange(len(rows))})
            for name, rows in zip(self._features, sides, strict=True)
            if rows is not None
        }
        found = metric.unpaired().score_set([VideoInputs("all", given)])
        if found.value is None:
            return self._missing(found.reason)
        return torch.tensor(found.value, dtype=torch.float64, device=self.device)

    def _rows(self, name: str) -> np.ndarray[Any, np.dtype[np.float32]] | None:
        """Return the vectors of a side in an order that doesn't depend on which process had which."""
        kept = getattr(self, name)
        flat = dim_zero_cat(kept) if isinstance(kept, list) and kept else kept
        if isinstance(flat, list) or flat.numel() == 0:
            return None
        length = int(getattr(self, f"{self._features[0]}_length"))
        rows = np.ascontiguousarray(flat.detach().cpu().numpy().astype(np.float32).reshape(-1, length))
        whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)
        return rows[np.argsort(whole, kind="stable")]

    def reset(self) -> None:
        """Forget the videos, and the real ones unless they are to stay."""
        name = self._states[1]
        real, length = getattr(self, name), getattr(self, f"{self._features[0]}_length")
        kept = list(real) if isinstance(real, list) else [real]  # the base class empties the list itself
        super().reset()
        if self._keep_real:
            setattr(self, name, kept)
            setattr(self, f"{self._features[0]}_length", length)


class FID(SetDistance):
    """Fréchet distance of frames (``fid.pytorch``), or of pictures."""

    metric = "fid.pytorch"
    higher_is_better = False


class KID(SetDistance):
    """Kernel distance of frames (``kid.torchfidelity``); NaN with fewer than 1000 frames on either side."""

    metric = "kid.torchfidelity"
    higher_is_better = False


class FVD(SetDistance):
    """Fréchet distance of the first 16 frames of videos (``fvd.styleganv``)."""

    metric = "fvd.styleganv"
    higher_is_better = False


class KVD(SetDistance):
    """Kernel distance of the first 16 frames of videos (``kvd.styleganv``)."""

    metric = "kvd.styleganv"
    higher_is_better = False


class _WithReference(VideoMean):
    def update(self, video: Any, reference: Any, *, fps: Any = None, reference_fps: Any = None) -> None:
        """Take videos with their references, in the same order; forms as in `SetDistance.update`."""
        self._take(video, reference=reference, fps=fps, reference_fps=reference_fps)


class PSNR(_WithReference):
    """Peak signal-to-noise ratio in dB (``psnr.rgb``)."""

    metric = "psnr.rgb"
    higher_is_better = True


class SSIM(_WithReference):
    """Structural similarity (``ssim.gray``)."""

    metric = "ssim.gray"
    higher_is_better = True


class LPIPS(_WithReference):
    """Learned perceptual distance (``lpips.alex``)."""

    metric = "lpips.alex"
    higher_is_better = False


class _WithAudio(VideoMean):
    def update(self, video: Any, audio: Any, *, audio_rate: Any, fps: Any) -> None:
        """Take videos with their sound: (N,) or (C, N) for each, int16 or float of -1..1."""
        self._take(video, audio=audio, audio_rate=audio_rate, fps=fps)


class LipSyncConfidence(_WithAudio):
    """SyncNet's confidence, LSE-C (``sync.latentsync.conf``)."""

    metric = "sync.latentsync.conf"
    higher_is_better = True


class LipSyncDistance(_WithAudio):
    """SyncNet's distance, LSE-D (``sync.latentsync.dist``)."""

    metric = "sync.latentsync.dist"
    higher_is_better = False


class Identity(VideoMean):
    """Cosine of the subject's face to the reference image's (``identity.strict.arc``)."""

    metric = "identity.strict.arc"
    higher_is_better = True

    def update(self, video: Any, reference_image: Any) -> None:
        """Take videos with a reference image of each: (3, H, W), or (H, W, 3) of NumPy."""
        self._take(video, reference_image=reference_image)


class CLIPScore(VideoMean):
    """Agreement of frames and prompt (``clipscore.logits100``)."""

    metric = "clipscore.logits100"
    higher_is_better = True

    def update(self, video: Any, prompt: Any) -> None:
        """Take videos with the text of each."""
        self._take(video, prompt=prompt)
