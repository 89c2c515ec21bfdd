"""The drawings: every state, arrow and guard of the table is in them, and the committed files are the ones it makes."""

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from domain import machine
from domain.policy import GUARDS
from service.diagram import mermaid, mode, svg
from service.drawing import place
from service.pages import machine_markdown, pages, write_pages

FOLDER = Path(__file__).parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
ROOT = ET.fromstring(svg())


def short(state):
    return state.rpartition(".")[2]


def drawn():
    return {
        (each.get("data-trigger"), each.get("data-from"), each.get("data-to")): each
        for each in ROOT.iter(f"{SVG}path")
        if each.get("data-trigger")
    }


# --- SVG -----------------------------------------------------------------------------------------------------------------


def test_the_svg_holds_every_arrow_and_no_other():
    assert set(drawn()) == {(each.trigger, each.source, each.target) for each in machine.ARROWS}


def test_automatic_arrows_are_dashed_and_confirmed_ones_are_not():
    for (trigger, _, _), each in drawn().items():
        automatic = machine.TRIGGERS[trigger].decided_by == "facts"
        assert (each.get("stroke-dasharray") is not None) == automatic
        assert each.get("data-mode") == ("automatic" if automatic else "confirmed")


def test_the_svg_names_every_stage_in_both_languages_and_every_outcome_and_trigger():
    texts = {each.text for each in ROOT.iter(f"{SVG}text")}
    whole = " ".join(text or "" for text in texts)
    for labels in machine.LABELS.values():
        assert labels["en"] in texts
        assert all(word in whole for word in labels["fr"].split())
    for name in (*machine.TRIGGERS, *(short(each) for each in machine.STATES if "." in each)):
        assert name in whole


def test_the_svg_tells_itself_to_who_does_not_see_it():
    assert (ROOT.get("role"), ROOT.get("aria-labelledby")) == ("img", "machine-title machine-desc")
    told = ROOT.find(f"{SVG}desc").text
    for each in machine.ARROWS:
        assert f"{each.source} to {each.target} by {each.trigger}" in told
    assert all(code in told for codes in GUARDS.values() for code in codes)


def test_the_svg_needs_nothing_from_elsewhere():
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|@font-face|<script|<image", svg())


def test_no_state_covers_another():
    boxes = [place(state) for state in machine.STATES]
    for one, other in combinations(boxes, 2):
        apart = one.right < other.x or other.right < one.x or one.bottom < other.y or other.bottom < one.y
        assert apart, (one, other)


def test_stages_stand_from_left_to_right():
    columns = [place(state).x for state in machine.STATES[:5]]
    assert columns == sorted(set(columns))


# --- Mermaid ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrow", machine.ARROWS, ids=lambda each: f"{each.trigger} {each.source} {each.target}")
def test_mermaid_holds_every_arrow_with_who_decides_it(arrow):
    back = ", back" if arrow.came_from else ""
    how = mode(machine.TRIGGERS[arrow.trigger])
    assert f"{short(arrow.source)} --> {short(arrow.target)} : {arrow.trigger} ({how}{back})\n" in mermaid()


def test_mermaid_holds_no_arrow_that_the_table_has_not():
    arrows = [line for line in mermaid().splitlines() if "-->" in line and "[*]" not in line]
    assert len(arrows) == len(machine.ARROWS)


def test_mermaid_notes_every_guard_of_every_trigger():
    notes = " ".join(mermaid().split()).split("note right of")[1:]
    for name, codes in GUARDS.items():
        trigger = machine.TRIGGERS[name]
        assert any(f"{name} ({mode(trigger)}), {trigger.needs} of {' '.join(codes)}" in note for note in notes)


# --- the files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=list(pages()))
def test_the_committed_page_is_the_one_that_the_code_makes(name, text):
    assert (FOLDER / name).read_text(encoding="utf-8") == text, "write it anew with service.pages.write_pages"


def test_the_page_holds_the_mermaid_drawing_in_a_fence():
    fence = re.search(r"```mermaid\n(.*?)\n```", (FOLDER / "machine.md").read_text(encoding="utf-8"), re.DOTALL)
    assert fence is not None
    assert fence[1] == mermaid()


def test_the_page_explains_every_guard():
    rows = [line for line in machine_markdown().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [code for name in machine.TRIGGERS for code in GUARDS[name]]
    assert not [row for row in rows if "|  |" in row or "DOMAIN" in row or "(D" in row]


def test_pages_are_written_where_they_were_asked_for(tmp_path):
    assert {path.name: path.read_text(encoding="utf-8") for path in write_pages(tmp_path)} == pages()
