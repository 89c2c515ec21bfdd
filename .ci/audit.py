"""What the software is made of, and whether any of it is known to be vulnerable.

Writes build/sbom.json (CycloneDX) from requirements.lock, then asks the OSV database about every pinned release. It fails
where a release is known to be vulnerable and where the database could be reached but did not answer; where it cannot be
reached at all, it says "not checked".
"""

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
OSV = "https://api.osv.dev/v1/query"
PATIENCE = 5.0
"""Seconds to wait for the database to answer at all."""


def main() -> int:
    """The exit status: 0 where nothing is known to be wrong, or nothing could be asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osv-url", default=OSV)
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--sbom", type=Path, default=ROOT / "build" / "sbom.json")
    asked = parser.parse_args()
    write_sbom(asked.lock, asked.sbom)
    if not reachable(asked.osv_url):
        print(f"dependency audit: not checked (no advisory source reachable: {asked.osv_url})", flush=True)
        return 0
    command = [
        str(BIN / "pip-audit"), "--requirement", str(asked.lock), "--disable-pip", "--require-hashes", "--strict",
        "--vulnerability-service", "osv", "--osv-url", asked.osv_url, "--progress-spinner", "off", "--timeout", "15",
    ]  # fmt: skip
    status = subprocess.run(command, check=False).returncode  # noqa: S603  # our own command
    print(f"dependency audit: {'nothing known' if status == 0 else f'failed (status {status})'}", flush=True)
    return status


def write_sbom(lock: Path, path: Path) -> None:
    """The bill of materials of the lock file, the same for the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(BIN / "cyclonedx-py"), "requirements", str(lock), "--pyproject", str(ROOT / "pyproject.toml"),
        "--output-reproducible", "--output-format", "JSON", "--output-file", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)  # noqa: S603  # our own command; it warns of a missing graph
    count = len(json.loads(path.read_text(encoding="utf-8"))["components"])
    print(f"bill of materials: {count} components in {path}", flush=True)


def reachable(url: str) -> bool:
    """Whether anything answers at an address, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):  # noqa: S310  # the operator's own address
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
