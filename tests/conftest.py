"""What all tests share: how hard hypothesis looks (`--hypothesis-profile=long` for campaigns), and what is told at the end."""

import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# Here, before anything imports them: what tests share asserts too, and is to say what it saw.
pytest.register_assert_rewrite(
    "tests.events.contract", "tests.service.exports.ocel_rules", "tests.service.processes", "tests.service.story",
    "tests.service.world",
)  # fmt: skip

UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("default", max_examples=25, deadline=None, suppress_health_check=UNHURRIED)
settings.register_profile("long", max_examples=200, deadline=None, suppress_health_check=UNHURRIED)
settings.load_profile("default")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the figures that tests recorded (`record_property("told", "matrix: 12 cells refused")`), equal ones summed up."""
    sums: Counter[str] = Counter()
    lines: list[str] = []
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            counted = re.fullmatch(r"(.+: )(\d+)( .+)", str(value)) if name == "told" else None
            if counted:
                sums[f"{counted[1]}{{}}{counted[3]}"] += int(counted[2])
            elif name == "told":
                lines.append(str(value))
    told = [line.format(f"{count:,}") for line, count in sorted(sums.items())] + lines
    if told:
        terminalreporter.section("what the tests counted")
        for line in told:
            terminalreporter.line(line)
