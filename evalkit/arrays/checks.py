"""What a caller gives, checked and turned into items: every fault is an error that says what to change.

Nothing is converted silently: an array that may mean two things is refused. What can't be seen in an array, such as the
order of its colours, is not checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.arrays.sounds import check_length, sound_of
from evalkit.errors import InputError
from evalkit.media.held import HeldSound, HeldVideo
from evalkit.metrics.features.base import Item, Picture

PLAIN_RATE = 25.0  # of frames without a rate: each is then looked at once
_CHANNELS = 3
_TORCH_ORDER = "(T, 3, H, W)"
_NUMPY_ORDER = "(T, H, W, 3)"


def items_of(
    video: Any,
    *,
    fps: Any = None,
    times: Any = None,
    reference: Any = None,
    reference_fps: Any = None,
    reference_image: Any = None,
    audio: Any = None,
    audio_rate: Any = None,
    prompt: Any = None,
    timeline: Any = None,
) -> list[Item]:
    """Return an item for each video, named by its place (``000000``, ``000001``).

    The arguments are those of `evalkit.measure`. A list as long as the list of videos gives each its own; a single
    video takes a single value.

    Raises:
        InputError: something does not fit; the message says how to convert it.
    """
    videos = split(video, "video")
    count = len(videos)
    _refuse_loose_frames(videos, beside=[one for one in (reference, audio) if _is_array(one)])
    rates = _each(_maybe_list(fps), count, "fps")
    clocks = _each([times] if times is not None and not _is_list_of_arrays(times) else times, count, "times")
    references = _each(None if reference is None else split(reference, "reference"), count, "reference")
    reference_rates = _each(_maybe_list(reference_fps), count, "reference_fps")
    images = _each(_image_lists(reference_image, count), count, "reference_image")
    waves = _each(_wave_list(audio, count), count, "audio")
    wave_rates = _each(_maybe_list(audio_rate), count, "audio_rate")
    prompts = _each([prompt] if isinstance(prompt, str) else prompt, count, "prompt")
    timelines = _each(_timeline_list(timeline), count, "timeline")
    items = []
    for at in range(count):
        where = f"video {at}" if count > 1 else "the video"
        frames = frames_of(videos[at], where)
        rate = _rate(rates[at], "fps")
        sound = sound_of(waves[at], wave_rates[at], f"the audio of {where}")
        held = HeldVideo(frames, _times(len(frames), rate, clocks[at], where), sound)
        if sound is not None and (rate is not None or clocks[at] is not None):
            check_length(sound, float(held.times[-1] - held.times[0]) + _step(held.times))
        other = None
        if references[at] is not None:
            pictures = frames_of(references[at], f"the reference of {where}")
            other_rate = _rate(reference_rates[at], "reference_fps") or rate
            same = clocks[at] if other_rate is None else None
            if same is not None and len(pictures) != len(frames):
                raise InputError(
                    f"The reference of {where} has not as many frames as the times that were given.",
                    found=f"{len(pictures)} frames, {len(frames)} times",
                    fix="Add reference_fps=25 (or what it is).",
                )
            other = HeldVideo(pictures, _times(len(pictures), other_rate, same, where))
        items.append(_item(at, held, other, images[at], sound, prompts[at], timelines[at]))
    return items


def _item(  # noqa: PLR0917
    at: int, video: HeldVideo, reference: HeldVideo | None, images: Any, sound: HeldSound | None, text: Any, events: Any
) -> Item:
    # An item says ``Path``, because all other rooms give files; the readers take both.
    return Item(
        sample=f"{at:06d}",
        video=cast(Any, video),
        reference_images=cast(Any, tuple(picture_of(image) for image in images or ())),
        reference_video=cast(Any, reference),
        audio=cast(Any, sound),
        text=_text(text),
        timeline=_events(events),
    )


def references_alone(reference: Any, fps: Any = None) -> list[Item]:
    """Return an item without frames for each reference video: for distances between two sets."""
    found = []
    for at, one in enumerate(split(reference, "reference")):
        frames = frames_of(one, f"reference {at}")
        held = HeldVideo(frames, _times(len(frames), _rate(fps, "reference_fps"), None, "the reference"))
        nothing = HeldVideo([], np.empty(0))
        found.append(Item(f"{at:06d}", cast(Any, nothing), reference_video=cast(Any, held)))
    return found


def split(videos: Any, name: str) -> list[Any]:
    """Return a list of videos of one video, a list of videos, or a batch with five dimensions.

    Raises:
        InputError: there is none, or it is no array.
    """
    if _is_array(videos):
        return list(videos) if videos.ndim == 5 else [videos]
    if isinstance(videos, str | bytes) or not isinstance(videos, Sequence):
        raise InputError(
            f"The argument {name} is not an array.",
            found=type(videos).__name__,
            expected="a NumPy array or a PyTorch tensor, or a list of them",
            fix="For files, use 'evalkit score', or read them with evalkit.media.",
        )
    if not videos:
        raise InputError(f"The list of the argument {name} is empty.", fix="Give at least one video.")
    return list(videos)


def _refuse_loose_frames(videos: Sequence[Any], beside: Sequence[Any]) -> None:
    """Refuse the frames of one video as a list: each of them would be a video of one frame.

    Args:
        videos: the list.
        beside: other arguments that are a single array: what is beside many videos is a list.
    """
    pillow = any(type(one).__module__.startswith("PIL.") for one in videos)
    if pillow or (beside and len(videos) > 1 and all(_is_array(one) and one.ndim == 3 for one in videos)):
        raise InputError(
            "The list of videos has single pictures.",
            found=f"{len(videos)} of type {type(videos[0]).__name__}",
            expected="one array for each video",
            fix="If they are the frames of one video: np.stack([np.asarray(frame) for frame in frames]).",
        )


def frames_of(video: Any, where: str) -> NDArray[np.uint8]:
    """Return (T, H, W, 3) uint8 of an array (T, H, W, 3), or of a tensor (T, 3, H, W); one picture is one frame.

    The result shares the caller's memory where it can.

    Raises:
        InputError: another shape or type, or values that are no colours of 0..255.
    """
    if not _is_array(video):
        raise InputError(
            f"{_upper(where)} is not an array.",
            found=type(video).__name__,
            expected=f"uint8, {_NUMPY_ORDER} of NumPy or {_TORCH_ORDER} of PyTorch",
        )
    tensor = not isinstance(video, np.ndarray)
    array: NDArray[Any] = video.detach().cpu().numpy() if tensor and _plain_type(video) else np.asarray(video)
    if array.ndim == 3:
        array = array[None]
    _check_type(array, where, tensor=tensor)
    _check_shape(array, where, tensor=tensor)
    frames = array.transpose(0, 2, 3, 1) if tensor else array
    if frames.shape[0] == 0:
        raise InputError(
            f"{_upper(where)} has no frame.", found=f"shape {tuple(array.shape)}", expected="T of at least 1"
        )
    if min(frames.shape[1:3]) < 1:
        raise InputError(f"{_upper(where)} has frames without pixels.", found=f"shape {tuple(array.shape)}")
    if frames.max() == 1:
        raise InputError(
            f"{_upper(where)} has no value but 0 and 1.",
            expected="colours of 0..255",
            fix="It was probably converted to uint8 from 0..1: multiply by 255 and round before the conversion.",
        )
    return np.ascontiguousarray(frames, dtype=np.uint8) if tensor else cast(NDArray[np.uint8], frames)


def picture_of(image: Any) -> Picture:
    """Return a reference image (H, W, 3) uint8 of an array (H, W, 3) or a tensor (3, H, W)."""
    if _is_array(image) and image.ndim == 4 and len(image) > 1:
        raise InputError(
            "A reference image is a single picture.",
            found=f"shape {tuple(image.shape)}",
            expected="(H, W, 3)",
            fix="Give several pictures of one person as a list.",
        )
    return np.ascontiguousarray(frames_of(image, "the reference image")[0])


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_tensor(value)


def _is_tensor(value: Any) -> bool:
    """Whether it is a PyTorch tensor; loads nothing: a tensor comes from a module that is loaded."""
    return any(kind.__module__ == "torch" and kind.__name__ == "Tensor" for kind in type(value).__mro__)


def _plain_type(tensor: Any) -> bool:
    if str(tensor.dtype) == "torch.bfloat16":
        raise InputError("The frames are bfloat16.", expected="uint8", fix=_FLOAT_FIX_TORCH)
    return True


_FLOAT_FIX = (
    "From 0..1: (x * 255).round().clip(0, 255).astype(np.uint8); from -1..1: ((x + 1) * 127.5) in place of x * 255."
)
_FLOAT_FIX_TORCH = (
    "From 0..1: (x * 255).round().clamp(0, 255).to(torch.uint8); from -1..1: ((x + 1) * 127.5) in place of x * 255."
)


def _check_type(array: NDArray[Any], where: str, *, tensor: bool) -> None:
    if array.dtype == np.uint8:
        return
    fix = _FLOAT_FIX_TORCH if tensor else _FLOAT_FIX
    found = str(array.dtype)
    if array.dtype.kind == "f" and array.size:
        wide = array.astype(np.float64)
        finite = np.isfinite(wide)
        share = 1 - finite.mean()
        if share:
            found += f" with NaN or infinite values ({share:.1%})"
            fix = f"Find out where they come from before you convert. {fix}"
        if finite.any():
            found += f", {wide[finite].min():.4g}..{wide[finite].max():.4g}"
            if wide[finite].max() > 2:
                fix = "x.round().clamp(0, 255).to(torch.uint8)" if tensor else "x.round().clip(0, 255).astype(np.uint8)"
                fix = f"If these are colours of 0..255: {fix}."
    elif array.dtype.kind in "iub" and array.size:
        found += f", {array.min()}..{array.max()}"
        fix = "If these are colours of 0..255: convert to uint8; 16-bit colours are divided by 257 first."
    raise InputError(f"The frames of {where} are not uint8.", found=found, expected="uint8, colours of 0..255", fix=fix)


def _check_shape(array: NDArray[Any], where: str, *, tensor: bool) -> None:
    expected = _TORCH_ORDER if tensor else _NUMPY_ORDER
    axis = 1 if tensor else -1
    if array.ndim == 4 and array.shape[axis] == _CHANNELS:
        return
    fix = None
    if array.ndim == 4:
        others = {1: ("x.permute(0, 3, 1, 2)" if tensor else "x.transpose(0, 2, 3, 1)")}
        if array.shape[-1 if tensor else 1] == _CHANNELS:
            fix = f"The channels are in another place: {others[1]}."
        elif tensor and array.shape[0] == _CHANNELS:
            fix = "Channels come second: x.permute(1, 0, 2, 3)."
        elif array.shape[axis] == 1:
            fix = "Grey frames: repeat the channel three times."
        elif array.shape[axis] == 4:
            fix = "Frames with alpha: blend them over a background, or leave out the fourth channel."
    elif array.ndim == 5:
        fix = "A batch in a list: give a list of videos, or a batch alone."
    raise InputError(
        f"The frames of {where} have another shape.", found=f"{tuple(array.shape)}", expected=expected, fix=fix
    )


def _times(count: int, fps: float | None, times: Any, where: str) -> NDArray[np.float64]:
    if times is None:
        return np.arange(count) / (fps or PLAIN_RATE)
    found = np.asarray(times, dtype=np.float64)
    if found.shape != (count,) or not np.isfinite(found).all() or (np.diff(found) < 0).any():
        raise InputError(
            f"The times of {where} don't fit.",
            found=f"shape {found.shape} for {count} frames" if found.shape != (count,) else "not ascending, or NaN",
            expected="one time in seconds for each frame, ascending",
        )
    return found


def _step(times: NDArray[np.float64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1 / PLAIN_RATE


def _rate(fps: Any, name: str) -> float | None:
    if fps is None:
        return None
    try:
        rate = float("nan") if isinstance(fps, str | bytes) else float(fps)
    except (TypeError, ValueError):
        rate = float("nan")
    if isinstance(fps, bool) or not 0 < rate < 1000:
        raise InputError(
            f"The argument {name} is no frame rate.",
            found=repr(fps),
            expected="frames per second, as 25 or 30000 / 1001",
        )
    return rate


def _text(text: Any) -> str | None:
    if text is not None and not isinstance(text, str):
        raise InputError("A prompt is text.", found=type(text).__name__, expected="a string, or a list of strings")
    return text


def _events(events: Any) -> tuple[tuple[float, float, str], ...]:
    made = []
    for event in events or ():
        try:
            start, end, what = event
            made.append((float(start), float(end), str(what)))
        except (TypeError, ValueError):
            raise InputError(
                "An event of the timeline has another form.", found=repr(event), expected="(start, end, description)"
            ) from None
    return tuple(made)


def _maybe_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) or value is None else _Same(value)


class _Same:
    """One value for all videos."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _each(values: Any, count: int, name: str) -> list[Any]:
    """Return one value for each video."""
    if values is None:
        return [None] * count
    if isinstance(values, _Same):
        return [values.value] * count
    if not isinstance(values, Sequence):
        raise InputError(
            f"The argument {name} has the wrong type.",
            found=type(values).__name__,
            expected=f"one for each video: a list of {count}" if count > 1 else "one value, or a list of one",
        )
    if len(values) != count:
        found = len(values) if hasattr(values, "__len__") else 1
        raise InputError(
            f"There are not as many {_PLURALS.get(name, name)} as videos.",
            found=f"{found} for {count}",
            expected="one for each video, in the same order",
            fix=f"Give {name} as a list of {count}." if count > 1 else f"Give one {name}, or a list of one.",
        )
    return list(values)


_PLURALS = {
    "reference": "references",
    "reference_image": "reference images",
    "audio": "sounds",
    "prompt": "prompts",
    "timeline": "timelines",
}


def _is_list_of_arrays(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and hasattr(value[0], "__len__")


def _image_lists(images: Any, count: int) -> Any:
    """Return a list of images for each video: for a single video a list is several images of one person."""
    if images is None:
        return None
    if _is_array(images) and images.ndim == 4 and count == 1 and len(images) > 1:
        raise InputError(
            "The argument reference_image has several pictures in one array.",
            found=f"shape {tuple(images.shape)}",
            expected="one picture (H, W, 3)",
            fix="Of a video, choose a frame: frames[0]. Several pictures of one person are a list: list(images).",
        )
    if _is_array(images):
        return [[images]] if images.ndim == 3 or len(images) == 1 else [[one] for one in images]
    if not isinstance(images, Sequence):
        return [[images]]
    if count == 1 and all(_is_array(one) for one in images):
        return [list(images)]
    return [one if isinstance(one, list | tuple) or one is None else [one] for one in images]


def _wave_list(audio: Any, count: int) -> Any:
    if isinstance(audio, list | tuple) and audio and isinstance(audio[0], int | float):
        raise InputError(
            "The argument audio is not an array.",
            found=f"{type(audio).__name__} of {len(audio)} {type(audio[0]).__name__}",
            expected="a NumPy array or a PyTorch tensor of samples, or a list of them",
            fix="Samples in a list: np.asarray(samples, dtype=np.float32).",
        )
    if audio is None or isinstance(audio, list | tuple):
        return audio
    # A batch of sounds beside a batch of videos; two channels of a single video are no batch.
    batch = _is_array(audio) and (audio.ndim == 3 or (audio.ndim == 2 and count > 1)) and len(audio) == count
    return list(audio) if batch else [audio]


def _timeline_list(timeline: Any) -> Any:
    if timeline is None:
        return None
    nested = all(isinstance(one, list | tuple) and (not one or isinstance(one[0], list | tuple)) for one in timeline)
    return timeline if nested else [timeline]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
