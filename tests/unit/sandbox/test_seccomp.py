"""The filter, run by a small interpreter of the kernel's classic filter machine: what it answers is what counts."""

import errno
import struct

import pytest

from flowforge.sandbox.seccomp import numbers_for, program

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = sorted(AUDIT)


def answer(machine: str, number: int, *args: int, audit: int | None = None) -> int:
    text = program(machine)
    assert text is not None
    rows = list(struct.iter_unpack("=HBBI", text))
    words = [*args, *[0] * (6 - len(args))]
    data = struct.pack("=IIQ6Q", number, AUDIT[machine] if audit is None else audit, 0, *words)
    at, held = 0, 0
    while True:
        code, yes, no, value = rows[at]
        at += 1
        if code == 0x20:
            held = struct.unpack_from("=I", data, value)[0]
        elif code == 0x06:
            return int(value)
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += yes if true else no


def denied(code: int) -> int:
    return ERRNO | code


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_call_is_refused(machine: str) -> None:
    looked_at = {"clone", "clone3", "ioctl", "socket"}
    for name, number in numbers_for(machine).items():
        if name not in looked_at:
            assert answer(machine, number) == denied(errno.EPERM), name


@pytest.mark.parametrize(
    ("machine", "numbers"), [("x86_64", (0, 1, 39, 59, 231)), ("aarch64", (56, 63, 64, 94, 221))]
)
def test_ordinary_calls_are_allowed(machine: str, numbers: tuple[int, ...]) -> None:
    assert {answer(machine, number) for number in numbers} == {ALLOW}


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_forks_are_allowed_and_new_name_spaces_are_not(machine: str) -> None:
    clone = numbers_for(machine)["clone"]
    assert answer(machine, clone, 0x3D0F00) == ALLOW  # a thread
    assert answer(machine, clone, 17) == ALLOW  # a fork
    for space in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x04000000, 0x08000000, 0x02000000, 0x80):
        assert answer(machine, clone, space | 17) == denied(errno.EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_newer_clone_is_said_to_be_missing_so_that_callers_take_the_older(machine: str) -> None:
    assert answer(machine, numbers_for(machine)["clone3"]) == denied(errno.ENOSYS)


@pytest.mark.parametrize("machine", MACHINES)
def test_only_fake_input_and_the_console_are_refused_of_terminal_controls(machine: str) -> None:
    ioctl = numbers_for(machine)["ioctl"]
    assert answer(machine, ioctl, 0, 0x5412) == denied(errno.EPERM)
    assert answer(machine, ioctl, 0, 0x541C) == denied(errno.EPERM)
    assert answer(machine, ioctl, 0, 0x5412 | 1 << 40) == denied(errno.EPERM)  # the kernel looks at 32 bits
    assert answer(machine, ioctl, 0, 0x5401) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("family", "protocol", "allowed"),
    [
        (1, 0, True),
        (2, 0, True),
        (10, 6, True),
        (16, 0, True),
        (16, 15, False),
        (17, 0, False),
        (31, 0, False),
        (38, 0, False),
        (40, 0, False),
        (0, 0, False),
    ],
)
def test_sockets_are_of_families_that_the_walls_cover(
    machine: str, family: int, protocol: int, allowed: bool
) -> None:
    socket = numbers_for(machine)["socket"]
    expected = ALLOW if allowed else denied(errno.EAFNOSUPPORT)
    assert answer(machine, socket, family, 1, protocol) == expected


def test_a_call_by_another_architecture_kills() -> None:
    assert answer("x86_64", 1, audit=0x40000003) == KILL
    assert answer("aarch64", 1, audit=0x40000028) == KILL


def test_the_third_convention_of_x86_is_said_to_be_missing() -> None:
    assert answer("x86_64", 0x40000000 | 165) == denied(errno.ENOSYS)


def test_an_unknown_machine_has_no_filter() -> None:
    assert program("m68k") is None
    assert numbers_for("m68k") == {}
