"""Whether a value meets a JSON Schema: the keywords that the published contract uses, told with the place of each breach."""

TYPES = {
    "string": str, "object": dict, "array": list, "boolean": bool, "null": type(None), "integer": int,
    "number": (int, float),
}  # fmt: skip
BOUNDS = (
    ("minimum", lambda value, bound: value >= bound),
    ("maximum", lambda value, bound: value <= bound),
    ("exclusiveMaximum", lambda value, bound: value < bound),
)
SIZES = (("minLength", "maxLength", str), ("minItems", "maxItems", list))


def breaches(schema, value, document, at=""):
    """Every breach, as `pointer: what`."""
    if "$ref" in schema:
        schema = resolve(schema["$ref"], document)
    if not fits(schema, value):
        return [f"{at}: {value!r} is no {schema.get('type', schema)}"]
    found = [breach for each in schema.get("allOf", ()) for breach in breaches(each, value, document, at)]
    for word, wanted in (("anyOf", lambda n: n >= 1), ("oneOf", lambda n: n == 1)):
        if word in schema and not wanted(sum(not breaches(each, value, document, at) for each in schema[word])):
            found.append(f"{at}: {value!r} does not meet {word}")
    if isinstance(value, dict):
        found += members(schema, value, document, at)
    if isinstance(value, list) and "items" in schema:
        found += [
            each for n, item in enumerate(value) for each in breaches(schema["items"], item, document, f"{at}/{n}")
        ]
    return found


def resolve(reference, document):
    """What a reference stands for."""
    found = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def fits(schema, value):
    """Whether type, values and bounds allow a value."""
    types = schema.get("type", list(TYPES))
    if not any(is_a(value, each) for each in ([types] if isinstance(types, str) else types)):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if isinstance(value, (int, float)):
        return all(holds(value, schema[word]) for word, holds in BOUNDS if word in schema)
    return all(
        schema.get(least, 0) <= len(value) <= schema.get(most, len(value))
        for least, most, kind in SIZES
        if isinstance(value, kind)
    )


def is_a(value, name):
    """Whether a value is of a type; to Python truth is a number, to JSON it is none."""
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def members(schema, value, document, at):
    """What is missing, unknown or wrong inside an object."""
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
    for name, each in value.items():
        if name in properties:
            found += breaches(properties[name], each, document, f"{at}/{name}")
        elif others is False:
            found.append(f"{at}: {name} is unknown")
        elif isinstance(others, dict):
            found += breaches(others, each, document, f"{at}/{name}")
    return found
