"""Recipes to JSON and back, strictly: a file either says everything about a run or is refused in one clear line.

A frozen dataclass becomes an object of its fields plus `"is"`, the dotted name of its class; fields may be numbers,
strings, booleans, None, tuples of these, and frozen dataclasses again (an objective inside a recipe).
"""

import importlib
import json
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from distill.engine import Recipe

PACKAGES = ("samplers", "guidance", "nerf", "distill")


def recipe_to_json(recipe: Recipe) -> str:
    """`recipe` as indented JSON. ValueError where a field holds something that JSON would not give back."""
    return json.dumps(_encode(recipe, "recipe"), indent=2, allow_nan=False)


def recipe_from_json(text: str) -> Recipe:
    """The recipe that `recipe_to_json` wrote.

    ValueError where a field is missing, unknown or of the wrong type, and whatever the recipe's own checks raise.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the recipe is not JSON: {error}") from None
    recipe = _decode_object(data, "recipe")
    if not hasattr(recipe, "build"):
        raise ValueError(f"{data['is']} is not a recipe")
    return recipe


def to_data(settings: Any, where: str) -> dict[str, Any]:
    """A frozen dataclass as `recipe_to_json` writes those inside a recipe, ready for JSON."""
    return _encode(settings, where)


def from_data(data: Any, where: str) -> Any:
    """The frozen dataclass that `to_data` wrote. ValueError, as in `recipe_from_json`, where it did not."""
    return _decode_object(data, where)


def _encode(value: Any, where: str) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _encode(getattr(value, f.name), f"{where}.{f.name}") for f in fields(value)}
        return {"is": f"{type(value).__module__}.{type(value).__qualname__}", **parts}
    if isinstance(value, tuple):
        return [_encode(v, where) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{where}: a {type(value).__name__} cannot be written to JSON")


def _decode_object(data: Any, where: str) -> Any:
    """The frozen dataclass that `data` describes."""
    if not isinstance(data, dict) or not isinstance(data.get("is"), str):
        raise ValueError(f'{where}: expected an object with "is", got {data!r:.60}')
    cls = _class(data["is"], where)
    names = {f.name for f in fields(cls)}
    given = set(data) - {"is"}
    for problem, which in (("misses", names - given), ("has unknown", given - names)):
        if which:
            raise ValueError(f"{where}: {cls.__name__} {problem} {', '.join(sorted(which))}")
    hints = get_type_hints(cls)
    return cls(**{name: _decode(data[name], hints[name], f"{where}.{name}") for name in names})


def _class(dotted: str, where: str) -> Any:
    """A dataclass of ours by its dotted name; nothing else can be reached from a file."""
    module, _, name = dotted.rpartition(".")
    if module.split(".")[0] in PACKAGES:
        try:
            cls = getattr(importlib.import_module(module), name, None)
        except ModuleNotFoundError:
            cls = None
        if isinstance(cls, type) and is_dataclass(cls):
            return cls
    raise ValueError(f"{where}: this version knows no {dotted!r}")


def _decode(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint` says; integers stand for floats, lists for tuples."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _decode_union(value, args, where)
    if origin is tuple and isinstance(value, list):
        each = [args[0]] * len(value) if args[1:] == (...,) else list(args)
        if len(each) == len(value):
            return tuple(_decode(v, h, f"{where}[{i}]") for i, (v, h) in enumerate(zip(value, each, strict=True)))
    elif hint is float and type(value) in (int, float):
        return float(value)
    elif hint in (int, str, bool, NoneType) and type(value) is hint:
        return value
    elif origin is Literal and value in args:
        return value
    elif isinstance(value, dict) and isinstance(hint, type):
        found = _decode_object(value, where)
        if isinstance(found, hint):
            return found
    raise ValueError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r:.60}")


def _decode_union(value: Any, arms: tuple[Any, ...], where: str) -> Any:
    problems = []
    for arm in arms:
        try:
            return _decode(value, arm, where)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(problems[-1])
