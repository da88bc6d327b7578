"""Urls that attack, and hosts in every spelling; generated from parts. Which hosts are private is a pure question."""

import ipaddress
import itertools

import pytest
from _pytest.mark.structures import ParameterSet

from flowforge.core.errors import Reason, Refused
from flowforge.git.hosts import private_address, private_name, read_address
from flowforge.git.mirror import check_url
from flowforge.git.names import host_of

ALLOWED = frozenset({"https", "ssh"})
SCHEMES = [
    "http",
    "git",
    "ftp",
    "ftps",
    "file",
    "ext",
    "fd",
    "dict",
    "gopher",
    "ldap",
    "rsync",
    "svn",
    "javascript",
    "data",
    "HTTPS",
    "https+git",
    "git+ssh",
    "ssh+git",
    "transport-helper",
    "bundle",
    "",
]
BAD = [
    *(f"{scheme}://example.org/a.git" for scheme in SCHEMES),
    "ext::sh -c id",
    "ext::sh%20-c%20id",
    "https::https://example.org/a.git",
    "fd::17",
    "file:///etc/passwd",
    "/etc/passwd",
    "../a.git",
    "a.git",
    "",
    " ",
    "-",
    "--upload-pack=touch x",
    "-oProxyCommand=touch x",
    "https://-oProxyCommand=touch/a",
    "ssh://-oProxyCommand=touch/a",
    "ssh://-x@example.org/a",
    "-x@example.org:a",
    "git@-x:a",
    "git@example.org:-x",
    "git@example.org:../../etc/passwd",
    "git@example.org:",
    "git@example.org:/",
    "ssh://git@example.org",
    "ssh://git:secret@example.org/a.git",
    "https://user@example.org/a.git",
    "https://user:secret@example.org/a.git",
    "https://:secret@example.org/a.git",
    "https://@example.org/a.git",
    "https://a@b@example.org/a.git",
    "https://example.org@evil.example/a.git",
    "https://example.org\\@evil.example/a.git",
    "https://example.org%40evil.example/a.git",
    "https://example.org#@evil.example/a.git",
    "https://example.org?@evil.example/a.git",
    "https://example.org/a.git?x=1",
    "https://example.org/a.git#main",
    "https:///a.git",
    "https://example.org",
    "https://example.org/",
    "https:example.org/a.git",
    "https:/example.org/a.git",
    "https://example.org:0/a.git",
    "https://example.org:99999/a.git",
    "https://example.org:/a.git",
    "https://example.org:22:33/a.git",
    "https://example.org:x/a.git",
    "https://exa mple.org/a.git",
    "https://example..org/a.git",
    "https://.example.org/a.git",
    "https://example.org-/a.git",
    "https://ex%61mple.org/a.git",
    "https://[::1/a.git",
    "https://[fe80::1%25eth0]/a.git",
    "https://[evil.example]/a.git",
    "https://example.org/../a.git",
    "https://example.org/a/../../b.git",
    "https://example.org/%2e%2e/a.git",
    "https://example.org/a/%2E%2E/b.git",
    "https://example.org/./a.git",
    "https://example.org/%00a.git",
    "https://example.org/%0aa.git",
    "https://example.org/%0d%0aHost:x/a.git",
    "https://example.org/a%252e",
    "https://example.org/-x",
    "https://example.org/$(id)",
    "https://example.org/`id`",
    "https://example.org/a;id",
    "https://example.org/a|id",
    "https://example.org/a&id",
    "https://example.org/a'b",
    'https://example.org/a"b',
    "https://example.org/a<b",
    "https://example.org/a{b}",
    "https://example.org/a*b",
    "https://example.org/a!b",
    "https://example.org/a^b",
    "https://example.org/a\\b",
    "https://ex\u0430mple.org/a.git",
    "https://example\u3002org/a.git",
    "https://\u24d4xample.org/a.git",
    "https://example.org/\u202egit.a",
    "https://example.org/" + "a" * 5000,
    *(
        url
        for sign in ("\0", "\n", "\r", "\t", "\x1b", "\x7f", " ", "\u200b", "\u202e", "\ufeff", "\ud800")
        for url in (f"{sign}https://example.org/a.git", f"https://example.org/a{sign}.git")
    ),
]
GOOD = [
    "https://example.org/a.git",
    "https://example.org/team/sub/app",
    "https://example.org:8443/a.git",
    "https://git.example.org/~user/a.git",
    "https://example.org/a%20b.git",
    "https://203.0.113.7/a.git",
    "https://[2001:db8::1]/a.git",
    "https://xn--mnchen-3ya.example/a.git",
    "ssh://git@example.org/team/app.git",
    "ssh://git@example.org:2222/team/app.git",
    "ssh://example.org/team/app.git",
    "git@example.org:team/app.git",
    "deploy_1@git.example.org:app.git",
]

LOOPBACK = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0x1",
    "0",
    "0.0.0.0",  # noqa: S104 (an attack, not a place to listen)
    "0x0",
    "[::1]",
    "::1",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "127.0.0.1.nip.io",
    "www.127-0-0-1.sslip.io",
    "localtest.me",
    "a.lvh.me",
]
METADATA = [
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "[fe80::a9fe:a9fe]",
    "metadata.google.internal",
    "metadata",
    "instance-data",
    "100.100.100.200",
    "192.0.0.192",
]
PRIVATE = [
    "10.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "192.168.257",
    "100.64.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "intranet",
    "printer.local",
    "db.internal",
    "kubernetes.default.svc.cluster.local",
    "1.2.3.4.5",
    "1.2.3.256",
    "host.0x7f",
    "[fe80::1%25eth0]",
    "",
]
PUBLIC = [
    "example.org",
    "git.example.org.",
    "8.8.8.8",
    "134744072",
    "0x08080808",
    "[2606:4700::1111]",
    "localhost.example.org",
    "internal.example.org",
    "1password.com",
    "xn--mnchen-3ya.example",
    "172.32.0.1",
    "11.0.0.1",
]


def rows(table: list[str]) -> list[ParameterSet]:
    return [pytest.param(text, id=f"{number:03} {ascii(text)[:40]}") for number, text in enumerate(table)]


@pytest.mark.parametrize("url", rows(BAD))
def test_a_hostile_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Refused) as caught:
        check_url(url, ALLOWED)
    assert caught.value.reason is Reason.INVALID_URL
    assert caught.value.next_action
    assert "secret" not in caught.value.sentence


@pytest.mark.parametrize("url", GOOD)
def test_an_honest_url_is_accepted_as_it_is(url: str) -> None:
    assert check_url(url, ALLOWED) == url
    assert host_of(url)


def test_file_and_http_are_accepted_only_where_a_setting_says_so() -> None:
    for url in ("file:///srv/a.git", "http://127.0.0.1:8080/a.git"):
        assert check_url(url, {"file", "http"}) == url
        with pytest.raises(Refused):
            check_url(url, ALLOWED)
    for url in ("file://host/srv/a.git", "file:///srv/../a.git", "file://", "file:///"):
        with pytest.raises(Refused):
            check_url(url, {"file"})


@pytest.mark.parametrize("host", rows([*LOOPBACK, *METADATA, *PRIVATE]))
def test_a_private_host_is_known_in_every_spelling(host: str) -> None:
    assert private_name(host)


@pytest.mark.parametrize("host", PUBLIC)
def test_a_public_host_is_let_through(host: str) -> None:
    assert not private_name(host)


def test_every_spelling_of_an_address_reads_as_that_address() -> None:
    parts = (127, 0, 0, 1)
    spell = (str, hex, lambda n: f"0{n:o}", lambda n: f"0x{n:04X}")
    for ways in itertools.product(spell, repeat=4):
        text = ".".join(way(part) for way, part in zip(ways, parts, strict=True))
        assert read_address(text) == ipaddress.IPv4Address("127.0.0.1"), text
        assert private_name(text)


def test_addresses_that_a_name_resolved_to_are_judged_the_same_way() -> None:
    assert private_address(ipaddress.ip_address("::ffff:10.0.0.1"))
    assert not private_address(ipaddress.ip_address("8.8.8.8"))
    assert read_address("not.an.address") is None
    assert read_address("1.2.3.4.5") is None
    assert read_address("::zz") is None


def test_the_table_is_large_enough() -> None:
    assert len(BAD) + len(GOOD) + len(LOOPBACK) + len(METADATA) + len(PRIVATE) + len(PUBLIC) >= 150
