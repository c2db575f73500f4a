"""Every stack file with a Prometheus, on a real API server. Minutes.

Without one, and with the one that a file names, it is in test_rehearsals.py.
"""

import pytest
from recording import STACKS, prometheuses, stack_config
from staged import Rehearse

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("stack", STACKS)
def test_monitors_and_alerts_of_a_stack_file_are_taken(stack: str, rehearse: Rehearse) -> None:
    """What is installed is taken for what is there, since charts need their registry."""
    blocks = {key.removeprefix("llm-d:"): one for key, one in stack_config(stack).items()}

    shown = rehearse({**blocks, "monitoring": {"prometheus": next(prometheuses(stack))}})

    assert shown.well, shown.said
    for told in ("PodMonitor ", "ServiceMonitor ", "PrometheusRule 1"):
        assert told in shown.said
