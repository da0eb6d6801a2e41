"""What `annealed.evaluate --estimator ais` is asked for."""

from dataclasses import asdict, dataclass, field, fields

from annealed.inference.tempering import AnnealingOptions

STARTS = ("posterior", "prior")


@dataclass(frozen=True)
class AnnealedScoreOptions:
    """What is scored and how. Raises ValueError for numbers and names that are not accepted.

    `start` is where chains begin: near the row's q(z | x), or N(0, I). `images` of the split are
    scored, as of `Images.part`, and `simulated` images that the model draws.
    """

    size: AnnealingOptions = field(default_factory=AnnealingOptions)
    start: str = "posterior"
    images: int = 200
    simulated: int = 50

    def __post_init__(self):
        if self.start not in STARTS:
            raise ValueError(f"start is {self.start!r}; accepted: {', '.join(STARTS)}")
        for name, least in (("images", 1), ("simulated", 0)):
            if getattr(self, name) < least:
                value = getattr(self, name)
                raise ValueError(f"{name} is {value}; accepted: a whole number from {least}")

    @classmethod
    def of(cls, **values) -> "AnnealedScoreOptions":
        """Options with `values`, those of a chain and those of the scoring alike, by name."""
        sizes = {f.name: values.pop(f.name) for f in fields(AnnealingOptions) if f.name in values}
        return cls(AnnealingOptions(**sizes), **values)

    @property
    def name(self) -> str:
        """The file that the result goes to."""
        return f"evaluation_ais_C{self.size.chains}_T{self.size.temperatures}.json"

    def to_dict(self) -> dict:
        """All values by name."""
        values = asdict(self)
        return values.pop("size") | values
