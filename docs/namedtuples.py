"""Signatures of named tuples on the page of the API: an extension of griffe, which knows those of dataclasses alone."""

from __future__ import annotations

from typing import Any

from griffe import Class, Extension, Function, Parameter, ParameterKind, Parameters


class NamedTuples(Extension):
    """Gives a class that derives from `NamedTuple` the parameters that its fields are."""

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Called by griffe for each class, once its members are known."""
        if not any(str(base).rpartition(".")[2] == "NamedTuple" for base in cls.bases):
            return
        fields = [
            Parameter(name, annotation=one.annotation, kind=ParameterKind.positional_or_keyword, default=one.value)
            for name, one in cls.members.items()
            if one.is_attribute and one.annotation is not None and "property" not in one.labels
        ]
        new = Function("__init__", parameters=Parameters(Parameter("self"), *fields), returns="None", parent=cls)
        cls.set_member("__init__", new)
