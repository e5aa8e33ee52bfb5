"""What a command was found to do, on its way to the refusal."""


class Found(Exception):
    """`pattern` names what is refused, `part` is where in the command it stands."""

    def __init__(self, pattern: str, part: str) -> None:
        super().__init__(pattern)
        self.pattern = pattern
        self.part = part
