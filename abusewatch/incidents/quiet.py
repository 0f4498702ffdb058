"""Hours in which an audience is left in peace, by the clock on its wall."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

SECOND_US = 1_000_000
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Quiet:
    """From `begins` until `ends`, over midnight when that is earlier, in a time zone with its summer time."""

    begins: time
    ends: time
    zone: ZoneInfo

    def until_us(self, now_us: int) -> int | None:
        """Say when the peace that is now ends; None when there is none now."""
        here = datetime.fromtimestamp(now_us // SECOND_US, UTC).astimezone(self.zone)
        clock = here.time().replace(tzinfo=None)
        over_midnight = self.ends < self.begins
        if not (self.begins <= clock < self.ends or (over_midnight and (clock >= self.begins or clock < self.ends))):
            return None
        day = here.date() + timedelta(days=1) if over_midnight and clock >= self.begins else here.date()
        end = datetime.combine(day, self.ends, self.zone)
        return max(
            int(end.timestamp()) * SECOND_US, now_us + SECOND_US
        )  # an hour set back in the night never ends before it began


def quiet(text: str, zone: ZoneInfo) -> Quiet:
    """Read 22:00-07:00; ValueError says how to write it."""
    match = _HOURS.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a span of hours; write it like 22:00-07:00")
    begins, ends = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if begins == ends:
        raise ValueError(f"{text!r} is all day long, and then no mail would ever leave; write it like 22:00-07:00")
    return Quiet(begins, ends, zone)
