"""What is installed is what is here: a package built from the tree holds every module and every file beside them."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_built_package_holds_every_file_and_no_test(tmp_path):
    tree = tmp_path / "tree"  # a build leaves files beside what it builds from
    tree.mkdir()
    for name in ("domain", "events", "service"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(tmp_path),
    ]
    built = subprocess.run([*command, str(tree)], capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stderr
    assert "would be ignored" not in built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    here = {
        str(path.relative_to(ROOT))
        for top in ("domain", "events", "service") for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }  # fmt: skip
    assert packed == here
