"""What raters read, and how their page behaves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evalkit.studio.plan_base import Name, PlanPart, Prose, QuestionId

Language = Literal["en", "zh", "ko", "ja", "de", "fr"]

LANGUAGES: tuple[Language, ...] = ("en", "zh", "ko", "ja", "de", "fr")


class PageText(PlanPart):
    """The organizer's own words in a further language; what is missing is shown as the page has it.

    Args:
        title: of the study.
        consent: the text that a rater agrees to.
        questions: question -> its title.
    """

    title: Name | None = None
    consent: Annotated[Prose, Field(min_length=1)] | None = None
    questions: dict[QuestionId, Name] = Field(default_factory=dict)


class Page(PlanPart):
    """What raters read, and how their page behaves.

    Args:
        title: of the study.
        consent: text that a rater agrees to before the first item; empty for none.
        contact: whom raters ask; empty for nobody.
        languages: of the page, the first is the usual one.
        break_every: items after which a break is suggested; ``None`` for never.
        watch_share: share of each video that must have played before an answer counts.
        keep: what is stored about a rater besides token and answers: ``worker`` for a platform's worker id as it is
            (otherwise only a keyed digest of it).
        translations: ``title``, ``consent`` and the questions in others of the languages.
    """

    title: Name
    consent: Prose = ""
    contact: Prose = ""
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = LANGUAGES
    break_every: Annotated[int, Field(ge=1)] | None = 30
    watch_share: Annotated[float, Field(ge=0, le=1)] = 0.95
    keep: tuple[Literal["worker"], ...] = ()
    translations: dict[Language, PageText] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_its_languages(self) -> Self:
        for language in self.translations:
            if language not in self.languages:
                raise ValueError(f"'translations' has '{language}', which is not among 'languages'")
            if language == self.languages[0]:
                raise ValueError(f"'translations' has '{language}', which 'title' and 'consent' are in")
        return self

    def titles_of(self, question: str) -> dict[str, str]:
        """Return language -> what a question is called in it, where there is a translation."""
        found = {language: text.questions.get(question) for language, text in self.translations.items()}
        return {str(language): title for language, title in found.items() if title is not None}

    def untranslated(self, questions: Collection[str]) -> dict[Language, list[str]]:
        """Return, per language in which raters would read words in another, what of the page these are.

        Args:
            questions: ids of those whose titles are the organizer's own.
        """
        found: dict[Language, list[str]] = {}
        for language in self.languages[1:]:
            has = self.translations.get(language, PageText())
            lacking = [] if has.title is not None else ["title"]
            lacking += ["consent"] if self.consent.strip() and has.consent is None else []
            lacking += ["questions"] if set(questions) - has.questions.keys() else []
            if lacking:
                found[language] = lacking
        return found
