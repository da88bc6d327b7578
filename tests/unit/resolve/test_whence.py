"""Where imports lead: the likeliest path is among the first, and no path leads out of the repository."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.resolve.whence import places


@pytest.mark.parametrize(
    ("source", "path", "wanted"),
    [
        (".globals", "src/flask/app.py", "src/flask/globals"),
        ("..tools.near", "src/a/b/c.py", "src/a/tools/near"),
        (".", "src/a/b.py", "src/a"),
        ("flask.globals", "src/flask/app.py", "src/flask/globals"),
        ("tools", "app.py", "tools"),
        ("pkg.tools", "tests/test_a.py", "src/pkg/tools"),
        ("'./x'", "lib/a.js", "lib/x"),
        ("'../y/z.js'", "lib/a/b.js", "lib/y/z.js"),
        ('"github.com/cli/cli/v2/pkg/httpmock"', "cmd/a.go", "pkg/httpmock"),
        ("org.a.b.C", "m/src/main/java/org/a/z/D.java", "m/src/main/java/org/a/b/C"),
        ("org.a.b.C.inner", "m/src/main/java/org/a/z/D.java", "m/src/main/java/org/a/b/C"),
        ('"util.h"', "src/a.c", "src/util.h"),
        ("<lib/util.h>", "src/a.c", "include/lib/util.h"),
        ("crate::a::b", "src/c.rs", "src/a/b"),
        (r"App\Models\User", "app/Http/A.php", "App/Models/User"),
    ],
)
def test_the_place_is_among_those_that_are_looked_at(source: str, path: str, wanted: str) -> None:
    assert wanted in places(source, path)


@pytest.mark.parametrize(
    "source", ["../../../etc/passwd", "'../../../../x'", "/etc/passwd", "....a", "", "..", "a" + ".a" * 50]
)
def test_nothing_leads_out_of_the_repository(source: str) -> None:
    for place in places(source, "src/a.py"):
        assert not place.startswith(("/", ".."))


@given(st.text(max_size=60), st.text(max_size=40))
def test_any_text_gives_a_few_places(source: str, path: str) -> None:
    found = places(source, path)
    assert len(found) <= 12
    assert len(set(found)) == len(found)
    assert all(place and not place.startswith(("..", "/")) for place in found)
