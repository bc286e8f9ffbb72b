"""What is wrong, or risky, about the consequences that a challenge declares for findings about gaming."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.challenges.model import Challenge
from evalkit.errors import did_you_mean
from evalkit.scoring.consequences import FROZEN, OF_FACES, worst_values
from evalkit.validators.operating_points import OPERATING_POINTS
from evalkit.validators.registry import rule_registry, rules_for


def gaming_faults(challenge: Challenge) -> Iterator[str]:
    """Yield why declared consequences can't follow."""
    declared, known = challenge.submission.gaming, [*(rule.id for rule in rules_for("gaming")), FROZEN]
    for rule, effect in declared.items():
        if effect == "tell":
            if rule not in rule_registry():
                yield f"'submission.gaming' names a rule that does not exist: '{rule}'.{did_you_mean(rule, known)}"
        elif rule not in known:
            other = "is not about one video" if rule in rule_registry() else "does not exist"
            yield f"'submission.gaming' has '{rule}', which {other}: nothing can follow.{did_you_mean(rule, known)}"
        elif challenge.submission.severities.get(rule) == "off":
            yield f"'submission.gaming' has '{rule}', which 'submission.severities' switches off: nothing would follow."
    if "zero" in declared.values():
        lacking = [name for name, worst in worst_values(challenge).items() if worst is None]
        if lacking:
            yield (
                f"'submission.gaming' says zero, and nothing says the worst value of {', '.join(lacking)}: give each a "
                "'range', or write refuse."
            )


def gaming_notes(challenge: Challenge) -> list[str]:
    """Return what speaks against declared consequences: honest clips that a rule tells of."""
    notes = []
    for rule, effect in challenge.submission.gaming.items():
        point = OPERATING_POINTS.get(rule)
        if effect == "tell" or point is None:
            continue
        if rule in OF_FACES and not _looks_for_faces(challenge):
            notes.append(f"{rule} looks at faces, and no metric of the challenge does: it would tell of nothing.")
        if point.alarms:
            wrong = f"{rule} was wrong about {point.alarms} of {point.clips} honest clips"
            notes.append(f"{wrong}: let it tell, in place of {effect}.")
        elif point.caution:
            notes.append(f"{rule} does {effect}: {point.caution}. Look at each finding, and overrule wrong ones.")
    return notes


def _looks_for_faces(challenge: Challenge) -> bool:
    """Return whether a metric of the challenge reads faces, so that the rules about faces have something to look at."""
    from evalkit.metrics.base import metric_registry
    from evalkit.metrics.features.base import feature_registry
    from evalkit.metrics.gaming.face_motion import FACES

    metrics, features = metric_registry(), feature_registry()
    names = [name for entry in challenge.metrics if entry.id in metrics for name in metrics[entry.id].record.features]
    seen: set[str] = set()
    while names:
        name = names.pop()
        if name not in seen and name in features:
            seen.add(name)
            names += features[name].record.needs
    return FACES in seen
