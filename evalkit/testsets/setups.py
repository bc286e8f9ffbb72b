"""A test set that asks for several videos of each sample: one line with ``setups`` becomes a sample for each of them.

```json
{"id": "s01", "audio": "audio/s01.wav", "reference_video": "videos/s01.mp4",
 "setups": {"silent": {"driving_audio": "setups/s01-silent.wav"}, "own": {},
            "other": {"audio": "setups/s01-other.wav"}}}
```

Each is a sample of its own for everything that reads files, caches and shows; metrics join them by `Sample.item`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from evalkit.errors import TestSetError
from evalkit.model_faults import fault_message
from evalkit.testsets.model import RelativePath, Sample, TestSet, make_sample

KEY = "setups"
MOST = 20  # setups of a sample


class SetupEntry(BaseModel):
    """What is different in one setup.

    Args:
        audio: path of the sound that the lips are compared with; absent for that of the sample.
        driving_audio: path of the sound that the generator is given; absent for ``audio``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    audio: RelativePath | None = None
    driving_audio: RelativePath | None = None


_ENTRIES = TypeAdapter(dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], SetupEntry])


def samples_of(record: Any, place: str) -> list[Sample]:
    """Return the samples that one record of a test set stands for: one, or one for each of its setups.

    Args:
        record: should be an object with a sample's keys.
        place: file and line, for messages.

    Raises:
        TestSetError: naming ``place`` and the key at fault.
    """
    if not isinstance(record, dict) or KEY not in record:
        return [make_sample(record, place)]
    plain = {key: value for key, value in record.items() if key != KEY}
    whole = make_sample(plain, place)  # so that a fault is told once, not for every setup
    return [
        make_sample(
            {
                **plain,
                "id": f"{whole.id}/{name}",
                "item": whole.id,
                "setup": name,
                "audio": entry.audio or whole.audio,
                "driving_audio": entry.driving_audio,
                "groups": {**whole.groups, "setup": name},
            },
            f"{place}, setup '{name}'",
        )
        for name, entry in _entries(record[KEY], place).items()
    ]


def _entries(value: Any, place: str) -> Mapping[str, SetupEntry]:
    try:
        entries = _ENTRIES.validate_python(value)
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != "[key]")
        raise TestSetError(
            f"{place}: '{KEY}{'.' + where if where else ''}' is not a setup.",
            found=fault_message(first),
            expected="an object of small names, each with 'audio' or 'driving_audio' where they are not the sample's",
        ) from None
    if not 1 <= len(entries) <= MOST:
        raise TestSetError(f"{place}: '{KEY}' has {len(entries)} setups.", expected=f"1 to {MOST}")
    return entries


def check_setups(testset: TestSet, setups: Sequence[str]) -> None:
    """Make sure that every item of the test set has the ``setups`` that a challenge asks for, if it asks for any.

    Raises:
        TestSetError: naming an item that has others.
    """
    if not setups:
        return
    found: dict[str, set[str]] = {}
    for sample in testset.whole:
        found.setdefault(sample.item or sample.id, set()).update([sample.setup] if sample.setup else [])
    for item, names in found.items():
        if names != set(setups):
            raise TestSetError(
                f"The test set's sample '{item}' does not have the setups of the challenge.",
                found=", ".join(sorted(names)) or "no setups",
                expected=", ".join(setups),
                fix="'evalkit testset setups TESTSET' makes a test set with silent, own and other.",
            )
