"""The dashboards as files: which there are, and their text."""

import json
from pathlib import Path

from deploy.grafana.pages import (
    footprint,
    liquidations,
    operations,
    overview,
    positioning,
    profiles,
    quality,
    setups,
)

FOLDER = Path(__file__).parent / "dashboards"
PAGES = (
    overview,
    footprint,
    liquidations,
    positioning,
    profiles,
    setups,
    quality,
    operations,
)


def texts() -> dict[str, str]:
    """Return the text of each file by its name: sorted keys, one value a line."""
    return {
        f"{page.__name__.rpartition('.')[2]}.json": json.dumps(
            page.DASHBOARD, indent=2, sort_keys=True, ensure_ascii=False
        )
        + "\n"
        for page in PAGES
    }
