"""Which language a path is in, by the globs that the languages registered."""

from collections.abc import Mapping

import pathspec

from flowforge.hooks.contracts import Language


def language_of(path: str, languages: Mapping[str, Language]) -> str:
    """The id of the language whose glob fits; of several the one with the longest glob; "" where none does."""
    fitting = [
        (len(glob), language.id)
        for language in languages.values()
        for glob in language.globs
        if pathspec.GitIgnoreSpec.from_lines([glob]).match_file(path)
    ]
    return max(fitting, default=(0, ""))[1]
