"""The engine as one of the users of deploy/clickhouse/users.xml.

The embedded engine knows nobody but its user `default`, which here is given profile, quota and
grants of another. It does not read what a server's own configuration says of constraints, so that
`changeable_in_readonly`, which only ever allows more, is left out.
"""

from pathlib import Path
from xml.etree import ElementTree

import clickhouse_connect

from sinks.clickhouse.client import Store
from tests.deploy.stack import ROOT

USERS = ROOT / "deploy/clickhouse/users.xml"


def opened_as(name: str, folder: Path) -> Store:
    """Open the store in a folder with the rights of a user."""
    config, users = folder / f"{name}.xml", folder / f"{name}-users.xml"
    config.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
    users.write_bytes(_users(name))
    path = folder / "store"
    path.mkdir(exist_ok=True)
    client = clickhouse_connect.get_client(
        interface="chdb", path=f"{path}?config-file={config}", tz_mode="aware"
    )
    return Store(client, path)


def _users(name: str) -> bytes:
    root = ElementTree.parse(USERS).getroot()  # noqa: S314  # our own file
    users = root.find("users")
    assert users is not None
    user = users.find(name)
    assert user is not None
    for one in list(users):
        users.remove(one)
    for tag in ("password", "networks"):
        user.remove(next(user.iterfind(tag)))
    user.tag = "default"
    ElementTree.SubElement(user, "no_password")
    networks = ElementTree.SubElement(user, "networks")
    ElementTree.SubElement(networks, "ip").text = "::/0"
    users.append(user)
    for kind in ("profiles", "quotas"):
        ElementTree.SubElement(next(root.iterfind(kind)), "default")
    reader = next(root.iterfind("profiles/reader"))
    reader.remove(next(reader.iterfind("constraints")))
    return ElementTree.tostring(root)
