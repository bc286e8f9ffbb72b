"""Write the pages about metrics, rules and YAML files from the records; ``--check`` only compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml_reference

from evalkit.metrics.base import Metric, MetricRecord, SetMetric, metric_registry
from evalkit.metrics.features.base import feature_registry, in_order
from evalkit.validators.registry import rule_registry
from evalkit.weights.manifest import load_backbones

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BETTER = {True: "higher", False: "lower", None: "neither"}
BUILTIN = "evalkit."


def metrics() -> dict[str, Metric]:
    """Return evalkit's own metrics by id, sorted."""
    found = sorted(metric_registry().items())
    return {name: metric for name, metric in found if type(metric).__module__.startswith(BUILTIN)}


def index_page() -> str:
    """Return the page that lists all metrics."""
    lines = [
        "# Metrics",
        "",
        "Made by `make docs` from the records in the code; `evalkit metrics show ID` prints the same. Each id leads to",
        "its page: definition, networks, pitfalls, variants, how to cite.",
        "",
        "| id | title | better | unit | range | aliases |",
        "|---|---|---|---|---|---|",
    ]
    for name, metric in metrics().items():
        record = metric.record
        lines.append(
            f"| [`{name}`](metrics/{name}.md) | {record.title} | {BETTER[record.higher_is_better]} "
            f"| {record.unit or '-'} | {span(record)} | {aliases(record)} |"
        )
    return "\n".join(lines) + "\n"


def span(record: MetricRecord) -> str:
    """Return the range in words."""
    low, high = record.range
    if low is None and high is None:
        return "unbounded"
    return f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}".strip()


def aliases(record: MetricRecord) -> str:
    """Return the short names as code."""
    return ", ".join(f"`{alias}`" for alias in record.aliases)


def metric_page(metric: Metric) -> str:
    """Return the page of one metric."""
    record = metric.record
    facts = {
        "id": f"`{record.id}`",
        "short name": aliases(record),
        "better": BETTER[record.higher_is_better],
        "unit": record.unit,
        "range": span(record),
        "one number per": "submission"
        if isinstance(metric, SetMetric)
        else f"video; the submission's is their {record.aggregate}",
        "role": record.role,
        "applies to": "samples with a person" if record.people_only else "",
        "does not see": record.blind_to,
        "what is missing": record.missing_policy,
        "protocol": str(record.protocol),
        "options": ", ".join(f"`{name}` {value}" for name, value in record.options.items()),
    }
    lines = [f"# {record.title}", "", "Made by `make docs` from the record in the code.", "", record.summary, ""]
    lines += ["| | |", "|---|---|", *(f"| {label} | {text} |" for label, text in facts.items() if text)]
    lines += ["", "## Definition", "", record.definition, *background(record)]
    lines += ["", "## Notes", "", record.notes] if record.notes else []
    lines += networks(record)
    lines += variants(record)
    lines += [
        "",
        "## How to cite",
        "",
        f"Source: {record.citation}.",
        "",
        f"With a number, say: evalkit's version, `{record.id}`, protocol {record.protocol}, the backbones' name and",
        "digest, how many videos it is based on. All of it is in the scorecard.",
    ]
    return "\n".join(lines) + "\n"


def background(record: MetricRecord) -> list[str]:
    """Return the link to the page about the metric or its family, where docs/definitions/ has one."""
    family = record.id.split(".", maxsplit=1)[0]
    lines = (DOCS / "definitions" / "README.md").read_text(encoding="utf-8").splitlines()
    for subject in (record.id, f"{family}.*"):
        for line in lines:
            page = re.match(r"\| \[([^]]+)\]\(([\w-]+\.md)\)", line)
            if page and f"`{subject}`" in line:
                return ["", f"Sources, traps and check values: [{page[1]}](../definitions/{page[2]})."]
    return []


def networks(record: MetricRecord) -> list[str]:
    """Return what the metric reads: its features and the networks behind them."""
    registry = feature_registry()
    names = in_order([name for name in record.features if name in registry], registry)  # no extractor makes `facts`
    if not names:
        return []
    roles = load_backbones("published").roles
    lines = ["", "## Reads", ""]
    used: list[str] = []
    for feature in (registry[name].record for name in names):
        lines.append(f"- `{feature.name}` (version {feature.version}): {feature.title}")
        used += [role for role in (*feature.weights, *feature.optional_weights) if role not in used]
    if used:
        lines += ["", "| network | file | licence | source |", "|---|---|---|---|"]
    for role in used:
        if role in roles:
            entry = roles[role]
            bar = " (**non-commercial**)" if entry.noncommercial else ""
            lines.append(f"| `{role}` | `{entry.file}` | {entry.licence}{bar} | {entry.citation} |")
    return lines


def variants(record: MetricRecord) -> list[str]:
    """Return the metrics of the same family, which are other numbers."""
    family = record.id.split(".", maxsplit=1)[0]
    others = [metric.record for name, metric in metrics().items() if name.split(".")[0] == family and name != record.id]
    if not others:
        return []
    lines = [
        "",
        "## Variants",
        "",
        "Numbers of different ids are never compared.",
        "",
        "| id | what differs |",
        "|---|---|",
    ]
    return lines + [f"| [`{other.id}`]({other.id}.md) | {other.summary} |" for other in others]


def rules_page() -> str:
    """Return the page about validation rules."""
    lines = [
        "# Rules",
        "",
        "Made by `make docs` from the records in the code. A challenge may change a rule's severity, or switch it off:",
        "",
        "```yaml",
        "submission:",
        '  severities: {encoding.audio-sample-rate: error, content.duplicate-frames: "off"}',
        "```",
        "",
        "| rule | looks at | severity | finds | module |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{rule.id}` | {rule.scope} | {rule.severity} | {rule.title} | {module_link(rule.check.__module__)} |"
        for _, rule in sorted(rule_registry().items())
    ]
    return "\n".join(lines) + "\n"


def module_link(module: str) -> str:
    """Return a link to the source of one of evalkit's validators; the plain name of another package's module."""
    path = f"{module.removeprefix(BUILTIN).replace('.', '/')}.py"
    return f"[{path}](../{path})" if module.startswith(BUILTIN) else f"`{module}`"


def pages() -> dict[Path, str]:
    """Return every page's text by its path."""
    found = {
        DOCS / "metrics.md": index_page(),
        DOCS / "rules.md": rules_page(),
        DOCS / "yaml-files.md": yaml_reference.page(),
    }
    found |= {DOCS / "metrics" / f"{name}.md": metric_page(metric) for name, metric in metrics().items()}
    return found


def main() -> int:
    """Write the pages, or report which differ."""
    made = pages()
    orphans = [path for path in sorted((DOCS / "metrics").glob("*.md")) if path not in made]
    if "--check" in sys.argv:
        stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in [*stale, *orphans]:
            print(f"{path.relative_to(ROOT)} is stale; run 'make docs'")
        return 1 if stale or orphans else 0
    (DOCS / "metrics").mkdir(exist_ok=True)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    for path in orphans:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
