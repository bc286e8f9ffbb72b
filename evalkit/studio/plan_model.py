"""The plan of a rating study: who sees which videos in which order, and everything that the studio has to know.

``plan.json`` is the organizer's alone: it says whose video an anonymous item is, and has the tokens of all links. It is
written once, with mode 0600, and never changed: answers go into the board.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from evalkit.errors import InputError
from evalkit.files import atomic_write
from evalkit.jsonio import parse_json
from evalkit.model_faults import first_fault
from evalkit.ratings.sides import REFERENCE, control_side
from evalkit.studio.page_model import Page
from evalkit.studio.plan_base import Name, PlanPart, QuestionId
from evalkit.testsets.model import Id, RelativePath
from evalkit.text import escape_for_display
from evalkit.yamlio import read_text

FORMAT: Literal[1] = 1
MAX_BYTES = 128 * 1024 * 1024
MODE = 0o600
PAIR = "pair"  # id of the only question of comparisons, where the challenge declares no dimension

VIDEO_SIDES = ("left_video", "right_video")  # columns of an export of comparisons that names no team

ItemKind = Literal["rating", "training", "gold", "repeat", "reference"]


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in value:
        raise ValueError("must be the path of a ZIP or a folder inside the folder of submissions")
    return value


RandomId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]  # 128 bits: nothing follows from team, sample or order
Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,86}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PlanChallenge(PlanPart):
    """Whose rules the plan was made by.

    Args:
        id: of the challenge.
        sha256: digest of its content, `Challenge.sha256`.
    """

    id: Name
    sha256: Sha256


class Question(PlanPart):
    """What is asked of each item.

    Args:
        id: the challenge's dimension, or ``pair`` where comparisons name none.
        title: as raters read it.
        scale: lowest and highest rating; ``None`` for comparisons, whose answers are 1 (left), 0.5 and 0.
    """

    id: QuestionId
    title: Name
    scale: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale is not None and not self.scale[0] < self.scale[1] <= self.scale[0] + 100:
            raise ValueError("the scale must be [lowest, highest] with lowest < highest, and at most 100 apart")
        return self

    @property
    def dimension(self) -> str:
        """What an answer on the board calls it: empty for comparisons that name no dimension."""
        return "" if self.id == PAIR and self.scale is None else self.id


class Completion(PlanPart):
    """What a rater gets at the end.

    Args:
        code: that a platform asks for.
    """

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{4,40}$")]


class PlanSample(PlanPart):
    """What the page shows of a sample beside the video: paths relative to the test set, or ``None``."""

    image: RelativePath | None = None
    audio: RelativePath | None = None


class Medium(PlanPart):
    """One video.

    Args:
        team, run: whose; both ``None`` for a video of the organizer's, which ranks nobody.
        sample: what it is of.
        submission: ZIP or folder, relative to the folder of submissions; ``None`` where ``file`` lies in the test set.
        file: path in the submission, or in the test set.
        sha256: of the file.
        real: whether it is the sample's real video.
    """

    team: Name | None
    run: Name | None
    sample: Id
    submission: Annotated[str, Field(max_length=1000), AfterValidator(_inside)] | None
    file: Annotated[str, Field(min_length=1, max_length=4000)]
    sha256: Sha256
    real: bool = False

    @property
    def side(self) -> str:
        """What a comparison on the board calls it."""
        if self.team is not None:
            return self.team
        return REFERENCE if self.real else control_side(self.file)

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if (self.team is None) != (self.run is None):
            raise ValueError("'team' and 'run' belong together: give both, or neither")
        if self.submission is None:
            if self.team is not None:
                raise ValueError("a team's video lies in a submission")
            path = PurePosixPath(self.file)
            if path.is_absolute() or ".." in path.parts or "\0" in self.file:
                raise ValueError("a path in the test set must be relative and stay inside its folder")
        elif self.real:
            raise ValueError("the real video lies in the test set")
        return self


class PlanItem(PlanPart):
    """What a rater answers at once: a video, or two side by side.

    Args:
        media: ids of one video, or of the left and the right one.
        sample: what they are of.
        kind: ``rating`` counts; ``training`` and ``reference`` don't; ``gold`` has known answers; ``repeat`` shows the
            media of another item again, to the rater alone who saw that.
        repeat_of: that item, of a ``repeat``.
        expected: question -> lowest and highest right answer, of ``gold``; of comparisons the points of the left.
        no_draw: questions of a ``gold`` comparison to which 0.5 is wrong even where it lies between them.
    """

    media: Annotated[tuple[RandomId, ...], Field(min_length=1, max_length=2)]
    sample: Id
    kind: ItemKind = "rating"
    repeat_of: RandomId | None = None
    expected: dict[QuestionId, tuple[float, float]] = Field(default_factory=dict)
    no_draw: tuple[QuestionId, ...] = ()

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if (self.repeat_of is not None) != (self.kind == "repeat"):
            raise ValueError("'repeat_of' belongs to the kind 'repeat'")
        if bool(self.expected) != (self.kind == "gold"):
            raise ValueError("'expected' belongs to the kind 'gold'")
        if any(low > high for low, high in self.expected.values()):
            raise ValueError("the lowest right answer is above the highest")
        if not set(self.no_draw) <= self.expected.keys():
            raise ValueError("'no_draw' belongs to questions with an expected answer")
        return self


class PlanRater(PlanPart):
    """One rater.

    Args:
        token: secret part of the rater's link.
        items: what the rater sees, in order; ``None`` for a pair that is chosen when its turn comes.
        team: the rater's own, whose videos are never shown.
        repeat_turns: of the places with ``None``, counted from 0, those at which a pair comes again that was chosen for
            the rater before.
    """

    token: Token
    items: tuple[RandomId | None, ...]
    team: Name | None = None
    repeat_turns: tuple[Annotated[int, Field(ge=1)], ...] = ()


class Plan(PlanPart):
    """The whole plan; see `read_plan` and `write_plan`.

    Args:
        format: of the file.
        challenge: by whose rules.
        seed: of everything that was drawn, and of what is chosen later.
        method: ``mos`` for ratings of one video, ``pairs`` for comparisons.
        questions: what is asked.
        page: what raters read.
        completion: what they get at the end.
        organizer: secret part of the organizer's link.
        join: secret part of the link that gives everybody who opens it an unused rater's place.
        samples, media, items, raters: by id.
    """

    format: Literal[1] = FORMAT
    challenge: PlanChallenge
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    method: Literal["mos", "pairs"]
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]
    page: Page
    completion: Completion | None = None
    organizer: Token
    join: Token
    samples: dict[Id, PlanSample]
    media: dict[RandomId, Medium]
    items: dict[RandomId, PlanItem]
    raters: Annotated[dict[Name, PlanRater], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _check_questions(self)
        for name, medium in self.media.items():
            _require(medium.sample in self.samples, f"the video {name} is of a sample that the plan does not have")
        for name, item in self.items.items():
            _check_item(self, name, item)
        tokens = [self.organizer, self.join, *(rater.token for rater in self.raters.values())]
        _require(len(set(tokens)) == len(tokens), "a token appears twice")
        for name, rater in self.raters.items():
            _check_rater(self, escape_for_display(name, limit=60), rater)
        return self

    @property
    def adaptive(self) -> bool:
        """Whether some pairs are chosen when their turn comes."""
        return any(item is None for rater in self.raters.values() for item in rater.items)

    @property
    def sha256(self) -> str:
        """Digest of the plan's content."""
        return hashlib.sha256(_encoded(self).encode()).hexdigest()

    def teams_of(self, item: str) -> tuple[str, ...]:
        """Return the teams whose videos an item shows; the organizer's own have none."""
        found = (self.media[medium].team for medium in self.items[item].media)
        return tuple(team for team in found if team is not None)

    def sides_of(self, item: str) -> tuple[str, str]:
        """Return what the board calls the left and the right side of a comparison."""
        left, right = (self.media[medium].side for medium in self.items[item].media)
        return left, right

    def rater_of(self, token: str) -> str | None:
        """Return whose token it is; ``None`` for nobody's."""
        sent = token.encode("utf-8", "surrogatepass")
        same = [name for name, rater in self.raters.items() if hmac.compare_digest(rater.token.encode(), sent)]
        return same[0] if same else None


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)


def _check_questions(plan: Plan) -> None:
    ids = [question.id for question in plan.questions]
    _require(len(set(ids)) == len(ids), "a question appears twice")
    scaled = plan.method == "mos"
    for language, text in plan.page.translations.items():
        more = [name for name in text.questions if name not in ids]
        _require(not more, f"the page has '{language}' for a question that is not asked: {', '.join(more[:5])}")
    rule = "each question of ratings has a scale, and none of comparisons"
    _require(all((question.scale is not None) == scaled for question in plan.questions), rule)


def _check_item(plan: Plan, name: str, item: PlanItem) -> None:
    asked = {question.id for question in plan.questions}
    wanted = 1 if plan.method == "mos" else 2
    _require(len(item.media) == wanted, f"the item {name} has not {wanted} video{'s' * (wanted > 1)}")
    _require(len(set(item.media)) == wanted, f"the item {name} has one video twice")
    for medium in item.media:
        known = plan.media.get(medium)
        _require(known is not None, f"the item {name} has a video that the plan does not have")
        fits = known is not None and known.sample == item.sample
        _require(fits, f"the item {name} has a video of another sample")
    _require(item.sample in plan.samples, f"the item {name} is of a sample that the plan does not have")
    _require(set(item.expected) <= asked, f"the item {name} has an answer to a question that is not asked")
    points = plan.method == "mos" or all(low >= 0 and high <= 1 for low, high in item.expected.values())
    _require(points and (not item.no_draw or plan.method == "pairs"), f"the item {name} has an answer that can't be")
    if item.repeat_of is not None:
        first = plan.items.get(item.repeat_of)
        same = first is not None and first.kind in {"rating", "gold"} and set(first.media) == set(item.media)
        _require(same, f"the item {name} does not repeat an item of the plan")


def _check_rater(plan: Plan, name: str, rater: PlanRater) -> None:
    listed = [item for item in rater.items if item is not None]
    _require(len(set(listed)) == len(listed), f"the rater '{name}' has an item twice")
    chosen = len(rater.items) - len(listed)
    _require(not chosen or plan.method == "pairs", "only pairs can be chosen when their turn comes")
    turns = rater.repeat_turns
    _require(list(turns) == sorted(set(turns) & set(range(chosen))), f"the rater '{name}' has turns that can't be")
    for item in listed:
        _require(item in plan.items, f"the rater '{name}' has an item that the plan does not have")
        own = rater.team is not None and rater.team in plan.teams_of(item)
        _require(not own, f"the rater '{name}' would see a video of their own team")


def _encoded(plan: Plan) -> str:
    document = plan.model_dump(mode="json")
    if not plan.page.translations:  # so that plans from before there were any keep their digest
        del document["page"]["translations"]
    for part, key in (("media", "real"), ("items", "no_draw"), ("raters", "repeat_turns")):
        for entry in document[part].values():
            if not entry[key]:  # a plan that was made before there was such a thing keeps its digest
                del entry[key]
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def plan_from_json(text: str, source: str = "The plan") -> Plan:
    """Return the plan that ``text`` contains.

    Raises:
        InputError: it is none, or has something that can't be.
    """
    try:
        document = parse_json(text, finite=True)
    except ValueError as error:
        raise InputError(f"{source} is not JSON.", found=str(error)) from None
    found = document.get("format") if isinstance(document, dict) else None
    if type(found) is not int or found != FORMAT:
        raise InputError(
            f"{source} is not a plan that this version reads.",
            found=f"format {escape_for_display(repr(found), limit=60)}",
            expected=f"format {FORMAT}",
        )
    try:
        # Strict about types, but as JSON has them: a list is a tuple.
        return Plan.model_validate_json(json.dumps(document, ensure_ascii=True))
    except ValidationError as error:
        raise InputError(f"{source} can't be used: {first_fault(Plan, error)}") from None


def read_plan(path: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        InputError: it can't be read, or is none.
    """
    text = read_text(path, kind=InputError, what="The plan", limit=MAX_BYTES)
    return plan_from_json(text, str(path))


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan, atomically and for its owner's eyes alone.

    Raises:
        StorageError: when it can't be written.
    """
    with atomic_write(path) as stream:
        os.fchmod(stream.fileno(), MODE)
        stream.write(_encoded(plan).encode("utf-8"))


def key_of(plan: Plan) -> dict[str, tuple[str, str, str | None]]:
    """Return item -> team, sample and run: the key of the blind test, of every rating that may count.

    The organizer's own videos have in place of a team what comparisons call them, so that no rating of them counts;
    training is not in it, nor are references of plans that don't say that they are real.
    """
    found: dict[str, tuple[str, str, str | None]] = {}
    for name, item in plan.items.items():
        medium = plan.media[item.media[0]]
        if item.kind != "training" and plan.method == "mos" and medium.team is not None and medium.run is not None:
            found[name] = (medium.team, item.sample, medium.run)
        elif plan.method == "mos" and (item.kind == "gold" or (item.kind == "reference" and medium.real)):
            found[name] = (medium.side, item.sample, None)
    return found


def new_id() -> str:
    """Return a new random id, 128 bits from the system's generator: no seed gives it again."""
    return secrets.token_hex(16)


def new_token() -> str:
    """Return a new secret of 192 bits for a link."""
    return secrets.token_urlsafe(24)
