"""The rules of OCEL 2.0: the constraints of its relational form by number, and what its schema and text ask of JSON."""

import re

BASE = {"event_map_type", "object_map_type", "event", "object", "event_object", "object_object"}
SHARED = {"event_map_type", "object_map_type", "event_object", "object_object"}


class Schema:
    """The tables of a database, their columns and keys."""

    def __init__(self, database):
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        self.columns = {
            name: {row[1]: (row[2], row[5]) for row in database.execute(f'PRAGMA table_info("{name}")')}
            for name in names
        }
        self.foreign = {
            name: {(row[3], row[2], row[4]) for row in database.execute(f'PRAGMA foreign_key_list("{name}")')}
            for name in names
        }
        self.event_tables, self.object_tables = (
            {f"{kind}_{name}" for (name,) in database.execute(f"SELECT ocel_type_map FROM {kind}_map_type")}
            for kind in ("event", "object")
        )

    def keys(self, table):
        return {name for name, (_, key) in self.columns[table].items() if key}

    def has(self, tables, *columns):
        return all(set(columns) <= self.columns[table].keys() for table in tables)

    def refers(self, table, *keys):
        return set(keys) <= self.foreign[table]


def _tables_of(schema, kind):
    return {name for name in schema.columns if name.startswith(f"{kind}_")} - SHARED


CONSTRAINTS = {
    "1 the tables of every log are there": lambda s: s.columns.keys() >= BASE,
    "2 each type of objects has its table and no other has": lambda s: s.object_tables == _tables_of(s, "object"),
    "3 each type of events has its table and no other has": lambda s: s.event_tables == _tables_of(s, "event"),
    "4 ocel_type": lambda s: s.has(("event_map_type", "object_map_type", "event", "object"), "ocel_type"),
    "5 ocel_type_map": lambda s: s.has(("event_map_type", "object_map_type"), "ocel_type_map"),
    "6 ocel_id": lambda s: s.has(("event", "object"), "ocel_id"),
    "7 ocel_qualifier": lambda s: s.has(("event_object", "object_object"), "ocel_qualifier"),
    "8 the columns of event_object": lambda s: s.has(("event_object",), "ocel_event_id", "ocel_object_id"),
    "9 the columns of object_object": lambda s: s.has(("object_object",), "ocel_source_id", "ocel_target_id"),
    "10 objects have ids": lambda s: s.has(s.object_tables, "ocel_id"),
    "11 events have ids": lambda s: s.has(s.event_tables, "ocel_id"),
    "12 objects have times": lambda s: all(s.columns[each]["ocel_time"][0] == "TIMESTAMP" for each in s.object_tables),
    "13 events have times": lambda s: all(s.columns[each]["ocel_time"][0] == "TIMESTAMP" for each in s.event_tables),
    "14 types are keys": lambda s: s.keys("event_map_type") == s.keys("object_map_type") == {"ocel_type"},
    "15 ids are keys": lambda s: s.keys("event") == s.keys("object") == {"ocel_id"},
    "16 event_object is a key": lambda s: (
        s.keys("event_object") == {"ocel_event_id", "ocel_object_id", "ocel_qualifier"}
    ),
    "17 object_object is a key": lambda s: (
        s.keys("object_object") == {"ocel_source_id", "ocel_target_id", "ocel_qualifier"}
    ),
    "18 ids are keys in the tables of events": lambda s: all(s.keys(each) == {"ocel_id"} for each in s.event_tables),
    "19 an event's type is known": lambda s: s.refers("event", ("ocel_type", "event_map_type", "ocel_type")),
    "20 an object's type is known": lambda s: s.refers("object", ("ocel_type", "object_map_type", "ocel_type")),
    "21 event_object refers to both": lambda s: s.refers(
        "event_object", ("ocel_event_id", "event", "ocel_id"), ("ocel_object_id", "object", "ocel_id")
    ),
    "22 object_object refers to both": lambda s: s.refers(
        "object_object", ("ocel_source_id", "object", "ocel_id"), ("ocel_target_id", "object", "ocel_id")
    ),
    "23 tables of events refer to event": lambda s: all(
        s.refers(each, ("ocel_id", "event", "ocel_id")) for each in s.event_tables
    ),
    "24 tables of objects refer to object": lambda s: all(
        s.refers(each, ("ocel_id", "object", "ocel_id")) for each in s.object_tables
    ),
}

ROWS = {
    "an event without an object": "SELECT ocel_id FROM event WHERE ocel_id NOT IN (SELECT ocel_event_id FROM event_object)",
    "a relation without a qualifier": "SELECT * FROM event_object WHERE coalesce(ocel_qualifier, '') = ''",
    "an object related to itself": "SELECT * FROM object_object WHERE ocel_source_id = ocel_target_id",
}
"""What must not be found."""

TYPES = {"string", "integer", "float", "boolean", "time"}
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?Z")
SHAPES = {
    "integer": re.compile(r"-?\d+"), "float": re.compile(r"-?\d+\.\d+(e[+-]\d+)?"), "boolean": re.compile("true|false"),
    "time": INSTANT, "string": re.compile(r".*", re.DOTALL),
}  # fmt: skip


def broken(document):
    """What a JSON document does against the rules."""
    found = []
    kinds = {}
    for family in ("objectTypes", "eventTypes"):
        for each in document[family]:
            kinds[family, each["name"]] = {one["name"]: one["type"] for one in each["attributes"]}
            found += [each for kind in kinds[family, each["name"]].values() if kind not in TYPES]
    known = {each["id"] for each in document["objects"]}
    found += ["ids that are given twice"] * (len(known) != len(document["objects"]))
    found += ["ids that are given twice"] * (
        len({each["id"] for each in document["events"]}) != len(document["events"])
    )
    for family, things in (("objectTypes", document["objects"]), ("eventTypes", document["events"])):
        for each in things:
            types = kinds[family, each["type"]]
            found += [one for one in each["attributes"] if not SHAPES[types[one["name"]]].fullmatch(one["value"])]
            found += [one for one in each["relationships"] if one["objectId"] not in known or not one["qualifier"]]
            times = [each["time"]] if family == "eventTypes" else [one["time"] for one in each["attributes"]]
            found += [time for time in times if not INSTANT.fullmatch(time)]
    return [*found, *(each["id"] for each in document["events"] if not each["relationships"])]
