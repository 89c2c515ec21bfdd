"""What PM4Py finds in exports, as JSON: run in an environment of its own, because PM4Py is no part of this project.

python opened.py FOLDER      a folder with demo.json (OCEL), demo.sqlite (OCEL) and demo.xes
"""

import json
import sys
import warnings
from pathlib import Path

import pm4py
from pm4py.objects.ocel.validation import ocel20_rel_validation


def objects(ocel):
    return {
        "events": len(ocel.events),
        "objects": dict(sorted(ocel.objects["ocel:type"].value_counts().to_dict().items())),
        "types": int(ocel.events["ocel:activity"].nunique()),
        "relations": len(ocel.relations),
        "between objects": len(ocel.o2o),
        "stages": int((ocel.object_changes["ocel:field"] == "stage").sum()),
    }


def traces(log):
    return {
        "events": len(log),
        "cases": int(log["case:concept:name"].nunique()),
        "ordered": bool(log.groupby("case:concept:name")["time:timestamp"].is_monotonic_increasing.all()),
    }


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    satisfied, unsatisfied = ocel20_rel_validation.apply(str(folder / "demo.sqlite"))
    found = {
        "version": pm4py.__version__,
        "ocel-json": objects(pm4py.read_ocel2_json(str(folder / "demo.json"))),
        "ocel-sqlite": objects(pm4py.read_ocel2_sqlite(str(folder / "demo.sqlite"))),
        "xes": traces(pm4py.read_xes(str(folder / "demo.xes"))),
        "constraints": [len(satisfied), sorted(unsatisfied)],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
