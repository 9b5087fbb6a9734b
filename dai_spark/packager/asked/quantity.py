"""Amounts of processors and memory, as Kubernetes writes them: ``1``, ``250m``, ``1Gi``."""

import re
from decimal import Decimal
from typing import Dict, Optional, Union

__all__ = ["quantity"]

# Kubernetes' own grammar: a number, and a power of ten, of two, or an exponent.
_GRAMMAR = re.compile(
    r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE]([+-]?[0-9]{1,2}))?"
)
_FACTORS: Dict[Optional[str], Decimal] = {
    None: Decimal(1),
    **{name: Decimal(10) ** power for name, power in zip("num", (-9, -6, -3))},
    **{name: Decimal(10) ** (3 * i) for i, name in enumerate("kMGTPE", 1)},
    **{f"{name}i": Decimal(1024) ** i for i, name in enumerate("KMGTPE", 1)},
}


def quantity(text: Union[str, int, float]) -> Decimal:
    """Read an amount.

    Parameters
    ----------
    text : str, int or float
        YAML has ``1`` as a number.

    Returns
    -------
    Decimal
        Cores, or bytes.

    Raises
    ------
    ValueError
        It is none, or not more than 0.
    """
    match = _GRAMMAR.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is no amount as Kubernetes writes it (1, 250m, 1.5, 512Mi, 2G)")
    number, unit, power = match.groups()
    found: Decimal = Decimal(number) * _FACTORS[unit] * Decimal(10) ** int(power or 0)
    if not found > 0:
        raise ValueError(f"{text!r} is not more than 0")
    return found
