"""The report's own words in both languages."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Audit report", "log": "Log", "entries": "Entries", "root": "Root", "as_of": "As of", "key": "Key",
        "how": (
            "Every figure below is made from the entries in this capsule. Run python3 verify.py beside this file: it makes"
            " the report again from the entries and compares it byte for byte."
        ),
        "stages": "Stages", "stage": "Stage", "from": "From", "to": "To", "days": "Days", "through": "Through",
        "why": "Because", "position": "Position", "policy": "Policy", "today": "still", "forced": "forced by two people",
        "refusals": "Refused transitions", "asked": "Asked for", "on": "On", "missing": "What was missing",
        "contents": "Partnerships", "nothing": "No partnership is reported.", "ended": "Ended", "respectful": "with respect",
        "no_respect": "without respect", "unsaid": "nobody said how", "events": "events", "by": "by",
        "maturity": "maturity", "separating": "separating", "separated": "separated", "never": "never opened",
    },
    "fr": {
        "title": "Rapport d’audit", "log": "Journal", "entries": "Écritures", "root": "Racine", "as_of": "Au", "key": "Clé",
        "how": (
            "Chaque chiffre ci-dessous est tiré des écritures de cette capsule. Lancez python3 verify.py à côté de ce"
            " fichier : il refait le rapport à partir des écritures et le compare octet par octet."
        ),
        "stages": "Étapes", "stage": "Étape", "from": "Du", "to": "Au", "days": "Jours", "through": "Par",
        "why": "En raison de", "position": "Position", "policy": "Politique", "today": "en cours",
        "forced": "forcé par deux personnes", "refusals": "Transitions refusées", "asked": "Demandée", "on": "Le",
        "missing": "Ce qui manquait", "contents": "Partenariats", "nothing": "Aucun partenariat n’est rapporté.",
        "ended": "Fin", "respectful": "avec respect", "no_respect": "sans respect", "unsaid": "sans qu’on sache comment",
        "events": "événements", "by": "par", "maturity": "maturité", "separating": "en séparation",
        "separated": "séparés", "never": "jamais ouvert",
    },
}  # fmt: skip
