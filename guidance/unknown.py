"""What to say about words that a teacher does not know: which ones, what was perhaps meant, and what to try."""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from guidance.english import FOREIGN, GRAMMAR, KIN, REFUSED, RELATION_WORDS, with_article

CUTOFF = 0.75  # similarity from which a known word may have been meant
PAIR_CUTOFF = 0.85  # of two words as one
SHOWN = 24  # letters of a word that a message repeats
MANY = 12  # things that are all named where none is
FEW = 6  # strange words, or owners of a part, that are all named


class Known(NamedTuple):
    """words: all that can be meant by a misspelled one; things: names, of which some are shown; colors: names."""

    words: tuple[str, ...]
    things: tuple[str, ...]
    colors: frozenset[str]

    def examples(self) -> str:
        """ "the known things are ..." or, of many, a few of them."""
        if len(self.things) <= MANY:
            return f"the known things are {', '.join(self.things)}"
        some = ", ".join(self.things[:: len(self.things) // 8][:8])
        return f"`scorelift words` lists the {len(self.things)} known things, such as {some}"


def shortened(text: str, letters: int = 80) -> str:
    """A text in one line, its end left out where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= letters else line[: letters - 1] + "…"


def why_not(strange: Sequence[str], words: Sequence[str], known: Known, *, named: bool) -> str:
    """One line about the words of `strange` among all `words`; `named`: a known thing is among them."""
    strange = tuple(dict.fromkeys(strange))
    lines = _refusals([w for w in strange if w in REFUSED])
    others = [w for w in strange if w not in REFUSED]
    if others:
        lines.append(_unknown(others, words, known, named=named))
    return "; ".join(lines)


def _refusals(words: Sequence[str]) -> list[str]:
    """Words that share a reason are refused together."""
    shared: dict[str, list[str]] = {}
    for word in words:
        shared.setdefault(REFUSED[word], []).append(word)
    return [
        f"{_quoted(found)} {'is' if len(found) == 1 else 'are'} not understood: {why}" for why, found in shared.items()
    ]


def _unknown(strange: Sequence[str], words: Sequence[str], known: Known, *, named: bool) -> str:
    near = _suggestions(strange, words, known)
    hopeless = [word for word in near if not near[word]]
    said = [f"{_shown(w)}" + (f" (did you mean {', '.join(n)}?)" if n else "") for w, n in near.items()]
    more = f" and {len(said) - FEW} more" if len(said) > FEW else ""
    plural = "s" if len(near) > 1 else ""
    listed = f"unknown word{plural} {', '.join(said[:FEW])}{more}"
    things = set(known.things)
    if hopeless and _foreign(hopeless, words):
        return f'{listed}; prompts are English here, as in "{with_article(known.things[0])}"; {known.examples()}'
    if not hopeless:
        return f"{listed}; `scorelift words` lists all"
    if named or any(things.intersection(found) for found in near.values()):
        return f"{listed}; leave {_quoted(hopeless, ' and ')} out, or see `scorelift words`"
    return f"{listed}; {known.examples()}"


def _suggestions(strange: Sequence[str], words: Sequence[str], known: Known) -> dict[str, list[str]]:
    """Up to three known words for each strange one, the nearest first; "ice creem" is looked for as one word too."""
    near: dict[str, list[str]] = {}
    done: set[str] = set()
    for word in strange:
        if word in done:
            continue
        near[word] = _near(word, known)
        at = words.index(word)
        for pair in () if near[word] else (words[at : at + 2], words[max(at - 1, 0) : at + 1]):
            found = _near("".join(pair), known, cutoff=PAIR_CUTOFF) if len(pair) == 2 else []
            if found:
                del near[word]
                near[" ".join(pair)] = found
                done.update(pair)
                break
    return near


def _near(word: str, known: Known, cutoff: float = CUTOFF) -> list[str]:
    if KIN.get(word) in known.colors:
        return [KIN[word]]
    if len(word) > SHOWN or word in FOREIGN:
        return []
    grammar = [w for words in GRAMMAR.values() for w in words.split() if len(w) > 3]
    related = ["next", *(w for w in RELATION_WORDS if len(w) > 3 and not w.endswith("of"))]
    spelled = {w.replace(" ", ""): w for w in (*grammar, *related, *known.words)}
    swapped = [w for w in spelled if sorted(w) == sorted(word)]  # "rde": short words are too short for similarity
    return [spelled[w] for w in swapped[:3] or difflib.get_close_matches(word, spelled, n=3, cutoff=cutoff)]


def _foreign(strange: Sequence[str], words: Sequence[str]) -> bool:
    """Letters that English lacks, or little words of another language."""
    return not all(map(str.isascii, strange)) or any(word in FOREIGN for word in words)


def _shown(word: str) -> str:
    return repr(shortened(word, SHOWN))


def _quoted(words: Sequence[str], last: str = ", ") -> str:
    return last.join(map(_shown, words[:FEW]))
