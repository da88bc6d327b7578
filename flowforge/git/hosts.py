"""Which hosts must not be reached from a worker: its own machine, private networks, metadata services. Pure.

A name is judged by `private_name` before it is resolved, and each address it resolves to by `private_address`;
who connects must use the judged address (a second look-up may answer differently).
"""

import ipaddress
import re

_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "localdomain", "arpa")
_EXACT = frozenset({"ip6-localhost", "ip6-loopback", "metadata", "instance-data", "kubernetes"})
_WIDE = frozenset(
    {"nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "vcap.me"}
)  # names that spell addresses
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_OUTSIDE = tuple(
    ipaddress.ip_network(block)
    for block in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fec0::/10",
        "100.64.0.0/10",
        "192.0.0.0/24",
    )
)
_PARTS, _BYTE = 4, 0xFF


def private_name(host: str) -> bool:
    """Whether `host`, a name or any spelling of an address, must not be reached."""
    name = host.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")
    address = read_address(name)
    if address is not None:
        return private_address(address)
    if not name or "%" in name or "." not in name:
        return True  # one label is a name of the local network
    labels = name.split(".")
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", labels[-1]):
        return True  # ends like an address but is none: resolvers disagree about it
    return labels[-1] in _NAMES or name in _EXACT or any(name == w or name.endswith(f".{w}") for w in _WIDE)


def private_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is not on the public network (or hides another address inside)."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if inner is not None:
            return private_address(inner)
        if int(address) >> 32 == 0:  # ::a.b.c.d, the deprecated compatible form
            return True
    if any(address in block for block in _OUTSIDE if block.version == address.version):
        return True
    return not address.is_global or address.is_multicast


def read_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address in any spelling that C libraries take: 127.1, 0x7f.1, 017700000001, 2130706433, ::1."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return None
    parts = host.split(".")
    if len(parts) > _PARTS or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *firsts, last = (_number(part) for part in parts)
    except ValueError:
        return None
    if any(first > _BYTE for first in firsts) or last >= 1 << (8 * (_PARTS - len(firsts))):
        return None
    value = last
    for place, first in enumerate(firsts):
        value |= first << (8 * (_PARTS - 1 - place))
    return ipaddress.IPv4Address(value)


def _number(part: str) -> int:
    if part.lower().startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)
