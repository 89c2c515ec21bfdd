"""The command `verify.py`: what is wrong, position by position, or that nothing is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from service.capsule.checks import Checking, Held
from service.capsule.files import CapsuleError, Files

SHOWN = 100
"""The most findings that are told."""
GOOD, WRONG = 0, 1


def main(arguments: list[str], home: Path) -> int:
    """The exit status: 0 where everything holds, 1 where something does not (2 is for usage)."""
    wanted = _parser(home).parse_args(arguments)
    try:
        held = Held(
            key=wanted.key.read_text("utf-8") if wanted.key else "",
            checkpoints=tuple(each.read_text("utf-8") for each in wanted.checkpoint),
            machine=wanted.machine.read_bytes() if wanted.machine else b"",
        )
        checking = Checking(Files(wanted.capsule), held)
        findings = [str(each) for _, each in zip(range(SHOWN), checking.run())]  # noqa: B905  # Python 3.9
    except (CapsuleError, OSError, ValueError) as error:
        return _answer(wanted.json, [str(error)], "")
    except Exception as error:  # noqa: BLE001  # whatever a forged capsule brings to fall, it does not check
        return _answer(wanted.json, [f"the capsule is malformed: {type(error).__name__}: {error}"], "")
    good = (
        f"{checking.size} entries, signed as {checking.manifest['origin']}: root, signature, order, arrows, verdicts and "
        f"the report of {len(checking.manifest['partnerships'])} partnerships hold.\nkey {checking.key_text}"
    )
    return _answer(wanted.json, findings, good)


def _answer(as_json: bool, findings: list[str], good: str) -> int:  # noqa: FBT001  # handed on from the command line
    if as_json:
        sys.stdout.write(json.dumps({"ok": not findings, "findings": findings}) + "\n")
    else:
        sys.stdout.write("\n".join(findings or [good]) + "\n")
    return WRONG if findings else GOOD


def _parser(home: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Check an audit capsule; nothing but Python is needed."
    )
    parser.add_argument("capsule", nargs="?", type=Path, default=home, help="a ZIP file or a folder; default: this one")
    parser.add_argument("--key", type=Path, help="a file with the log's verifier key, as you have kept it")
    parser.add_argument(
        "--checkpoint", type=Path, action="append", default=[], help="a checkpoint that you kept; repeatable"
    )
    parser.add_argument("--machine", type=Path, help="a file with the machine (GET /v1/machine), as you trust it")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    return parser
