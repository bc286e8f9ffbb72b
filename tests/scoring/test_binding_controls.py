"""The bundled networks tell dialogues of puppets with the right binding from swapped ones, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.binding import SHOWN, ControlValues, score_controls
from evalkit.reference_models.puppet.testset import PuppetTestSet

INCOMPLETE = 3


@pytest.fixture(scope="module")
def controls(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, ControlValues]]:
    folder: Path = tmp_path_factory.mktemp("binding")
    return score_controls(PuppetTestSet(folder / "testset", 19, 1, 4, seconds=7.2, size=192, kind="dialogue"), folder)


def one(control: ControlValues, metric: str) -> float:
    (value,) = control.values[metric]
    return value


def test_right_and_swapped_voices(controls: tuple[int, dict[str, ControlValues]]) -> None:
    right, swapped = controls[1]["right"], controls[1]["swapped"]
    for name in ("bind.acc_person", "bind.acc_stream", "bind.acc_assign", "bind.nacc", "bind.nacc.overlap"):
        assert one(right, name) == 1, name
    for name in ("bind.acc_person", "bind.acc_stream", "bind.acc_assign"):
        assert one(swapped, name) == 0, name
    assert one(swapped, "bind.nacc") == one(swapped, "bind.nacc.overlap") == -1
    assert one(right, "bind.margin") >= one(right, "bind.worst") > 1
    assert one(swapped, "bind.margin") < -1
    assert one(right, "bind.conf") > 2 * one(swapped, "bind.conf")


def test_mouths_that_follow_every_voice_have_no_margin_and_never_rest(
    controls: tuple[int, dict[str, ControlValues]],
) -> None:
    right, everybody = controls[1]["right"], controls[1]["everybody"]
    assert abs(one(everybody, "bind.margin")) < 0.5
    assert one(right, "bind.idle_motion") < 0.5
    assert one(everybody, "bind.idle_motion") > 0.6


def test_one_mix_for_all_is_refused_and_the_rest_goes_on(controls: tuple[int, dict[str, ControlValues]]) -> None:
    code, found = controls
    assert code == INCOMPLETE
    assert found["one mix for all"].reasons == {name: ["streams_not_separate"] for name in SHOWN}
