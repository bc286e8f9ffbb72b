"""A function for every metric, over arrays in memory: one line each.

    from evalkit import functional

    functional.psnr(frames, real)
    functional.fid(generated_videos, real_videos)
    functional.lip_sync(frames, wave, audio_rate=16000, fps=25).confidence
    functional.identity(frames, face_image)
    functional.clip_score(frames, "a man waves")

The functions are made from the registered metrics, so that one of another package has its own as soon as it is
installed: under its short name (``fid``, ``lse_c``) and under its id with ``_`` for ``.`` (``fid_clean``). The video
comes first, then what it is compared with; all else is given by name. ``help(functional.fid)`` shows both, and
``dir(functional)`` all functions. Each returns an `evalkit.Measurement`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from evalkit.arrays.calling import measure
from evalkit.arrays.needs import ARGUMENTS, NotOfArraysError, inputs_of, needs_rate, refuse_what_needs_files
from evalkit.arrays.record import Measurement
from evalkit.metrics.base import Metric, metric_registry

_OPTIONS = {"backbones": "published", "device": "cpu", "threads": 1}
_SECOND = {"reference_video": "reference_fps", "audio": "audio_rate"}  # input -> the argument that comes with it
_SPELLINGS = {"clip_score": "clipscore"}  # as others call them


class LipSync(NamedTuple):
    """What SyncNet says of lips and sound.

    Args:
        confidence: LSE-C or Sync-C, higher is better.
        distance: LSE-D or Sync-D, lower is better.
        offset: in frames at 25/s; positive: the sound is early.
    """

    confidence: Measurement
    distance: Measurement
    offset: Measurement


def lip_sync(video: Any, audio: Any, *, audio_rate: Any, fps: Any = None, **options: Any) -> LipSync:
    """Return confidence, distance and offset of the lips in one pass; the arguments are those of `evalkit.measure`."""
    names = ("sync.latentsync.conf", "sync.latentsync.dist", "sync.latentsync.offset")
    found = measure(names, video, audio=audio, audio_rate=audio_rate, fps=fps, **options)
    return LipSync(*(found[name] for name in names))


def __getattr__(name: str) -> Any:
    """Return the function of a metric."""
    known = _names()
    metric = known.get(_SPELLINGS.get(name, name))
    if metric is None:
        from evalkit.errors import did_you_mean

        hint = did_you_mean(name, [*known, *_SPELLINGS, "lip_sync"])
        raise AttributeError(f"module 'evalkit.functional' has no function '{name}'.{hint}")
    return _function(name, metric)


def __dir__() -> list[str]:
    return sorted({*_names(), *_SPELLINGS, "lip_sync", "LipSync"})


def names_of(metric: Metric) -> list[str]:
    """Return the names of a metric's functions."""
    return [*metric.record.aliases, metric.record.id.replace(".", "_").replace("-", "_")]


def _names() -> dict[str, Metric]:
    """Return function -> metric, of all that arrays suffice for; plugins may be added while a program runs."""
    found: dict[str, Metric] = {}
    for metric in metric_registry().values():
        try:
            refuse_what_needs_files(metric)
        except NotOfArraysError:
            continue
        for name in names_of(metric):
            found.setdefault(name, metric)
    return found


@lru_cache(maxsize=512)
def _function(name: str, metric: Metric) -> Callable[..., Measurement]:
    """Return the function that measures ``metric``, with a signature of what it needs."""
    signature = _signature(metric)

    def function(*values: Any, **named: Any) -> Measurement:
        try:
            bound = signature.bind(*values, **named)
        except TypeError as error:
            raise TypeError(f"{name}{signature}: {error}") from None
        found: Measurement = measure(metric.record.id, **bound.arguments)
        return found

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = _text(name, metric, signature)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _signature(metric: Metric) -> inspect.Signature:
    kind = inspect.Parameter
    inputs = inputs_of(metric)
    given = [argument for part, (argument, _) in ARGUMENTS.items() if part in inputs]
    parameters = [kind(name, kind.POSITIONAL_OR_KEYWORD) for name in ("video", *given)]
    named = {"fps": kind.empty if needs_rate(metric) else None, "times": None}
    if "fps" in named and named["fps"] is kind.empty:
        named["fps"] = None  # fps or times: checked by `measure`, whose message names both
    named |= {second: None for part, second in _SECOND.items() if part in inputs}
    parameters += [kind(name, kind.KEYWORD_ONLY, default=default) for name, default in (named | _OPTIONS).items()]
    return inspect.Signature(parameters)


def _text(name: str, metric: Metric, signature: inspect.Signature) -> str:
    record = metric.record
    needed = [one.name for one in signature.parameters.values() if one.default is one.empty]
    extra = ["fps=25"] if needs_rate(metric) else []
    extra += ["audio_rate=16000"] if "audio_rate" in signature.parameters else []
    better = {True: "Higher is better.", False: "Lower is better.", None: "No side is better."}
    return (
        f"Return {record.title}: {record.summary}\n\n"
        f"    functional.{name}({', '.join([*needed, *extra])})\n\n"
        f"{better[record.higher_is_better]}{f' Unit: {record.unit}.' if record.unit else ''} The metric's id is "
        f"{record.id} ('evalkit metrics show {record.id}'); the arguments are those of `evalkit.measure`."
    )
