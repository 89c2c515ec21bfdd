"""Checks an audit capsule with nothing but Python 3.9 or newer: `python3 verify.py [CAPSULE]`."""

import sys
from pathlib import Path

HOME = Path(__file__).absolute().parent
sys.path.insert(0, str(HOME / "verifier"))

from service.capsule.main import main  # noqa: E402  # from the folder beside this file, not from an installation

sys.exit(main(sys.argv[1:], HOME))
