"""Captions, timelines and groups of a puppet's clip."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.reference_models.puppet.look import TONE_WORDS, Look
from evalkit.reference_models.puppet.motion import ACTIONS, Action

_HAIR = {
    "bald": "no hair",
    "short": "short {} hair",
    "curly": "curly {} hair",
    "long": "long {} hair",
    "bun": "{} hair in a bun",
    "bob": "a {} bob",
}
_BEARD = {"stubble": "stubble", "moustache": "a moustache", "goatee": "a goatee", "full beard": "a full beard"}
_MOOD = {"neutral": "calm", "happy": "happy", "sad": "sad", "angry": "angry", "surprised": "surprised"}


def age_word(look: Look) -> str:
    """Return ``young``, ``middle-aged`` or ``old``."""
    return "young" if look.age < 0.4 else "middle-aged" if look.age < 0.72 else "old"


def skin_word(look: Look) -> str:
    """Return the word for the skin tone."""
    return TONE_WORDS[min(int(look.tone), len(TONE_WORDS) - 1)]


def caption(look: Look, mood: str = "neutral", actions: Sequence[Action] = ()) -> str:
    """Return one or two sentences: the attributes, the mood, and the actions in order."""
    has = [f"{skin_word(look)} skin", _HAIR[look.hair].format(look.hair_colour)]
    if look.beard != "none":
        has.append(_BEARD[look.beard])
    if look.glasses != "none":
        has.append(f"{look.glasses} glasses")
    article = "An" if age_word(look)[0] in "aeiou" else "A"
    who = f"{article} {age_word(look)} person with {', '.join(has[:-1])} and {has[-1]}"
    where = f"in {_article(look.clothes)} {look.collar}, in front of {_article(look.background)} wall"
    text = f"{who}, {where}, speaks and looks {_MOOD[mood]}."
    if actions:
        text += f" The person {', then '.join(ACTIONS[action.name] for action in actions)}."
    return text


def event_text(name: str) -> str:
    """Return what a timeline says of an action, one of `motion.ACTIONS`."""
    return f"the person {ACTIONS[name]}"


def timeline(actions: Sequence[Action]) -> list[dict[str, object]]:
    """Return the actions in the form of a test set's timeline."""
    return [{"start": action.start, "end": action.end, "description": event_text(action.name)} for action in actions]


def groups(look: Look, mood: str) -> dict[str, str]:
    """Return the attributes by which results can be broken down."""
    return {
        "age": age_word(look),
        "glasses": "no" if look.glasses == "none" else "yes",
        "mood": mood,
        "skin": skin_word(look),
    }


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
