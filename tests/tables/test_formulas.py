"""Combined columns: THEval's final score, OpenS2V-Eval's totals, and where they come from in a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit import api
from evalkit.errors import InputError
from evalkit.tables.formulas import FORMULAS, closeness, combine
from evalkit.tables.opens2v import load_opens2v
from evalkit.tables.opens2v_scores import Detection, nexus, nexus_parity, smoothness

EIGHT = [term.name for term in FORMULAS["theval"].terms]
# The ground-truth row that THEval's repository ships for its set (github.com/Newbyl/THEval, examples/gt_metrics.csv).
REAL = dict(zip(EIGHT, (4.6842, 23.835, 0.4425, 1.716603, 18.46757, 0.006777, 0.0263, 0.2528), strict=True))
# Rows of its leaderboard (README.md): the eight closenesses and the final score.
LEADERBOARD = {
    "LivePortrait": ([0.9464, 0.9760, 0.8784, 0.9913, 0.7548, 0.9997, 0.9316, 0.9980], 0.9345),
    "Hallo2": ([0.9619, 0.9254, 0.9017, 0.9883, 0.2395, 0.8530, 0.9620, 0.9502], 0.8477),
    "Wav2Lip": ([0.9090, 0.9180, 0.6762, 0.6966, 0.1124, 0.3662, 0.6388, 0.8849], 0.6502),
}
# Rows of OpenS2V-Eval's leaderboards (github.com/PKU-YuanGroup/OpenS2V-Nexus, leaderboard/file_v1.0 and file_v1.1), in
# percent: total, then the terms in their order.
OPENS2V = [
    ("opens2v-v1.1", 57.55, (47.21, 94.97, 15.02, 55.09, 67.27, 44.08, 67.04)),  # open domain, VACE-14B
    ("opens2v-v1.1", 61.75, (48.94, 93.16, 19.69, 64.65, 65.86, 50.82, 70.56)),  # single domain, VACE-14B
    ("opens2v-v1.1-human", 65.26, (52.75, 99.1, 31.8, 57.69, 71.42, 69.2)),  # human domain, Hailuo
    ("opens2v-v1.0", 58.00, (41.30, 35.54, 64.65, 58.55, 51.33, 77.33)),  # single domain, VACE-14B
    ("opens2v-v1.0-human", 51.11, (47.33, 14.80, 38.50, 70.42, 71.99)),  # human domain, Vidu 2.0
]


def theval(ratios: list[float], real: dict[str, float] = REAL) -> Any:
    values = {name: ratio * real[name] for name, ratio in zip(EIGHT, ratios, strict=True)}
    return combine(FORMULAS["theval"], values, real)


def test_theval_by_hand() -> None:
    # 0.9 + 0.5 + 1 + 0.5 + 1 + 0.5 + 1 - 0.5 = 4.9
    made = theval([1.1, 0.5, 1, 1.5, 1, 0.5, 1, 2.5])
    assert made.value == pytest.approx(0.6125, rel=1e-9)
    assert made.parts["Lip sync"] == pytest.approx(-0.5)
    # The repository's own test: 10 in each column of the real videos.
    real = dict.fromkeys(EIGHT, 10.0)
    values = dict(zip(EIGHT, (12, 5, 10, 15, 10, 5, 10, 0), strict=True))
    assert combine(FORMULAS["theval"], values, real).value == pytest.approx(0.6625, rel=1e-9)
    assert theval([1.0] * 8).value == pytest.approx(1.0)


def test_being_better_than_the_real_videos_is_punished() -> None:
    assert closeness(12.0, 10.0) == pytest.approx(closeness(8.0, 10.0)) == pytest.approx(0.8)
    assert closeness(30.0, 10.0) == pytest.approx(-1.0)
    assert closeness(-10.0, -10.0) == 1.0


@pytest.mark.parametrize("name", LEADERBOARD)
def test_thevals_leaderboard_is_the_mean_of_its_eight_columns(name: str) -> None:
    parts, final = LEADERBOARD[name]
    made = combine(FORMULAS["theval-normalized"], dict(zip(EIGHT, parts, strict=True)))
    assert made.value == pytest.approx(final, abs=1e-4)


@pytest.mark.parametrize(("name", "total", "parts"), OPENS2V)
def test_totals_of_published_leaderboards(name: str, total: float, parts: tuple[float, ...]) -> None:
    formula = FORMULAS[name]
    values = dict(zip([term.name for term in formula.terms], parts, strict=True))
    assert combine(formula, values).value == pytest.approx(total, abs=0.008)


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_weights_add_up_to_one(formula: Any) -> None:
    assert sum(term.weight for term in formula.terms) == pytest.approx(1.0)


def test_a_missing_term_is_no_number() -> None:
    values: dict[str, float | None] = {**REAL, "Face quality": None, "Lip sync": float("nan")}
    made = combine(FORMULAS["theval"], values, REAL)
    assert (made.value, made.reason) == (None, "No number for 'Face quality', 'Lip sync'.")
    assert combine(FORMULAS["theval"], REAL, {**REAL, "Lip sync": 0.0}).value is None
    assert combine(FORMULAS["theval"], REAL, {**REAL, "Lip sync": None}).value is None
    assert combine(FORMULAS["theval"], REAL).reason == "There is no reference row."
    huge = dict.fromkeys(EIGHT, 1e308)
    assert combine(FORMULAS["theval-normalized"], huge).value == pytest.approx(1e308)
    assert combine(FORMULAS["theval"], huge, dict.fromkeys(EIGHT, 1e-8)).value is None


def boxes() -> list[Detection]:
    numbers = zip((0.9, 0.7, 0.55, 0.8), (0.35, 0.28, 0.4, 0.31), (0.6, 0.5, 0.7, 0.4), strict=True)
    return [Detection(at % 3, 0, *three) for at, three in enumerate(numbers)]


def test_nexus() -> None:
    # Two boxes count: the second has too low a similarity to the name, the third too low a confidence.
    assert nexus_parity(boxes()) == pytest.approx((0.6 + 0.4) / 2 / 3, rel=1e-9) == pytest.approx(0.166667, abs=1e-6)
    assert nexus_parity([]) == 0.0
    assert nexus_parity(boxes()[1:3]) == 0.0
    two = [*boxes(), Detection(0, 1, 0.9, 0.9, 0.5)]  # a second reference in a frame that has a box already
    assert nexus_parity(two, "1.1") == pytest.approx(0.5 / 3)
    assert nexus_parity(two, "1.0") == pytest.approx(0.5 / 4)


def test_the_trap_of_nexus_and_the_score_without_it() -> None:
    once = [Detection(0, 0, 0.9, 0.4, 0.5)]
    always = [Detection(frame, 0, 0.9, 0.4, 0.5) for frame in range(32)]
    assert nexus_parity(once) > nexus_parity(always)
    assert nexus(once, 32, 1) == pytest.approx(0.5 / 32)
    assert nexus(always, 32, 1) == pytest.approx(0.5)
    # Of frames 0 to 2 the first two have a box that counts: 0.6 is the better one of frame 0, which 0.4 is in too.
    assert nexus(boxes(), 3, 1) == pytest.approx(0.6 / 3)
    assert nexus([Detection(0, 0, 0.9, 0.4, -0.5)], 1, 1) == 0.0


def test_smoothness() -> None:
    # One jump, from the second frame to the third... 0.81, 0.85: both are bad; the last, 0.84 to 0.80, two more.
    assert smoothness([0.80, 0.81, 0.85, 0.85, 0.84, 0.80]) == pytest.approx(1 / 3, rel=1e-9)
    assert smoothness([0.5]) == 1.0
    assert smoothness([]) is None
    assert smoothness([0.1, 0.9]) == 0.0


# The scores of the two demo videos that OpenS2V-Nexus ships (eval/demo_result/model_name_output_json).
DEMO: dict[str, dict[str, Any]] = {
    "aesthetic_score": {
        "faceobj_14": {"aes_score": 4.811809062957764},
        "singleface_3": {"aes_score": 5.194509506225586},
    },
    "facesim": {"singleface_3": {"cur_score": 0.9420197624713182, "arc_score": 0.9367029462009668}},
    "gmescore": {"faceobj_14": {"gme_score": 0.68115234375}, "singleface_3": {"gme_score": 0.67236328125}},
    "motion_amplitude": {
        "faceobj_14": {"motion_fb": 0.35025984048843384},
        "singleface_3": {"motion_fb": 0.038793787360191345},
    },
    "motion_smoothness": {
        "faceobj_14": {"motion_smoothness": 0.8985507246376812},
        "singleface_3": {"motion_smoothness": 1.0},
    },
    "naturalscore_1": {"faceobj_14": "4", "singleface_3": "3"},
    "naturalscore_2": {"faceobj_14": "4", "singleface_3": "3"},
    "naturalscore_3": {"faceobj_14": "4", "singleface_3": "4"},
    "nexusscore": {"faceobj_14": {"nexus_score": 0.01300811767578125}},
}


def opens2v_folder(folder: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, scores in {**DEMO, **changes}.items():
        if scores is not None:
            (folder / f"{name}.json").write_text(scores if isinstance(scores, str) else json.dumps(scores))
    return folder


def total(scores: dict[str, Any], formula: str) -> float | None:
    values = {
        term.name: next((scores[name].value for name in term.names if name in scores), None)
        for term in FORMULAS[formula].terms
    }
    return combine(FORMULAS[formula], values).value


def test_the_demo_of_opens2v(tmp_path: Path) -> None:
    scores = load_opens2v(opens2v_folder(tmp_path / "demo"))
    # The numbers of the shipped result (model_name_Open-Domain.json).
    assert scores["opens2v.aesthetics"].value == pytest.approx(0.3343864281972249, rel=1e-12)
    assert scores["opens2v.motion_smoothness"].value == pytest.approx(0.9492753623188406, rel=1e-12)
    assert scores["opens2v.gme"].value == pytest.approx(0.6767578125, rel=1e-12)
    assert scores["opens2v.nexus"].value == pytest.approx(0.260162353515625, rel=1e-12)
    assert scores["opens2v.natural"].value == pytest.approx(0.6666666666666667, rel=1e-12)
    assert scores["opens2v.facesim"].value == pytest.approx(0.9420197624713182, rel=1e-12)
    assert (scores["opens2v.facesim"].n, scores["opens2v.facesim"].coverage) == (1, 0.5)
    assert total(scores, "opens2v-v1.1") == pytest.approx(0.596, abs=5e-4)
    # Its total of 0.6357 is that of the old weights, with the smoothness in the place of the motion.
    values = {term.name: 0.0 for term in FORMULAS["opens2v-v1.0"].terms}
    for term in FORMULAS["opens2v-v1.0"].terms:
        name = "opens2v.motion_smoothness" if term.name == "MotionAmplitude" else term.names[0]
        values[term.name] = scores[name].value or 0.0
    assert combine(FORMULAS["opens2v-v1.0"], values).value == pytest.approx(0.6356867755593165, rel=1e-12)


def test_the_demo_of_version_1_0(tmp_path: Path) -> None:
    old = {"nexusscore": {"faceobj_14": {"retrieval_score": 0.01300048828125}}, "motion_smoothness": None}
    scores = load_opens2v(opens2v_folder(tmp_path / "demo", **old))
    assert scores["opens2v.nexus"].value == pytest.approx(0.260009765625, rel=1e-9)
    assert total(scores, "opens2v-v1.0") == pytest.approx(0.5450864321738482, rel=1e-9)
    assert total(scores, "opens2v-v1.1") is None  # no smoothness: not the rest of the sum


def test_values_are_clamped_per_video_and_zeros_of_nexus_left_out(tmp_path: Path) -> None:
    folder = opens2v_folder(
        tmp_path / "clamped",
        aesthetic_score={"a": {"aes_score": 3.0}, "b": {"aes_score": 8.5}},
        motion_amplitude={"a": {"motion_fb": -0.4}, "b": {"motion_fb": 7.0}},
        nexusscore={"a": {"nexus_score": 0}, "b": {"nexus_score": 0.2}},
        gmescore={"a": {"gme_score": -0.5}, "b": {"gme_score": 1.5}},
    )
    scores = load_opens2v(folder)
    assert scores["opens2v.aesthetics"].value == pytest.approx(0.5)
    assert scores["opens2v.motion_amplitude"].value == pytest.approx(0.7)
    assert scores["opens2v.nexus"].value == pytest.approx(1.0)
    assert scores["opens2v.nexus"].n == 1
    assert scores["opens2v.nexus_with_zeros"].value == pytest.approx(0.5)
    assert scores["opens2v.gme"].value == pytest.approx(0.25)  # negative similarities are not raised to 0
    nothing = load_opens2v(opens2v_folder(tmp_path / "nothing", nexusscore={"a": {"nexus_score": 0}}))
    assert (nothing["opens2v.nexus"].value, nothing["opens2v.nexus"].reason) == (None, "never_found")


def test_what_the_networks_said(tmp_path: Path) -> None:
    raw = [[at % 3, 0, 0.9, 0.35, 0.6] for at in range(3)]
    folder = opens2v_folder(
        tmp_path / "raw",
        nexusscore=None,
        motion_smoothness=None,
        detections={"faceobj_14": {"frames": 4, "references": 1, "boxes": raw}},
        qalign={"faceobj_14": [0.80, 0.81, 0.85, 0.85, 0.84, 0.80]},
    )
    scores = load_opens2v(folder)
    assert scores["subject.nexus"].value == pytest.approx(0.6 * 3 / 4)
    assert scores["opens2v.nexus"].value == pytest.approx(1.0)  # 0.6 / 3, clamped to 0.05
    assert scores["opens2v.motion_smoothness"].value == pytest.approx(1 / 3)
    assert total(scores, "opens2v-v1.1") is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gmescore": "{"}, "gmescore.json is not JSON"),
        ({"gmescore": "[1]"}, "an object with the videos as keys"),
        ({"gmescore": '{"a": {"gme_score": 1, "gme_score": 2}}'}, "gmescore.json is not JSON"),
        ({"gmescore": '{"a": {"gme_score": NaN}}'}, "gmescore.json is not JSON"),
        ({"gmescore": '{"a": {"gme_score": 1e999}}'}, "gmescore.json is not JSON"),
        ({"gmescore": '{"a": {"gme_score": true}}'}, "a finite number under 'gme_score'"),
        ({"gmescore": '{"a": {"score": 1}}'}, "a finite number under 'gme_score'"),
        ({"gmescore": '{"a": 1}'}, "a finite number under 'gme_score'"),
        ({"naturalscore_1": {"a": "a four"}}, "wrong for the video 'a'"),
        ({"naturalscore_1": {"a": "inf"}}, "wrong for the video 'a'"),
        ({"motionscore": {"faceobj_14": {"motion_fb": 1}}}, "motion's amplitude twice"),
        ({"qalign": {"faceobj_14": [1, 2]}}, "a score twice"),
        ({"detections": {"faceobj_14": {"frames": 1, "references": 1, "boxes": []}}}, "a score twice"),
        ({"detections": {"a": {"frames": 0, "references": 1, "boxes": []}}}, "frames and references"),
        ({"detections": {"a": {"frames": 1, "references": 1, "boxes": [[1, 0, 1, 1, 1]]}}}, "frames and references"),
        ({"detections": {"a": {"frames": 1, "references": 1, "boxes": [[0, 0, 1, 1]]}}}, "frames and references"),
        ({"detections": {"a": {"frames": 10**12, "references": 1, "boxes": []}}}, "frames and references"),
        ({"qalign": {"a": "0.5"}}, "a list of numbers"),
    ],
)
def test_hostile_folders_are_refused_in_a_sentence(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = opens2v_folder(tmp_path / "hostile", **change)
    with pytest.raises(InputError, match=message):
        load_opens2v(folder)


def written(folder: Path, text: str) -> Any:
    (folder / "runs.yaml").write_text(text, encoding="utf-8")
    return api.table(folder / "runs.yaml")


def test_a_table_with_totals_of_a_folder_and_of_plain_numbers(tmp_path: Path) -> None:
    opens2v_folder(tmp_path / "demo")
    table = written(
        tmp_path,
        """
columns:
  - {metric: Aesthetics, better: higher}
  - {metric: opens2v.natural}
  - {metric: new, formula: opens2v-v1.1, precision: 4}
  - {metric: old, formula: opens2v-v1.0, precision: 4, title: Total 1.0}
rows:
  - {name: demo, run: demo}
  - {name: empty, source: nobody, values: [{metric: Aesthetics, value: 0.5}]}
""",
    )
    assert [cell.text for cell in table.rows[0].cells] == ["", "0.6667", "0.5960", "0.5451"]
    new = table.rows[0].cells[2]
    assert [column.title for column in table.columns[2:]] == ["Total (OpenS2V 1.1)", "Total 1.0"]
    gap = table.rows[1].cells[2]
    assert gap.value is None
    assert gap.reason is not None
    assert gap.reason.startswith("No number for 'MotionSmoothness'")
    assert any("Of a part of the files or samples: FaceSim" in table.notes[n - 1] for n in new.notes)


def test_a_table_with_thevals_final_score(tmp_path: Path) -> None:
    ids = [term.names[0] for term in FORMULAS["theval"].terms]
    columns = "".join(f"  - {{metric: {name}, better: neither}}\n" for name in ids)

    def row(name: str, ratios: list[float]) -> str:
        numbers = [ratio * REAL[term] for ratio, term in zip(ratios, EIGHT, strict=True)]
        values = ", ".join(f"{{metric: {key}, value: {value}}}" for key, value in zip(ids, numbers, strict=True))
        return f"  - {{name: {name}, source: a paper, values: [{values}]}}\n"

    rows = row("real", [1.0] * 8) + row("ours", [1.1, 0.5, 1, 1.5, 1, 0.5, 1, 2.5]) + row("theirs", [1.0] * 7 + [0.5])
    text = f"columns:\n{columns}  - {{metric: final, formula: theval, reference: real}}\nrows:\n{rows}"
    table = written(tmp_path, text)
    assert [row.cells[-1].value for row in table.rows] == pytest.approx([1.0, 0.6125, 0.9375])
    assert [row.cells[-1].mark for row in table.rows] == [None, "second", "best"]  # the real videos compete with nobody
    for wrong, message in (
        (text.replace("reference: real", "reference: reel"), "'reel', which is no row"),
        (text.replace(", reference: real", ""), "needs a 'reference'"),
        (text.replace("formula: theval", "formula: thevall"), "Did you mean 'theval'"),
    ):
        with pytest.raises(InputError, match=message):
            written(tmp_path, wrong)


def test_facts_and_the_pareto_set(tmp_path: Path) -> None:
    text = """
pareto: [fvd, gpu_hours]
columns:
  - {metric: parameters, unit: B, better: neither, precision: 0}
  - {metric: gpu_hours, unit: h, better: lower, precision: 0}
  - {metric: fvd}
rows:
  - {name: small, facts: {parameters: 1, gpu_hours: 100}, values: [{metric: fvd, value: 87.62, source: a}]}
  - {name: dear, facts: {parameters: 3, gpu_hours: 300}, values: [{metric: fvd, value: 99.52, source: a}]}
  - {name: large, facts: {parameters: 6, gpu_hours: 900}, values: [{metric: fvd, value: 38.01, source: a}]}
  - {name: unknown, facts: {parameters: 6}, values: [{metric: fvd, value: 1, source: a}]}
  - {name: wasteful, facts: {parameters: 6, gpu_hours: 950}, values: [{metric: fvd, value: 38.01, source: a}]}
  - {name: twin, facts: {parameters: 6, gpu_hours: 900}, values: [{metric: fvd, value: 38.01, source: a}]}
"""
    table = written(tmp_path, text)
    assert [row.pareto for row in table.rows] == [
        True,
        False,
        True,
        None,
        False,
        True,
    ]  # equal rows beat each other in nothing
    assert [cell.text for cell in table.rows[0].cells] == ["1", "100", "87.62"]
    assert table.pareto == ("gpu_hours", "FVD")
    for wrong, message in (
        (text.replace("pareto: [fvd, ", "pareto: [fid, "), "'pareto' names 'fid', which is no column"),
        (text.replace("[fvd, gpu_hours]", "[parameters]"), "which side is better"),
        (text.replace("{parameters: 1, ", "{parameter: 1, "), "the fact 'parameter', which is no column"),
        (text.replace("{parameters: 1, ", "{parameters: .inf, "), "number"),
    ):
        with pytest.raises(InputError, match=message):
            written(tmp_path, wrong)
