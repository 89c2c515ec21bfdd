"""The settings of a source: what a connector lets people choose, checked and completed with defaults."""

from collections.abc import Callable, Mapping

from msgspec import UNSET

from service.connectors.context import FieldError
from service.connectors.model import Json, Setting, SettingType, Spec
from service.connectors.searches import compile_path
from service.connectors.times import is_zone

_LONGEST = 1_000
_WANTED: dict[SettingType, str] = {
    "string": "a text that is not empty",
    "strings": "a list of texts",
    "boolean": "true or false",
    "integer": "a whole number",
    "map": "an object",
    "path": "a JMESPath",
    "paths": "an object whose values are JMESPaths",
    "zone": "the name of a time zone, such as Europe/Paris",
}


class SettingsError(ValueError):
    """A setting that is unknown, missing or of the wrong form; the text names it and says what was expected."""


def resolve_settings(spec: Spec, given: Mapping[str, Json]) -> dict[str, Json]:
    """What `given` says, completed with the defaults; raises SettingsError."""
    if unknown := sorted(name for name in given if name not in spec.settings):
        known = ", ".join(sorted(spec.settings)) or "none at all"
        raise SettingsError(f"The connector {spec.name} has no setting {unknown[0]!r}: expected {known}.")
    return {name: _resolved(name, setting, given.get(name)) for name, setting in spec.settings.items()}


def _resolved(name: str, setting: Setting, value: Json) -> Json:
    if value is None:
        if setting.required:
            raise SettingsError(f"The setting {name!r} is missing: expected {_WANTED[setting.type]}.")
        return None if setting.default is UNSET else setting.default
    if complaint := complain(setting, value):
        raise SettingsError(f"The setting {name!r} {complaint}.")
    return value


def complain(setting: Setting, value: Json) -> str | None:
    """What is wrong with a value for a setting, or None."""
    if not _FITS[setting.type](value):
        return f"is {value!r}: expected {_WANTED[setting.type]}"
    if setting.choices is not None and value not in setting.choices:
        return f"is {value!r}: expected one of {', '.join(setting.choices)}"
    return None


def _is_map(value: Json) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_paths(value: Json) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) and is_path(each) for each in value.values())


def is_path(text: str) -> bool:
    """Whether a text can be followed as a JMESPath."""
    try:
        compile_path(text, ())
    except FieldError:
        return False
    return 0 < len(text) <= _LONGEST


_FITS: dict[SettingType, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str) and 0 < len(value) <= _LONGEST,
    "strings": lambda value: isinstance(value, list | tuple) and all(isinstance(each, str) for each in value),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "map": _is_map,
    "path": lambda value: isinstance(value, str) and is_path(value),
    "paths": _is_paths,
    "zone": lambda value: isinstance(value, str) and is_zone(value),
}
