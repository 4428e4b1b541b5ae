"""Plug-in folders: every module in the folder holds one public class, and its file name is its name.

No registry: a new file is found by listing the folder, so adding a method touches no other file.
"""

import inspect
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def names(package: ModuleType) -> list[str]:
    """The modules in the folder of `package`, sorted."""
    return sorted(module.name for module in iter_modules(package.__path__))


def load(package: ModuleType, name: str) -> type:
    """The one public class of the module `name`. ValueError on an unknown name; TypeError on a module with another
    number of public classes, which is a mistake of whoever wrote the module."""
    if name not in names(package):
        kind = package.__name__.rpartition(".")[2]
        raise ValueError(f"{name!r} is not among the {kind}; known: {', '.join(names(package))}")
    module = import_module(f"{package.__name__}.{name}")
    own = [
        value
        for key, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    if len(own) != 1:
        raise TypeError(f"{module.__name__} must define exactly one public class, found {[c.__name__ for c in own]}")
    return own[0]
