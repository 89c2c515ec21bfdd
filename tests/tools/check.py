"""Whether PM4Py opens what `noces export` writes, and finds in it what the log has: `make test-tools`.

    python check.py PYTHON      the interpreter of an environment where PM4Py is installed

It tells a demo log, exports it with the command line, counts in the log's own lines what there must be, and asks the other
interpreter what PM4Py found.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from service.app import first_start, running  # noqa: E402 (after the path)
from service.settings import Settings  # noqa: E402 (as above)

NOCES = str(Path(sys.executable).with_name("noces"))
FILES = {"ndjson": "demo.ndjson", "ocel-json": "demo.json", "ocel-sqlite": "demo.sqlite", "xes": "demo.xes"}
SYSTEM = {
    "transition",
    "policy",
    "link",
    "key",
    "source",
    "connector",
    "subscription",
    "person",
    "override",
    "log",
    "text",
}
NAMED = ("contract", "promise", "invoice", "incident", "crisis")


def main(python: str) -> int:
    """The exit status: 1 where a count is wrong."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        asyncio.run(tell(folder))
        for form, name in FILES.items():
            database = f"sqlite:///{folder}/noces.db"
            subprocess.run(
                [NOCES, "export", "--database", database, "--format", form, "--out", folder / name], check=True
            )
        expected = count([json.loads(line) for line in (folder / "demo.ndjson").read_text("utf-8").splitlines()])
        done = subprocess.run(
            [python, ROOT / "tests" / "tools" / "opened.py", folder], check=True, stdout=subprocess.PIPE, text=True
        )
    return compare(expected, json.loads(done.stdout.splitlines()[-1]))


async def tell(folder: Path) -> None:
    settings = Settings(database=f"sqlite:///{folder}/noces.db", demo=True, clock_seconds=86_400.0)
    async with running(settings) as services:
        await first_start(services)


def count(lines):
    """What a log's lines hold, counted without the code that exports them."""
    own = [line for line in lines if line["stream"].startswith("partnership-")]
    gone = {line["data"]["event"] for line in own if line["type"] == "fact.retracted"}
    told = [line for line in own if is_told(line["type"]) and line["id"] not in gone]
    things = {(kind, each) for line in told for kind, each in objects_of(line)}
    entered = {(line["stream"], line["occurred_at"]) for line in told if line["type"] == "stage.entered"}
    ocel = {
        "events": len(told), "objects": dict(sorted(Counter(kind for kind, _ in things).items())),
        "types": len({line["type"] for line in told}), "stages": len(entered),
    }  # fmt: skip
    cases = len({line["stream"] for line in told})
    return {
        "ocel-json": ocel, "ocel-sqlite": ocel, "xes": {"events": len(told), "cases": cases, "ordered": True},
        "constraints": [24, []],
    }  # fmt: skip


def is_told(kind):
    return kind == "stage.entered" or (kind.split(".")[0] not in {*SYSTEM, "stage"} and kind != "fact.retracted")


def objects_of(line):
    data, whose = line["data"], line["stream"]
    yield "partnership", whose
    if line["type"] == "partnership.opened":
        yield "client", data["client"]
        yield "partner", data["partner"]
    for kind in NAMED:
        if kind in data:
            yield kind, (whose, data[kind])
    if line["type"].startswith("meeting."):
        yield "meeting", (whose, data["level"], data.get("on_date") or data["due_on"])


def compare(expected, found) -> int:
    wrong = 0
    print(f"PM4Py {found['version']}")
    for form, values in expected.items():
        for name, value in values.items() if isinstance(values, dict) else [("satisfied, unsatisfied", values)]:
            seen = found[form][name] if isinstance(values, dict) else found[form]
            wrong += seen != value
            print(f"{form:12} {name:24} {seen}" + ("" if seen == value else f"  WRONG: the log has {value}"))
    print("Everything that the log has was found." if not wrong else f"{wrong} counts are wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
