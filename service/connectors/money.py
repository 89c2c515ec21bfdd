"""How many digits a currency's minor unit has (ISO 4217): amounts arrive with a point, facts hold minor units."""

from decimal import Decimal

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_NONE.split(), 0) | dict.fromkeys(_THREE.split(), 3)
_USUAL = 2


def minor_units(currency: str) -> Decimal:
    """How many minor units one unit of a currency is."""
    return Decimal(10) ** _DIGITS.get(currency.upper(), _USUAL)
