"""How a prompt falls into one thing or two: where it is cut, and how the two stand."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from guidance.english import with_article
from guidance.lexicon import Token
from guidance.unknown import shortened


class Sentence(NamedTuple):
    """sides: tokens of one thing each, in the order of a caption; relation None: there is one."""

    sides: tuple[Sequence[Token], ...]
    relation: Literal["on", "next to"] | None


def divide(tokens: Sequence[Token], prompt: str) -> Sentence:
    """The sides of a prompt. ValueError, in one line, where it holds more than two things or does not say how they
    stand."""
    cuts = [i for i, token in enumerate(tokens) if token.role == "relation"]
    if len(cuts) > 1:
        raise _too_many(prompt)
    if not cuts:
        return _listed(tokens, prompt)
    cut = cuts[0]
    before, after = tokens[:cut], tokens[cut + 1 :]
    if after and after[0].role == "it":
        if len(after) == 1 and any(token.role == "mark" for token in before):
            return Sentence((before,), None)  # "a vase with dots on it"
        raise ValueError(
            f'"{shortened(prompt)}" leaves open what {after[0].word!r} is; name both things, as in "A on B"'
        )
    if any(len(_named(side)) > 1 for side in (before, after)):
        raise _too_many(prompt)
    relation = tokens[cut].name
    sides = (after, before) if relation in ("under", "right of") else (before, after)
    return Sentence(sides, "on" if relation in ("on", "under") else "next to")


def _listed(tokens: Sequence[Token], prompt: str) -> Sentence:
    """One thing, or two that "and" or a comma joins, which stand next to each other."""
    named = _named(tokens)
    if len(named) < 2:
        return Sentence((tokens,), None)
    if len(named) > 2:
        raise _too_many(prompt)
    (_, last), (first, _) = named
    cut = _cut(tokens, last, first)
    if cut is None:
        a, b = tokens[last], tokens[first]
        remedy = f'say how they stand, as in "{with_article(a.name)} next to {with_article(b.name)}"'
        if any(token.role == "link" and token.word.isalpha() for token in tokens[last:first]):
            raise ValueError(f"{with_article(a.name)} has no {b.word!r}, which is a thing of its own; {remedy}")
        raise ValueError(f"{a.name} and {b.name} are two things; {remedy}")
    return Sentence((tokens[:cut], tokens[cut + 1 :]), "next to")


def _named(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """First and last words that name each thing: "fir tree" names one thing twice, "a cube and a cube" two."""
    found: list[tuple[int, int]] = []
    for i, token in enumerate(tokens):
        if token.role != "thing":
            continue
        if found and tokens[found[-1][1]].name == token.name and not _separators(tokens, found[-1][1], i):
            found[-1] = (found[-1][0], i)
        else:
            found.append((i, i))
    return found


def _cut(tokens: Sequence[Token], last: int, first: int) -> int | None:
    """The separator between two things that ends the first one's description.

    Behind the last part that is named between them it is the one ahead of the second thing's article, as in "a cat, red
    and white, and a dog", or the first one where it has none.
    """
    nouns = [i for i in range(last + 1, first) if tokens[i].role in ("part", "mark")]
    found = _separators(tokens, nouns[-1] if nouns else last, first) or _separators(tokens, last, first)
    articles = [i for i in range(last + 1, first) if tokens[i].role in ("article", "number")]
    ahead = [i for i in found if articles and i < articles[-1]]
    return ahead[-1] if ahead else found[0] if found else None


def _separators(tokens: Sequence[Token], start: int, end: int) -> list[int]:
    return [i for i in range(start + 1, end) if tokens[i].role == "and" or tokens[i].word in ",;.:"]


def _too_many(prompt: str) -> ValueError:
    return ValueError(f'"{shortened(prompt)}" holds more than two things; name at most two, with one "on" or "next to"')
