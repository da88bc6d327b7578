"""Versions by ecosystem: which of two bumps stands, and what has no order."""

import pytest

from flowforge.merge.releases import Order, dotted, go, maven, pep440, semver, surely
from flowforge.merge.versions import larger, larger_version, order_of, went_back


@pytest.mark.parametrize(
    ("order", "low", "high"),
    [
        (pep440, "1.0.dev1", "1.0a1"),
        (pep440, "1.0rc1", "1.0"),
        (pep440, "1.9", "1.10"),
        (semver, "1.0.0-beta.2", "1.0.0-beta.11"),
        (semver, "1.0.0-rc.1", "1.0.0"),
        (go, "v0.0.0-20200101000000-abcdef", "v0.0.0-20210101000000-000000"),
        (go, "v1.2.0+incompatible", "v1.10.0+incompatible"),
        (maven, "1.0-alpha1", "1.0-beta1"),
        (maven, "5.0.0.M1", "5.0.0.RC1"),
        (maven, "5.0.0.RC1", "5.0.0.BUILD-SNAPSHOT"),
        (maven, "1.0-SNAPSHOT", "1.0"),
        (maven, "1.0.0.Final", "1.0.1.Final"),
        (maven, "1.9.20.1", "1.9.21"),
        (maven, "1.0-rc1-SNAPSHOT", "1.0-rc1"),
        (dotted, "1.2.3.4", "1.2.4"),
        (dotted, "3.0.0-preview.2", "3.0.0"),
        (surely, "1.2.0.rc1", "1.2.0"),
    ],
)
def test_an_ecosystem_orders_its_versions(order: Order, low: str, high: str) -> None:
    one, two = order(low), order(high)
    assert one is not None
    assert two is not None
    assert one < two


@pytest.mark.parametrize(
    ("order", "version"),
    [
        (pep440, "1.0+local"),
        (pep440, "latest"),
        (semver, "1.0.0+build"),
        (semver, "1.2.3.4"),
        (go, "v1.2.0+else"),
        (maven, "33.0-jre"),
        (maven, "latest.release"),
        (maven, "2.1.+"),
    ],
)
def test_what_has_no_order_is_said_to_have_none(order: Order, version: str) -> None:
    assert order(version) is None


@pytest.mark.parametrize(
    ("base", "one", "two", "kept"),
    [
        ('"^1.0.0"', '"^1.2.0"', '"^1.1.0"', '"^1.2.0"'),
        (">=1.0", ">=1.1", ">=1.2", ">=1.2"),
        ("bell==1.0", "bell==1.1", "bell==1.3", "bell==1.3"),
        ("g:bell:1.0", "g:bell:1.1", "g:bell:1.3", "g:bell:1.3"),
        ('"^1.0.0"', '"~1.2.0"', '"^1.1.0"', None),
        (">=1.0,<2", ">=1.1,<2", ">=1.2,<2", None),
        ("<2.0", "<3.0", "<4.0", None),
        ("1.0.0", "1.1.0", "0.9.0", None),
        ("1", "2", "3", None),
        ("1.0", "1.1", "1.1.0", None),
        ('"5.4.*"', '"5.6.*"', '"5.5.*"', '"5.6.*"'),
        (
            "==1.0; python_version<'3'",
            "==1.2; python_version<'3'",
            "==1.1; python_version<'3'",
            "==1.2; python_version<'3'",
        ),
    ],
)
def test_the_larger_of_two_bumps_stands_where_both_are_written_alike(
    base: str, one: str, two: str, kept: str | None
) -> None:
    assert larger(base, one, two, pep440) == kept
    assert larger(base, two, one, pep440) == kept


@pytest.mark.parametrize(
    ("base", "one", "two", "kept"),
    [
        ("31.0-jre", "31.1-jre", "32.0-jre", "32.0-jre"),
        ("31.0-jre", "31.1-jre", "32.0-android", None),
        ("0.9.1-dock-7", "0.9.1-dock-12", "0.9.1-dock-9", "0.9.1-dock-12"),
        ("120.v00aa11bb22cc", "124.v99ff00ee11dd", "122.vabcdef012345", "124.v99ff00ee11dd"),
        ("120.v00aa11bb22cc", "124.v99ff00ee11dd", "124.vabcdef012345", None),
        ("2.0-alpha-2-SNAPSHOT", "2.0-alpha-3-SNAPSHOT", "2.0-alpha-2", "2.0-alpha-3-SNAPSHOT"),
    ],
)
def test_a_word_that_all_three_have_is_no_part_of_the_order(
    base: str, one: str, two: str, kept: str | None
) -> None:
    assert larger_version(base, one, two, maven) == kept
    assert larger_version(base, two, one, maven) == kept


@pytest.mark.parametrize(
    ("one", "two", "kept"),
    [
        ("1.0.0", "1.2.0", "1.2.0"),
        ("^1.0.0", "~1.2.0", None),
        ("latest", "1.0.0", None),
        ("1.0", "1.0.0", None),
    ],
)
def test_of_a_version_that_both_added_the_larger_stands(one: str, two: str, kept: str | None) -> None:
    assert larger(None, one, two, semver) == kept
    assert larger(None, two, one, semver) == kept


def test_manifests_have_the_order_of_their_ecosystem() -> None:
    paths = {"a/go.mod": go, "package.json": semver, "x/pom.xml": maven, "gradle/libs.versions.toml": maven}
    paths |= {"requirements/dev.txt": pep440, "setup.cfg": pep440, "a/B.csproj": dotted, "Gemfile": surely}
    assert {path: order_of(path) for path in paths} == paths
    assert order_of("a.properties") is None


@pytest.mark.parametrize(
    ("base", "new", "back"),
    [
        ("1.10", "1.9", True),
        ('"^2.0.0"', '"^1.0.0"', True),
        ("1.0", "1.0.1", False),
        ("10", "9", False),
        ("1.0-rc1", "1.0", False),
        ("1.0-SNAPSHOT", "1.0-M1", False),
        ("1.0-rc2", "1.0-rc1", True),
    ],
)
def test_a_version_that_went_back_is_seen(base: str, new: str, back: bool) -> None:
    assert went_back(base, new) is back
