"""The one way in which anything here fails."""


class Missing(Exception):  # noqa: N818 - reads as what it means: `except Missing`
    """Something needed is not there: what, why, the last words of whoever tried, the way out."""

    def __init__(self, what: str, why: str, *, way_out: str, said: str = "") -> None:
        self.what = what
        self.why = why
        self.way_out = way_out
        self.said = said
        quoted = "".join(f"\n  | {line}" for line in said.splitlines())
        super().__init__(f"{what}: {why}{quoted}\n  way out: {way_out}")
