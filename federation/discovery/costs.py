"""What a word discovery costs: measured in a simulation, and calculated for any number of devices with the same words."""

import math
from typing import Any

from federation.discovery.simulation import Found, packed_bytes
from federation.protocol.discovery.round_plans import BUCKET_DIGITS
from federation.protocol.discovery.word_table import TableTerms, bits_of_sum, table_size

_DEVIATIONS = 5  # standard deviations above the mean


def bytes_of_device(buckets: int, published: int, capacity: int, devices: int) -> tuple[int, int, int]:
    """Returns the bytes that a device sends in the first sum, receives as published buckets, and sends in the second sum."""
    table = packed_bytes(table_size(TableTerms(capacity)), bits_of_sum(devices))
    return packed_bytes(buckets, devices.bit_length()), BUCKET_DIGITS * published, table


def least_k(offers: float, buckets: int) -> int:
    """Returns the least k that a bucket of rare words hardly ever reaches, if all words were rare.

    With many devices and few buckets, the words of single people add up to k in every bucket. The number of devices in a bucket is
    then about a Poisson variable.

    Args:
      offers: the words that all devices offer, each counted once for each device.
      buckets: of the first sum.
    """
    mean = offers / buckets
    return math.floor(mean + _DEVIATIONS * math.sqrt(mean)) + 1


def costs_of(found: Found) -> dict[str, Any]:
    """Returns the measured costs: bytes and milliseconds of a device, seconds of the desktop."""
    counts, published, table = bytes_of_device(found.buckets, found.published, found.capacity, found.devices)
    return {
        "device_bytes_counts": counts,
        "device_bytes_published": published,
        "device_bytes_table": table,
        "device_ms": round(found.device_ms, 1),
        "desktop_seconds_sums": round(found.sums_seconds, 2),
        "desktop_seconds_decoding": round(found.decoding_seconds, 2),
    }


def cost_rows(found: Found, calculated: int, private: bool = False) -> list[list[str]]:
    """Returns a table of the costs, beside those calculated for another number of devices that offer the same words.

    Sums take time in proportion to the number of devices. What a device computes and the decoding do not depend on it. The bytes
    are those of one secure sum; more devices than one sum takes need several, which have fewer bits each.

    With `private` the table has no figure from which the exact number of offered words can be told.
    """
    rows = [["", f"{found.devices:,} devices", f"{calculated:,} devices, calculated"]]
    names = ("a device sends, counts", "a device receives, buckets", "a device sends, table")
    measured, others = (
        bytes_of_device(found.buckets, found.published, found.capacity, devices)
        for devices in (found.devices, calculated)
    )
    rows += [
        [name, f"{one / 1000:,.0f} kB", f"{other / 1000:,.0f} kB"]
        for name, one, other in zip(names, measured, others, strict=True)
    ]
    if not private:
        per_device = found.offers / max(found.devices, 1)
        counts = [f"{least_k(per_device * number, found.buckets):,}" for number in (found.devices, calculated)]
        rows.append(["least k for rare words to stay hidden", *counts])
    scaled = found.sums_seconds * calculated / max(found.devices, 1)
    rows.append(["a device computes", *2 * [f"{found.device_ms:.0f} ms"]])
    rows.append(["the desktop adds", f"{found.sums_seconds:.1f} s", f"{scaled:,.0f} s"])
    rows.append(["the desktop decodes", *2 * [f"{found.decoding_seconds:.1f} s"]])
    return rows
