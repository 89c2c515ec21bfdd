"""The auditor's page: its lines work when pasted, and it has a row for every finding and every tampering that is tested."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from tests.service import test_audits, test_proofs, test_timestamp, test_witness
from tests.service.processes import ROOT, environment

PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
AUDITING = [*sorted((ROOT / "service" / "audit").glob("*.py")), ROOT / "domain" / "audit.py"]
PLACES = {"at_row": 1, "_at": 1, "_differs": 1, "_finding": 0}
"""Function -> which of its arguments is the code of a finding; elsewhere it is named `code`."""


def rows(first):
    """The first cells of the table under a heading of its own."""
    table = PAGE.split(f"| {first} |", 1)[1].split("\n\n", 1)[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]


def codes(path):
    """The codes that a file gives to findings."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call):
            place = PLACES.get(getattr(call.func, "id", getattr(call.func, "attr", "")))
            given = [each.value for each in call.keywords if each.arg == "code"]
            yield from given + ([] if place is None else call.args[place : place + 1])


def named(code):
    """A code as the page names it; None where it is only handed on."""
    if isinstance(code, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "CODE" for part in code.values)
    return code.value if isinstance(code, ast.Constant) else None


def test_every_finding_has_a_row_and_every_row_a_finding():
    emitted = {name for path in AUDITING for code in codes(path) if (name := named(code)) is not None}
    assert len(emitted) > 25
    assert sorted(rows("finding | what it means | what to do")) == sorted(f"`{name}`" for name in emitted)


def test_every_tampering_that_is_tested_has_a_row_and_every_row_a_test():
    modules = (test_audits, test_proofs, test_timestamp, test_witness)
    texts = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in modules)
    alone = re.findall(r'"tampering found in its place: ([^({"]+) \(', texts)
    tested = {*test_audits.TAMPERED, *test_audits.MODELS, *alone}
    assert sorted(rows("what somebody does who has the file | found as")) == sorted(tested)


def test_the_lines_of_the_page_work_when_pasted_on_the_demo(serve, tmp_path):
    (tmp_path / "var").mkdir()
    server = serve(tmp_path / "var" / "noces.db", organisation="demo", demo=1)
    settings = {"NOCES_KEY": server.key, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(BLOCKS).replace("http://127.0.0.1:8000", server.url)], cwd=tmp_path,
        env={**environment(), **settings}, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2_000:]
    assert done.stdout.count("nothing is otherwise") >= 4
    assert '"ok":true' in done.stdout
    assert (tmp_path / "event-168.tlog-proof").read_text(encoding="utf-8").startswith("c2sp.org/tlog-proof@v1")
