"""The pipeline that one would write first: one JSON message a trade, a stock Faust agent.

    python -m benchmarks.kafka_naive BOOTSTRAP TOPIC TRADES

It adds every trade to a dict of rows in memory and ends when it has seen all of them, after
writing the seconds from the first to the last. Settings are Faust's own, but for what keeps it
from making topics and serving pages.
"""

import json
import os
import sys
import tempfile
import time


def main() -> None:
    """Run the worker until every trade was seen."""
    bootstrap, topic_name, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    import faust  # noqa: PLC0415  # slow to load, and only for this

    app = faust.App(
        "naive",
        broker=f"kafka://{bootstrap}",
        datadir=tempfile.mkdtemp(prefix="perptape-naive-"),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
    )
    topic = app.topic(topic_name, value_serializer="json")
    rows: dict[tuple[str, str], list[float]] = {}
    seen, began = 0, 0.0

    @app.agent(topic)
    async def trades(stream: object) -> None:
        nonlocal seen, began
        async for trade in stream:  # type: ignore[attr-defined]
            began = began or time.perf_counter()
            cell = rows.setdefault((trade["symbol"], trade["price"]), [0.0, 0.0])
            cell[trade["side"] == "buy"] += float(trade["qty"])
            seen += 1
            if seen == wanted:
                sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}) + "\n")
                sys.stdout.flush()
                os._exit(0)

    worker = faust.Worker(app, loglevel="error", redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
