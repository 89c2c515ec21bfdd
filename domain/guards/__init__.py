"""The guards: pure predicates that explain themselves. The routine that explains is the routine that decides.

A guard takes a case and finds: met, actual against required, the events behind it, and, for what facts or time alone
decide, the instant at which it became (or will become) true. Policies name guards by code; a guard whose meaning
changes gets a new code, the old one stays. One file a group of triggers:

- `shocks`: face_reality, relapse
- `wear`: loosen, fade
- `sharing`: share_power
- `committing`: commit
- `maturing`: mature
- `parting`: separate, complete_separation, reconcile
"""

from domain.guards import committing, maturing, parting, sharing, shocks, wear  # noqa: F401  # they register themselves
from domain.guards.case import GUARD, READS, REMEDIES, Case, Finding, Remedy, judge, verdict
from domain.policy import GUARDS

__all__ = ["GUARD", "READS", "REMEDIES", "Case", "Finding", "Remedy", "judge", "verdict"]

if named := {code for codes in GUARDS.values() for code in codes} ^ set(GUARD):
    message = f"Policy and guards do not name the same: {', '.join(sorted(named))}."
    raise ValueError(message)
