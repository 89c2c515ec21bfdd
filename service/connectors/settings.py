"""The settings of a source: what a connector lets people choose, checked and completed with defaults."""

from collections.abc import Mapping

from msgspec import UNSET

from service.connectors.model import Json, Setting, SettingType, Spec

_LONGEST = 1_000
_WANTED: dict[SettingType, str] = {
    "string": "a text that is not empty",
    "strings": "a list of texts",
    "boolean": "true or false",
    "integer": "a whole number",
    "map": "an object",
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
    if not _fits(setting.type, value):
        return f"is {value!r}: expected {_WANTED[setting.type]}"
    if setting.choices is not None and value not in setting.choices:
        return f"is {value!r}: expected one of {', '.join(setting.choices)}"
    return None


def _fits(kind: SettingType, value: Json) -> bool:
    match kind:
        case "string":
            return isinstance(value, str) and 0 < len(value) <= _LONGEST
        case "strings":
            return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "map":
            return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
