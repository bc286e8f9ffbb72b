"""Examples on the page about YAML files: a whole file of each kind, and a value of each key that needs one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from evalkit.ratings import mapping

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CHALLENGE = """
id: clear-faces
title: Clear Faces 2026
submission: {layouts: ["{id}.mp4"], video: {codecs: [h264], min_fps: 24}}
metrics:
  - {id: identity.strict.arc, weight: 2, range: [0, 1]}
  - {id: psnr.rgb, range: [10, 50]}
ranking: weighted-sum
ratings:
  method: mos
  dimensions: [{id: lip_sync, title: Lip synchronization}]
  window: {opens: 2026-03-01 AoE, closes: 2026-03-05 AoE}
"""
RATINGS = textwrap.dedent((mapping.__doc__ or "").partition("::\n\n")[2])  # the example of its docstring
PAIRS = """
rater: Code
sample: Clip
left: Team on the left
right: Team on the right
winner: Better
values: {Left: 1, Equal: 0.5, Right: 0}
"""
SAMPLE = """
{"id": "anna/01", "reference_images": ["images/anna.png"], "audio": "speech/01.wav", "reference_video": "real/01.mp4"}
"""
BACKBONES = f"""
name: mine
title: My networks
roles:
  arcface:
    file: w600k_r50.onnx
    sha256: {SHA}
    licence: insightface, non-commercial research only
    noncommercial: true
"""
TABLE = """
title: Training sets, text to video
header: Training set
precision: 2
columns:
  - {metric: fvd, dataset: CelebV-HQ}
  - {metric: fid, dataset: CelebV-HQ, interval: true}
  - {metric: fvd, dataset: HDTF}
  - {metric: cost, title: Cost, unit: GPU h, better: lower, precision: 0}
rows:
  - name: Ours
    runs: {CelebV-HQ: runs/ours-celebv/, HDTF: runs/ours-hdtf/distance.json}
    values: [{metric: cost, value: 96, source: our log}]
  - name: Theirs
    source: table 2 of their paper
    values:
      - {metric: fvd, dataset: CelebV-HQ, value: 151.31}
      - {metric: fid, dataset: CelebV-HQ, reason: not reported}
"""
FIGURES = """
title: Training sets, text to video
source: their paper, tables 1 and 2
tables:
  - name: Table 1
    columns: [{name: FVD, better: lower}, {name: FID, better: lower}]
    rows:
      - {name: Theirs, values: [151.31, 25.18]}
      - {name: Ours, values: [38.01, 8.71]}
  - name: Table 2
    columns: [{name: FVD, better: lower}]
    rows:
      - {name: "6B, 1000 h", values: [38.01]}
      - {name: "3B, 600 h", values: [41.2]}
sums:
  - {title: clips, parts: [35150, 178350], total: 213500}
same:
  - {table: Table 1, row: Ours, other_table: Table 2, other: "6B, 1000 h"}
best:
  - {table: Table 2, row: "6B, 1000 h", columns: [FVD], said: more data is better}
better:
  - {table: Table 1, row: Ours, than: Theirs}
alike:
  - {table: Table 1, columns: [FVD, FID], at_least: 0.9}
"""
# Examples of keys whose default is nothing to start from; full_text.EXAMPLES has those of challenges.
EXAMPLES: Mapping[tuple[str, str], str] = {
    ("Challenge", "id"): "clear-faces",
    ("Challenge", "title"): "Clear Faces 2026",
    ("Challenge", "submission"): '{layouts: ["{identity}/{prompt}.mp4"]}',
    ("Challenge", "testset"): "{samples: 1000}",
    ("Challenge", "ranking_rules"): "{group_weights: {objective: 1, subjective: 2}}",
    ("Challenge", "speed"): "{frame_rate: 30}",
    ("SpeedRules", "sources"): "[measured]",
    ("Challenge", "fairness"): "{rule: worst-group, attribute: ethnicity}",
    ("GroupRules", "rule"): "worst-group",
    ("GroupRules", "attribute"): "ethnicity",
    ("GroupRules", "groups"): "[Asian, White, African]",
    ("GroupRules", "columns"): "[psnr.rgb]",
    ("Challenge", "ratings"): "{method: pairs}",
    ("SubmissionRules", "layouts"): '["{identity}/{prompt}.mp4"]',
    ("SubmissionRules", "archive"): "{max_files: 2000}",
    ("SubmissionRules", "video"): "{min_fps: 25, max_fps: 25}",
    ("SubmissionRules", "audio"): "{required: false}",
    ("SubmissionRules", "setups"): "[silent, own, other]",
    ("SubmissionRules", "sound"): "{sample_rates: [16000], channels: [1]}",
    ("SubmissionRules", "motion"): "{rate: 30, arrays: {motion: {shape: [frames, 56]}}}",
    ("SubmissionRules", "runs"): "{max: 3, primary: 1}",
    ("MetricEntry", "id"): "psnr.rgb",
    ("Phase", "id"): "submission",
    ("Dimension", "id"): "lip_sync",
    ("Dimension", "title"): "Lip synchronization",
    ("*Mapping", "format"): "wide",
    ("PairMapping", "format"): "null",
    ("*", "rater"): "Your code",
    ("*", "item"): "Clip",
    ("*", "dimension"): "Question",
    ("*", "value"): "Score",
    ("*", "at"): "Timestamp",
    ("*", "started_at"): "Start time",
    ("*", "seconds"): "Duration",
    ("*", "seconds_cover"): "row",
    ("*", "status"): "Status",
    ("*", "zone"): "Europe/Berlin",
    ("*", "time_format"): "'%d.%m.%Y %H:%M:%S'",
    ("*", "pattern"): "'Clip (?P<item>[0-9]+): (?P<dimension>.+)'",
    ("*", "encoding"): "gbk",
    ("*", "sheet"): "Answers",
    ("*", "sample"): "Clip",
    ("*", "left"): "Team on the left",
    ("*", "right"): "Team on the right",
    ("*", "winner"): "Better",
    ("*Mapping", "constants"): "{dimension: lip_sync}",
    ("*Mapping", "dimensions"): "{Lip sync: lip_sync}",
    ("RatingMapping", "values"): "{Excellent: 5, Bad: 1}",
    ("PairMapping", "values"): "{Left: 1, Equal: 0.5, Right: 0}",
    ("*Mapping", "missing"): "[N/A]",
    ("*Mapping", "ignore"): "[Comments]",
    ("Challenge", "detection"): "{frames: median}",
    ("DetectionRules", "frames_per_video"): "32",
    ("DetectionRules", "within"): "[quality]",
    ("DetectionRules", "base"): "original",
    ("Sample", "speakers"): '[{"name": "ada", "audio": "voices/ada.wav", "box": [0.1, 0.2, 0.5, 0.9]}, '
    '{"name": "ben", "audio": "voices/ben.wav", "box": [0.5, 0.2, 0.9, 0.9]}]',
    ("Speaker", "name"): '"ada"',
    ("Speaker", "audio"): '"voices/ada.wav"',
    ("Speaker", "box"): "[0.1, 0.2, 0.5, 0.9]",
    ("Speaker", "reference_image"): '"images/ada.png"',
    ("Sample", "truth"): '{"label": "fake", "generator": "hallo2"}',
    ("Truth", "label"): '"fake"',
    ("Truth", "generator"): '"hallo2"',
    ("Truth", "identity"): '"anna"',
    ("Truth", "driver"): '"ben"',
    ("Truth", "dataset"): '"celebv-hq"',
    ("Truth", "quality"): '"x264-crf35"',
    ("Truth", "run"): '"hallo2"',
    ("Truth", "video"): '"anna-01"',
    ("Sample", "id"): '"anna/01"',
    ("Sample", "reference_images"): '["images/anna.png"]',
    ("Sample", "audio"): '"speech/01.wav"',
    ("Sample", "text"): '"A woman speaks."',
    ("Sample", "timeline"): '[{"start": 0, "end": 2.5, "description": "She nods."}]',
    ("Sample", "reference_video"): '"real/01.mp4"',
    ("Sample", "motion"): '"real/01.npz"',
    ("Sample", "partner_motion"): '"real/01-partner.npz"',
    ("Sample", "transcript"): '"Good morning."',
    ("Sample", "item"): '"01"',
    ("Sample", "setup"): '"silent"',
    ("Sample", "occluders"): '"masks/01.mkv"',
    ("Sample", "driving_audio"): '"setups/01-silent.wav"',
    ("Sample", "groups"): '{"language": "German"}',
    ("Sample", "identity"): '"anna"',
    ("Sample", "prompt"): '"01"',
    ("TimelineEvent", "start"): "0.5",
    ("TimelineEvent", "end"): "2.5",
    ("TimelineEvent", "description"): '"She nods."',
    ("TableSpec", "title"): "Training sets, text to video",
    ("TableSpec", "label"): "tab:training-sets",
    ("TableSpec", "header"): "Training set",
    ("TableSpec", "columns"): "[{metric: fvd}, {metric: fid}]",
    ("TableSpec", "rows"): "[{name: Ours, run: runs/ours}]",
    ("TableSpec", "precision"): "2",
    ("TableSpec", "interval"): "true",
    ("TableSpec", "pareto"): "[fvd]",
    ("ColumnSpec", "metric"): "fvd.styleganv.unpaired",
    ("ColumnSpec", "dataset"): "HDTF",
    ("ColumnSpec", "title"): "FVD",
    ("ColumnSpec", "precision"): "1",
    ("ColumnSpec", "better"): "lower",
    ("ColumnSpec", "unit"): "GPU h",
    ("ColumnSpec", "interval"): "true",
    ("ColumnSpec", "mixed"): "true",
    ("ColumnSpec", "formula"): "opens2v-v1.1",
    ("ColumnSpec", "reference"): "the real videos",
    ("RowSpec", "name"): "3B, 400 h",
    ("RowSpec", "block"): "3B",
    ("RowSpec", "run"): "runs/ours",
    ("RowSpec", "runs"): "{HDTF: runs/ours-hdtf}",
    ("RowSpec", "values"): "[{metric: fvd, value: 38.01, source: their paper}]",
    ("RowSpec", "facts"): "{parameters: 3, hours: 400}",
    ("RowSpec", "source"): "table 2 of their paper",
    ("RowSpec", "note"): "stopped after 50,000 steps",
    ("ValueSpec", "metric"): "fvd",
    ("ValueSpec", "dataset"): "HDTF",
    ("ValueSpec", "value"): "38.01",
    ("ValueSpec", "interval"): "[35.2, 41.0]",
    ("ValueSpec", "source"): "table 2 of their paper",
    ("ValueSpec", "reason"): "not reported",
    ("PublishedFigures", "title"): "FaceVid-1K",
    ("PublishedFigures", "source"): "arXiv 2410.07151",
    ("PublishedFigures", "tables"): "[{name: Table 1, file: results.csv}]",
    ("PublishedFigures", "sums"): "[{title: age in percent, parts: ['60', '40'], total: '100'}]",
    ("PublishedFigures", "same"): "[{table: Table 1, row: ours, other_table: Table 2, other: 6B}]",
    ("PublishedFigures", "best"): "[{table: Table 1, row: ours}]",
    ("PublishedFigures", "better"): "[{table: Table 1, row: ours, than: theirs}]",
    ("PublishedFigures", "alike"): "[{table: Table 1, columns: [FVD, FID], at_least: 0.9}]",
    ("PublishedFigures", "totals"): "[{table: leaderboard, column: TotalScore, formula: opens2v-v1.1}]",
    ("PublishedTable", "name"): "Table 1",
    ("PublishedTable", "file"): "results.csv",
    ("PublishedTable", "columns"): "[{name: FVD, better: lower}]",
    ("PublishedTable", "rows"): "[{name: ours, values: ['38.01']}]",
    ("PublishedColumn", "name"): "FVD",
    ("PublishedColumn", "better"): "lower",
    ("PublishedRow", "name"): "3B, 400 h",
    ("PublishedRow", "block"): "3B",
    ("PublishedRow", "values"): "['38.01', null]",
    ("SumRule", "title"): "age in percent",
    ("SumRule", "parts"): "['60', '30', '10']",
    ("SumRule", "total"): "'100'",
    ("SumRule", "within"): "1",
    ("*", "said"): "more data is better",
    ("*", "table"): "Table 1",
    ("*", "row"): "ours",
    ("SameClaim", "other_table"): "Table 2",
    ("SameClaim", "other"): "6B",
    ("BetterClaim", "than_table"): "Table 2",
    ("BetterClaim", "than"): "theirs",
    ("AlikeClaim", "columns"): "[FVD, FID]",
    ("*", "columns"): "[FVD]",
    ("BestClaim", "block"): "3B",
    ("AlikeClaim", "at_least"): "0.9",
    ("AlikeClaim", "at_most"): "0.5",
    ("TotalRule", "column"): "TotalScore",
    ("TotalRule", "formula"): "opens2v-v1.1",
    ("TotalRule", "reference"): "GT",
    ("TotalRule", "within"): "0.01",
    ("Backbones", "name"): "mine",
    ("Backbones", "title"): "My networks",
    ("Backbones", "archives"): f"{{models.zip: {{sha256: {SHA}, bytes: 1000}}}}",
    ("Backbones", "roles"): "{arcface: {file: a.onnx, licence: MIT}}",
    ("ArchiveEntry", "sha256"): SHA,
    ("ArchiveEntry", "bytes"): "1000",
    ("*", "urls"): "[https://example.org/a.onnx]",
    ("WeightEntry", "file"): "a.onnx",
    ("WeightEntry", "sha256"): SHA,
    ("WeightEntry", "sha256_prefix"): SHA[:8],
    ("WeightEntry", "bytes"): "1000",
    ("WeightEntry", "options"): "{threshold: 0.5}",
    ("WeightEntry", "licence"): "MIT",
    ("WeightEntry", "citation"): "Deng et al. 2019",
    ("WeightEntry", "archive"): "models.zip",
}
