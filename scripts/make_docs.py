"""Write docs/metrics.md and docs/rules.md from the records in the code; ``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from evalkit.metrics.base import MetricRecord, metric_registry
from evalkit.validators.media_rules import rule_registry

DOCS = Path(__file__).parents[1] / "docs"
BETTER = {True: "higher", False: "lower", None: "neither"}


def metrics_page() -> str:
    """Return the page about metrics."""
    records = [metric.record for _, metric in sorted(metric_registry().items())]
    lines = [
        "# Metrics",
        "",
        "Made by `make docs` from the records in the code; `evalkit metrics show ID` prints the same.",
        "",
        "| id | title | better | unit | range | aliases |",
        "|---|---|---|---|---|---|",
    ]
    for record in records:
        aliases = ", ".join(f"`{alias}`" for alias in record.aliases)
        lines.append(
            f"| `{record.id}` | {record.title} | {BETTER[record.higher_is_better]} | {record.unit or '-'} "
            f"| {span(record)} | {aliases} |"
        )
    for record in records:
        lines += ["", f"## {record.id}", "", record.summary, ""]
        lines += [f"- **Definition from**: {record.citation}", f"- **Protocol**: {record.protocol}"]
        lines += [f"- **Reads**: {', '.join(record.features)}", f"- **What is missing**: {record.missing_policy}"]
        lines += [f"- **Mind**: {record.notes}"] if record.notes else []
    return "\n".join(lines) + "\n"


def span(record: MetricRecord) -> str:
    """Return the range in words."""
    low, high = record.range
    if low is None and high is None:
        return "unbounded"
    return f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}"


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
        "| rule | looks at | severity | finds |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{rule.id}` | {rule.scope} | {rule.severity} | {rule.title} |"
        for _, rule in sorted(rule_registry().items())
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the pages, or say which differ."""
    stale = []
    for name, text in (("metrics.md", metrics_page()), ("rules.md", rules_page())):
        page = DOCS / name
        if "--check" in sys.argv:
            stale += [] if page.exists() and page.read_text(encoding="utf-8") == text else [name]
        else:
            page.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/{name} is stale; run 'make docs'")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
