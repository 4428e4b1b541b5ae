"""What `scorelift samplers` prints."""

import re
from typing import Any

import samplers
from app.settings import choices
from samplers.grids import to_clean, uniform_lam
from samplers.schedule import EDM

STEPS = 100
NAME = r"[A-Z][a-z]+(?:-[A-Z][a-z]+)?"
PAPER = re.compile(rf"((?:{NAME}(?:, | and ))*{NAME}(?: et al\.)?) ((?:19|20)\d\d), (\d{{4}}\.\d{{4,5}})")


def lines() -> list[str]:
    """A header, and for each sampler one line, with a second one for its settings where it has any."""
    found = [f"{'name':20} {'order':6} {'calls/step':10} {'noise':9} paper"]
    for name in samplers.names():
        kind = samplers.load(name)
        variants = kind.variants()
        orders = sorted({variant.order for variant in variants} - {0})
        calls = sorted({cost for variant in variants if (cost := calls_a_step(variant)) is not None})
        draws = {variant.stochastic for variant in variants}
        noise = "by choice" if len(draws) == 2 else "always" if True in draws else "never"
        cells = (_span(orders) or "exact", _span(calls) or "adaptive", noise, paper(kind))
        found.append(f"{name:20} {cells[0]:6} {cells[1]:10} {cells[2]:9} {cells[3]}".rstrip())
        settings = choices(kind)
        if settings:
            plain = kind()
            told = [f"{key}={_word(getattr(plain, key))} ({takes})" for key, takes in settings.items()]
            found.append(f"    --set {'; '.join(told)}")
    return found


def calls_a_step(sampler: Any) -> int | None:
    """Network calls a step on a long grid, the ends apart; None where they depend on the data."""
    grid = to_clean(uniform_lam(EDM(), STEPS - 1))
    calls = sampler.nfe(EDM(), grid)
    return None if calls is None else round(calls / STEPS)


def paper(kind: type) -> str:
    """Authors, year and arXiv id, as the docstring names them first."""
    text = " ".join((kind.__doc__ or "").split())
    found = PAPER.search(text)
    return f"{found[1]} {found[2]}, arXiv {found[3]}" if found else ""


def _span(values: list[int]) -> str:
    return "" if not values else f"{values[0]}" if len(values) == 1 else f"{values[0]}-{values[-1]}"


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
