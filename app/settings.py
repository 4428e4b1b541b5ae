"""Settings of a method from `NAME=VALUE` words: the fields of its frozen dataclass, checked before anything runs."""

from collections.abc import Sequence
from dataclasses import fields, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from app.errors import UserError, one_line

Method = TypeVar("Method")
SIMPLE = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def with_settings(method: Method, name: str, words: Sequence[str]) -> Method:
    """`method`, called `name`, with the fields that `words` set.

    UserError, in one line with the possible ones, where a name, a value or their combination is impossible.
    """
    known, given = choices(type(method)), dict[str, Any]()
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UserError(f"--set takes NAME=VALUE, got {word!r}")
        if key not in known:
            there_are = f"it has {', '.join(known)}" if known else "it has none"
            raise UserError(f"{name} has no setting {key!r}; {there_are}")
        if key in given:
            raise UserError(f"--set gives {key} twice; give it once")
        given[key] = _value(get_type_hints(type(method))[key], text, f"{name} {key}", known[key])
    try:
        return replace(method, **given)  # pyright: ignore[reportArgumentType, reportCallIssue] (a dataclass)
    except ValueError as error:
        raise UserError(f"{name}: {one_line(error)}") from error


def choices(method: type) -> dict[str, str]:
    """What each setting of a class takes, in words; fields that are no simple values cannot be set by a word."""
    hints = get_type_hints(method)
    found = {field.name: _takes(hints[field.name]) for field in fields(method)}  # pyright: ignore[reportArgumentType]
    return {name: takes for name, takes in found.items() if takes}


def _takes(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        arms = [_takes(arm) for arm in get_args(hint) if arm is not NoneType]
        return " or ".join([*arms, "none"]) if all(arms) else ""
    return SIMPLE.get(hint, "")


def _value(hint: Any, text: str, what: str, takes: str) -> Any:
    """`text` as the type `hint` says."""
    for arm in get_args(hint) if get_origin(hint) in (Union, UnionType) else [hint]:
        try:
            if get_origin(arm) is Literal:
                return {str(choice): choice for choice in get_args(arm)}[text]
            if arm is NoneType:
                return {"none": None}[text.lower()]
            return {"true": True, "false": False}[text.lower()] if arm is bool else arm(text)
        except (KeyError, ValueError):
            continue
    raise UserError(f"{what} takes {takes}, got {text!r}")
