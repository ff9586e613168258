"""The tasks: each is a file of its own, which registers its task when it is imported."""

from charrnn.tasks import (  # noqa: F401 - imported to register them
    classify,
    forecast,
    generate,
    lm,
    tag,
    translate,
)
