"""The README's own lines, pasted into a shell against a real server, and its links followed."""

import json
import re
import subprocess

import pytest

from tests.service.processes import ROOT, environment

README = (ROOT / "README.md").read_text("utf-8")
CURLS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[1]


def test_the_lines_of_the_readme_work_when_pasted(server):
    lines = CURLS.replace("http://127.0.0.1:8000", server.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines], env={**environment(), "NOCES_KEY": server.key}, text=True,
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    made, measured, history, transitions = (json.loads(part) for part in _documents(done.stdout))
    assert [each["type"] for each in made["events"]] == ["promise.made"]
    assert [each["type"] for each in measured["events"]] == ["promise.measured", "stage.entered"]
    assert [(each["stage"], each["days"]) for each in history["stages"][:1]] == [("honeymoon", 70)]
    assert history["stages"][1]["cause"] == measured["events"][0]["position"]
    assert {each["trigger"] for each in transitions["transitions"]} == {"share_power", "separate"}


def _documents(text: str) -> list[str]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end])
        at = end
    return found


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_every_link_between_pages_leads_somewhere(page):
    here = (ROOT / page).parent
    targets = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text("utf-8"))
    missing = [each for each in targets if "://" not in each and not (here / each).exists()]
    assert not missing, f"{page} links to {missing}"
