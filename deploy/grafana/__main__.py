"""`python -m deploy.grafana`: write every dashboard as Grafana reads it."""

from deploy.grafana.files import FOLDER, texts


def main() -> None:
    """Write what differs from what is there."""
    for name, text in texts().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
