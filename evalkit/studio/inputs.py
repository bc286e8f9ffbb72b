"""Read what an organizer gives a plan: the list of raters, videos with known answers, the text of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ConfigDict

from evalkit.board.model import Snapshot
from evalkit.board.names import check_ids, folded
from evalkit.errors import InputError, did_you_mean
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.read_errors import Faults, shown
from evalkit.ratings.table import TableRow, read_table
from evalkit.studio.page_model import Page
from evalkit.studio.plan_model import Medium, Question
from evalkit.studio.request import AskedRater, GoldVideo
from evalkit.text import hidden_characters
from evalkit.yamlio import parse_yaml, read_text, validate_model

MOST_RATERS = 10_000


class _PageFile(Page):
    """The page as YAML has it, where lists are tuples."""

    model_config = ConfigDict(strict=False)


def read_page(path: Path) -> Page:
    """Return what raters read, from a YAML file with the keys of `Page`.

    Raises:
        InputError: naming the line and the key of every fault.
    """
    found = validate_model(_PageFile, parse_yaml(read_text(path, kind=InputError, what="The page"), str(path)))
    return Page.model_construct(**{name: getattr(found, name) for name in Page.model_fields})


def own_teams(snapshot: Snapshot) -> dict[str, str]:
    """Return person -> own team: the teams' members, and the raters whom the board knows to be of one."""
    members = {person: team.name for team in snapshot.teams for person in team.members}
    return {folded(person): team for person, team in {**members, **snapshot.raters}.items()}


def numbered_raters(number: int, known: Mapping[str, str]) -> tuple[AskedRater, ...]:
    """Return raters ``r001``, ``r002``, ...; of no team, unless `own_teams` knows these names."""
    width = max(3, len(str(number)))
    names = [f"r{at:0{width}}" for at in range(1, number + 1)]
    return tuple(AskedRater(name, known.get(name)) for name in names)


def read_raters(path: Path, teams: Sequence[str], known: Mapping[str, str]) -> tuple[AskedRater, ...]:
    """Return the raters of a CSV file with the columns ``rater`` and, for those in a team, ``team``.

    Args:
        path: the file.
        teams: on the board.
        known: own teams as the board has them (`own_teams`); the file may not say otherwise.

    Raises:
        InputError: with every fault of the first 20: a name that is empty or twice, a team that is not on the board.
    """
    faults = Faults(path.name)
    context = Context(path.name, faults=faults)
    by_name = {folded(team): team for team in teams}
    found: dict[str, AskedRater] = {}
    columns, rows = _columns(path, faults, {"rater": ("rater", "rater_id", "name")}, {"team": ("team", "own_team")})
    for row in rows:
        before = faults.count
        name = context.name(row.number, columns["rater"], row.cells[columns["rater"]], "rater")
        words = row.cells[columns["team"]].strip() if "team" in columns else ""
        noted = known.get(folded(name or ""))
        team = by_name.get(folded(words)) if words else noted
        if words and team is None:
            near = did_you_mean(words, teams)
            faults.add(row.number, columns["team"], f"the board has no team {shown(words)}.{near}")
        elif noted is not None and noted != team:
            faults.add(row.number, columns["team"], f"the board has this rater in the team {shown(noted)}.")
        if name is None or faults.count != before:
            continue
        if name in found:
            faults.add(row.number, columns["rater"], f"the rater {shown(name)} appears twice.")
        elif hidden_characters(name):
            faults.add(row.number, columns["rater"], "the name has characters that nobody sees.")
        else:
            found[name] = AskedRater(name, team)
    if faults.count:
        raise faults.error()
    if not 1 <= len(found) <= MOST_RATERS:
        expected = f"1 to {MOST_RATERS}"
        raise InputError(f"{path.name} has no usable list of raters.", found=str(len(found)), expected=expected)
    check_ids(found, path.name)
    return tuple(found.values())


def read_gold_videos(
    path: Path,
    questions: Sequence[Question],
    team_video: Callable[[str, str], Medium | None],
    own_video: Callable[[str, str], Medium],
) -> tuple[GoldVideo, ...]:
    """Return the videos with known answers of a CSV file: ``sample, dimension, low, high``, and ``file`` or ``team``.

    ``file`` is a video of the organizer's in the test set's folder; ``team`` marks that team's own video of the sample.

    Args:
        path: the file.
        questions: of ratings.
        team_video: (team, sample) -> the video, ``None`` where the study has none.
        own_video: (file, sample) -> the video; raises `InputError` where there is none.

    Raises:
        InputError: with every fault of the first 20.
    """
    faults = Faults(path.name)
    context = Context(path.name, faults=faults)
    needed = {"sample": ("sample", "sample_id"), "dimension": ("dimension",), "low": ("low",), "high": ("high",)}
    columns, rows = _columns(path, faults, needed, {"file": ("file",), "team": ("team",)})
    scales = {question.id: question.scale for question in questions if question.scale is not None}
    by_title = {normalised(word): one.id for one in questions for word in (one.title, one.id)}
    media: dict[tuple[str | None, str], Medium] = {}
    expected: dict[tuple[str | None, str], dict[str, tuple[float, float]]] = {}
    for row in rows:
        before = faults.count
        medium = _gold_medium(row, columns, context, team_video, own_video)
        words = context.name(row.number, columns["dimension"], row.cells[columns["dimension"]], "dimension")
        low = context.number(row.number, columns["low"], row.cells[columns["low"]])
        high = context.number(row.number, columns["high"], row.cells[columns["high"]])
        if medium is None or words is None or low is None or high is None or faults.count != before:
            continue
        dimension = by_title.get(normalised(words), "")
        scale = scales.get(dimension)
        place = (medium.submission, medium.file)
        if scale is None:
            faults.add(row.number, columns["dimension"], f"the challenge has no dimension {shown(words)}.")
        elif not scale[0] <= low <= high <= scale[1]:
            problem = f"{low:g} to {high:g} is not within the scale from {scale[0]} to {scale[1]}."
            faults.add(row.number, columns["low"], problem)
        elif dimension in expected.get(place, {}):
            faults.add(row.number, columns["dimension"], "the answer to this video and dimension appears twice.")
        else:
            media[place] = medium
            expected.setdefault(place, {})[dimension] = (low, high)
    if faults.count:
        raise faults.error()
    return tuple(GoldVideo(medium, expected[place]) for place, medium in media.items())


def _gold_medium(
    row: TableRow,
    columns: Mapping[str, str],
    context: Context,
    team_video: Callable[[str, str], Medium | None],
    own_video: Callable[[str, str], Medium],
) -> Medium | None:
    sample = context.name(row.number, columns["sample"], row.cells[columns["sample"]], "sample")
    told = {word: row.cells[columns[word]].strip() for word in ("file", "team") if word in columns}
    given = [word for word, cell in told.items() if cell]
    if sample is None:
        return None
    if len(given) != 1:
        context.faults.add(row.number, None, "give a file of the test set, or a team: one of them.")
        return None
    if given[0] == "team":
        found = team_video(told["team"], sample)
        if found is None:
            problem = f"the study has no video of {shown(told['team'])} and {shown(sample)}."
            context.faults.add(row.number, columns["team"], problem)
        return found
    try:
        return own_video(told["file"], sample)
    except InputError as error:
        context.faults.add(row.number, columns["file"], error.what)
        return None


def _columns(
    path: Path, faults: Faults, needed: Mapping[str, Sequence[str]], others: Mapping[str, Sequence[str]]
) -> tuple[dict[str, str], Iterator[TableRow]]:
    (header,), rows = read_table(path, faults, what="The file")
    by_word = {normalised(name): name for name in header if name}
    found: dict[str, str] = {}
    for word, usual in {**needed, **others}.items():
        name = next((by_word[other] for other in usual if other in by_word), None)
        if name is not None:
            found[word] = name
        elif word in needed:
            raise InputError(
                f"{path.name} has no column '{usual[0]}'.",
                found=f"the columns {', '.join(name for name in header if name)}",
                expected=f"the columns {', '.join([*needed, *others])}",
            )
    return found, iter(rows)
