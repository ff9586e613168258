"""What can be learnt: each task in a file of its own, which registers it by being imported."""

from charrnn.tasks import (  # noqa: F401 - imported for that
    classify,
    forecast,
    generate,
    lm,
    tag,
    translate,
)
