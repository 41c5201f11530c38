"""What holds for every test: none depends on how fast a shared machine is at the moment."""

from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

KAFKA = Path(__file__).parent / "kafka"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of a file to one worker, and all of Kafka: they share what they start."""
    for item in items:
        group = KAFKA if item.path.is_relative_to(KAFKA) else item.path
        item.add_marker(pytest.mark.xdist_group(group.name))
