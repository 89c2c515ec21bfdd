"""References, compiled: where a value comes from, alone or in a template."""

import re
from collections.abc import Mapping

from msgspec import UNSET

from service.connectors.context import Compute, Context, FieldError, Names, Where, declared, empty, key_text, shown
from service.connectors.model import Json, Source, Value
from service.connectors.searches import chosen_search, compile_path
from service.connectors.times import written

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_REFERENCE = re.compile(r"(setting|header|let|body|source):(.*)", re.DOTALL)
SOURCES = Source.__struct_fields__
_SOURCES = (*SOURCES, "template", "const")


def compile_source(value: Source, names: Names, where: Where) -> Compute:
    """The raw value, from the one source that is given."""
    possible = _SOURCES if isinstance(value, Value) else SOURCES
    given = [kind for kind in possible if getattr(value, kind) not in (None, UNSET)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise FieldError(where, f"it comes from one place, found {found}: give one of {', '.join(possible)}")
    kind = given[0]
    if isinstance(value, Value) and kind == "const":
        constant = value.const
        return lambda _: constant
    return compile_reference(kind, str(getattr(value, kind)), names, where)


def compile_reference(kind: str, name: str, names: Names, where: Where) -> Compute:  # noqa: PLR0911  # one table, a line a kind
    """What `path`, `body`, `header`, `setting`, `let` or `template` stands for."""
    match kind:
        case "header":
            return lambda context: context.headers.get(name.lower())
        case "setting":
            if name not in names.settings:
                raise FieldError((*where, kind), f"there is no setting {name!r}: declare it under [settings.{name}]")
            return lambda context: context.settings.get(name)
        case "let":
            return _let(name, names, where)
        case "template":
            return compile_template(name, names, (*where, kind))
        case "source":
            return lambda context: context.source
        case "delivery":
            return (
                (lambda context: context.digest) if name == "digest" else (lambda context: written(context.received_at))
            )
        case "path_setting":
            return _chosen_path(name, names, (*where, kind))
        case "paths_setting":
            return _chosen_paths(name, names, (*where, kind))
        case _:
            pass
    search = compile_path(name, (*where, kind))
    return (lambda context: search(context.item)) if kind == "path" else (lambda context: search(context.body))


def _chosen_path(name: str, names: Names, where: Where) -> Compute:
    """A path that whoever added the source has chosen; nothing where none was."""
    declared(name, ("path",), names, where)

    def follow(context: Context) -> Json:
        chosen = context.settings.get(name)
        return chosen_search(chosen)(context.item) if isinstance(chosen, str) else None

    return follow


def _chosen_paths(name: str, names: Names, where: Where) -> Compute:
    """An object of what the chosen paths give; members that give nothing are left out."""
    declared(name, ("paths",), names, where)

    def follow(context: Context) -> Json:
        chosen = context.settings.get(name)
        paths = chosen.items() if isinstance(chosen, Mapping) else ()
        found = {each: chosen_search(str(path))(context.item) for each, path in paths}
        return {each: value for each, value in found.items() if not empty(value)}

    return follow


def _let(name: str, names: Names, where: Where) -> Compute:
    if (compute := names.lets.get(name)) is None:
        raise FieldError((*where, "let"), f"there is no let {name!r} above: declare it under [let.{name}]")

    def remember(context: Context) -> Json:
        if name not in context.known:
            context.known[name] = compute(context)
        return context.known[name]

    return remember


def compile_template(text: str, names: Names, where: Where, missing: str | None = None) -> Compute:
    """Text with {JMESPath}, {setting:NAME}, {header:NAME}, {let:NAME}; nothing when a part is, unless `missing`."""
    pieces = _PLACEHOLDER.split(text)
    if any(brace in piece for piece in pieces[::2] for brace in "{}"):
        raise FieldError(where, f"the braces of {text!r} do not pair: expected {{path}} or {{setting:NAME}}")
    parts = [_part(piece, names, where) if odd % 2 else piece for odd, piece in enumerate(pieces)]

    def fill(context: Context) -> Json:
        texts = [part if isinstance(part, str) else _rendered(part(context), missing) for part in parts]
        return None if None in texts else "".join(text for text in texts if text is not None)

    return fill


def _part(placeholder: str, names: Names, where: Where) -> Compute:
    if (reference := _REFERENCE.fullmatch(placeholder)) is not None:
        return compile_reference(reference[1], reference[2], names, where)
    return compile_reference("path", placeholder, names, where)


def _rendered(value: Json, missing: str | None) -> str | None:
    if missing is None:
        return None if empty(value) else key_text(value)
    return missing if empty(value) else value if isinstance(value, str) else shown(value)
