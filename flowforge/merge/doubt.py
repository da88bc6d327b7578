"""Why the engine gives no text. Raised inside the room, turned into `Abstain` at its edge."""

from flowforge.core.conflict import Abstain


class Doubt(Exception):
    """A typed word and one plain sentence."""

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why
        self.sentence = sentence

    def abstain(self) -> Abstain:
        return Abstain(why=self.why, sentence=self.sentence)
