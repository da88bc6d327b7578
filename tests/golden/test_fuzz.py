import secrets

from tests.golden.fuzz import search


def test_mutated_triples_end_in_an_answer_that_fits_or_in_none() -> None:
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    answered, wrong = search(200, seed)
    assert wrong == []
    assert answered > 0
