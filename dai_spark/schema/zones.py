"""Timestamps as the session's clock shows them: every form of zone that Spark takes."""

import re
from functools import lru_cache
from typing import Optional, Tuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dai_spark.errors import ColumnError
from dai_spark.host.java_zones import java_zone

__all__ = ["local_seconds"]

# java.time.ZoneId.SHORT_IDS, which Spark gives to ZoneId.of.
_SHORT_NAMES = {
    "EST": "-05:00",
    "MST": "-07:00",
    "HST": "-10:00",
    "ACT": "Australia/Darwin",
    "AET": "Australia/Sydney",
    "AGT": "America/Argentina/Buenos_Aires",
    "ART": "Africa/Cairo",
    "AST": "America/Anchorage",
    "BET": "America/Sao_Paulo",
    "BST": "Asia/Dhaka",
    "CAT": "Africa/Harare",
    "CNT": "America/St_Johns",
    "CST": "America/Chicago",
    "CTT": "Asia/Shanghai",
    "EAT": "Africa/Addis_Ababa",
    "ECT": "Europe/Paris",
    "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "MIT": "Pacific/Apia",
    "NET": "Asia/Yerevan",
    "NST": "Pacific/Auckland",
    "PLT": "Asia/Karachi",
    "PNT": "America/Phoenix",
    "PRT": "America/Puerto_Rico",
    "PST": "America/Los_Angeles",
    "SST": "Pacific/Guadalcanal",
    "VST": "Asia/Ho_Chi_Minh",
}
# ZoneId.of, and Spark's own +h:mm and +hh:m.
_OFFSET = re.compile(
    r"(?:UTC|GMT|UT)?([+-])(?:(\d{1,2})(?::(\d{1,2})(?::(\d\d))?)?|(\d\d)(\d\d)(\d\d)?)"
)
_UTC = ("Z", "UTC", "GMT", "UT", "Etc/UTC", "Etc/GMT", "GMT0", "UCT", "Zulu")


@lru_cache(maxsize=64)
def _fixed_offset_s(zone: str) -> Optional[int]:
    if zone in _UTC:
        return 0
    found = _OFFSET.fullmatch(zone)
    if found is None:
        return None
    sign, *parts = found.groups()
    hours, minutes, seconds = (int(a or b or 0) for a, b in zip(parts[:3], parts[3:]))
    offset_s = hours * 3600 + minutes * 60 + seconds
    return -offset_s if sign == "-" else offset_s


def local_seconds(
    utc_s: "np.ndarray[Tuple[int], np.dtype[np.int64]]", zone: str, jvm_pid: Optional[int]
) -> "np.ndarray[Tuple[int], np.dtype[np.int64]]":
    """What a clock shows at these times, in seconds since its 1970.

    Parameters
    ----------
    utc_s : numpy.ndarray of int64
        Whole seconds since 1970, UTC.
    zone : str
        As Spark's ``spark.sql.session.timeZone`` takes it.
    jvm_pid : int or None
        The executor's JVM, whose rules Spark shows times by; without one Arrow's are used.

    Raises
    ------
    ColumnError
        Neither has the zone.
    """
    zone = _SHORT_NAMES.get(zone, zone)
    offset_s = _fixed_offset_s(zone)
    if offset_s is not None:
        return utc_s + offset_s
    java = java_zone(jvm_pid, zone) if jvm_pid is not None else None
    if java is not None:
        return java.local_s(utc_s)
    try:
        aware = pa.array(utc_s).cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", zone))
        texts = pc.strftime(aware, format="%Y-%m-%dT%H:%M:%S")
    except (pa.ArrowInvalid, OSError) as error:
        cause = f"The rules of time zone {zone} are not found ({error})"
        raise ColumnError(
            f"{cause}: this host has no time zone database that knows it. Install the system's "
            "tzdata, or set spark.sql.session.timeZone to UTC or an offset such as +02:00.",
            cause=f"{cause}.",
        ) from error
    local: np.ndarray[Tuple[int], np.dtype[np.int64]] = (
        texts.to_numpy(zero_copy_only=False).astype("datetime64[s]").astype("int64")
    )
    return local
