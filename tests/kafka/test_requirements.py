"""What a broker needs is found and compared, and where it is missing the reason is told."""

import hashlib
import threading
from pathlib import Path

import pytest

from deploy.kafka.errors import KafkaUnavailable, LibraryError
from deploy.kafka.folder import Folder, new_cluster_id
from deploy.kafka.java import find_java
from deploy.kafka.libraries import CHECKSUMS, provide, verify
from deploy.kafka.ports import free_ports, is_free
from deploy.kafka.properties import Security
from runtime.errors import ConfigurationError
from tests.kafka.broker import without_kafka

JARS = {"kafka.jar": b"kafka", "scala.jar": b"scala"}
LISTED = "".join(
    f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in JARS.items()
)


def copy(folder: Path) -> None:
    for name, content in JARS.items():
        (folder / name).write_bytes(content)


def test_without_java_the_reason_is_told() -> None:
    with pytest.raises(KafkaUnavailable, match=r"^Java 17 or later not found$"):
        find_java({}, packages=())


def test_a_java_that_is_too_old_is_named(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("""#!/bin/sh\necho 'openjdk version "11.0.2" 2019-01-15' >&2\n""")
    java.chmod(0o755)
    with pytest.raises(KafkaUnavailable, match="JAVA_HOME has 11"):
        find_java({"JAVA_HOME": str(tmp_path)}, packages=())


def test_a_skip_names_the_reason_and_the_way_out() -> None:
    with pytest.raises(
        pytest.skip.Exception, match=r"no Kafka: Java 17 .*PERPTAPE_TEST_KAFKA=host"
    ):
        without_kafka("Java 17 or later not found", required=False)


def test_a_skip_is_a_failure_where_kafka_is_required() -> None:
    with pytest.raises(pytest.fail.Exception, match="no Kafka: Java 17 or later not found"):
        without_kafka("Java 17 or later not found", required=True)


def test_the_listed_jars_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = provide(tmp_path / "libs", LISTED, copy)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == JARS


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("kafka.jar", b"another", r"kafka\.jar differs"),
        ("kafka.jar", None, r"kafka\.jar is missing"),
        ("more.jar", b"more", r"more\.jar is extra"),
    ],
)
def test_a_jar_that_is_not_as_listed_is_named(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    copy(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(LibraryError, match=complaint) as refused:
        verify(tmp_path, LISTED)
    assert "\n" not in str(refused.value)


def test_jars_that_are_not_as_listed_are_not_put_in_place(tmp_path: Path) -> None:
    with pytest.raises(LibraryError):
        provide(tmp_path / "libs", LISTED, lambda folder: None)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_jars_of_another_version_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "libs"
    folder.mkdir()
    (folder / "kafka-3.jar").write_bytes(b"old")
    provide(folder, LISTED, copy)
    verify(folder, LISTED)


def test_jars_are_fetched_once_by_those_who_ask_at_once(tmp_path: Path) -> None:
    fetches: list[Path] = []

    def slow_copy(folder: Path) -> None:
        fetches.append(folder)
        copy(folder)

    askers = [
        threading.Thread(target=provide, args=(tmp_path / "libs", LISTED, slow_copy))
        for _ in range(4)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(fetches) == 1


def test_the_committed_list_is_of_the_broker_that_the_readme_names() -> None:
    assert "  kafka_2.13-4.3.1.jar\n" in CHECKSUMS.read_text()
    assert "4.3.1" in (CHECKSUMS.parent / "README.md").read_text()


def test_data_of_a_cluster_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 3)
    identity = folder.open()
    folder.close()
    with pytest.raises(ConfigurationError, match="has the data of a cluster of 3, not of 1"):
        Folder(tmp_path, 1).open()
    assert folder.open() == identity
    folder.close()


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    identities = {new_cluster_id() for _ in range(500)}
    assert {len(identity) for identity in identities} == {22}
    assert not any(identity.startswith("-") for identity in identities)


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(9)
    assert len(set(ports)) == 9
    assert all(is_free(port) for port in ports)


@pytest.mark.parametrize("secret", ['a"b', "a b", "a]", ""])
def test_a_secret_that_a_properties_file_would_misread_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="letters, digits"):
        Security(sasl=("user", secret))
