"""The server of docker-compose.yml has a disk for backups, and a user who may make them."""

import re

from sinks.clickhouse.backup import DISK, LOOKED_AT
from tests.deploy.stack import ROOT, load

CONFIG = (ROOT / "deploy/clickhouse/config.xml").read_text()
USERS = (ROOT / "deploy/clickhouse/users.xml").read_text()


def test_the_disk_of_backups_is_there_allowed_and_on_a_volume() -> None:
    disk = re.search(rf"<{DISK}>\s*<type>local</type>\s*<path>(.+)/</path>\s*</{DISK}>", CONFIG)
    mounted = [one.split(":")[1] for one in load().services["clickhouse"]["volumes"]]

    assert disk is not None
    assert f"<allowed_disk>{DISK}</allowed_disk>" in CONFIG
    assert any(disk[1].startswith(f"{place}/") for place in mounted)


def test_admin_may_make_backups_and_look_at_them() -> None:
    admin = USERS[USERS.index("<admin>") : USERS.index("</admin>")]
    rights = {
        (right.strip(), place)
        for words, place in re.findall(r"GRANT (.+) ON (\S+)</query>", admin)
        for right in words.split(",")
    }

    needed = ("BACKUP", "CREATE DATABASE", "CREATE TABLE", "CREATE VIEW", "INSERT", "SELECT")
    assert {(one, "perptape.*") for one in needed} <= rights
    assert ("SELECT", LOOKED_AT) in rights
