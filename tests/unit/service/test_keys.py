"""Where keys come from, and which of them opens what."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cirray.errors import ConfigError
from cirray.service import Keys, ServiceError, check_host

READ, WRITE = "read-0123456789abcdef", "write-0123456789abcdef"


def test_each_key_opens_what_is_its_own() -> None:
    keys = Keys.of(READ, WRITE)
    assert [keys.role_of(key) for key in (READ, WRITE, READ + "x", READ[:-1], "", "ä", "\udcff")] == [
        "read",
        "write",
        *[None] * 5,
    ]
    assert Keys.of(write=WRITE).role_of(READ) is None
    assert Keys.of(read=READ).role_of("") is None


def test_keys_do_not_show() -> None:
    keys = Keys.of(READ, WRITE)
    assert READ not in repr(keys) + str(keys)
    assert READ.encode() not in pickle.dumps(keys)
    assert pickle.loads(pickle.dumps(keys)) == keys


def test_they_come_from_the_environment_or_from_files(tmp_path: Path) -> None:
    (tmp_path / "write").write_text(f"{WRITE}\n")
    environment = {"CIRRAY_READ_KEY": READ, "CIRRAY_WRITE_KEY_FILE": str(tmp_path / "write")}
    assert Keys.from_environment(environment) == Keys.of(READ, WRITE)
    assert not Keys.from_environment({"CIRRAY_READ_KEY": "", "CIRRAY_WRITE_KEY_FILE": ""})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CIRRAY_READ_KEY": "short"}, "read key must have at least 16"),
        ({"CIRRAY_WRITE_KEY": "with a space in it, long"}, "write key must have"),
        ({"CIRRAY_READ_KEY": READ, "CIRRAY_WRITE_KEY": READ}, "are the same"),
        ({"CIRRAY_READ_KEY": READ, "CIRRAY_READ_KEY_FILE": "{folder}/a"}, "Both CIRRAY_READ_KEY and"),
        ({"CIRRAY_READ_KEY_FILE": "{folder}/nothing"}, "CIRRAY_READ_KEY_FILE names cannot be read"),
        ({"CIRRAY_READ_KEY_FILE": "{folder}/empty"}, "is empty"),
        ({"CIRRAY_READ_KEY_FILE": "{folder}/binary"}, "no text"),
    ],
)
def test_what_cannot_be_a_key_is_refused(environment: dict[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=message) as raised:
        Keys.from_environment({name: value.format(folder=tmp_path) for name, value in environment.items()})
    assert READ not in str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_on_loopback_no_keys_are_needed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIRRAY_READ_KEY", raising=False)
    check_host(host, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "search.example.org", "::ffff:192.0.2.1"])
def test_elsewhere_they_are_unless_it_is_said_that_something_in_front_checks(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CIRRAY_READ_KEY", "CIRRAY_WRITE_KEY", "CIRRAY_READ_KEY_FILE", "CIRRAY_WRITE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ServiceError, match=r"CIRRAY_READ_KEY.*open_to=everyone"):
        check_host(host, {})
    check_host(host, {"open_to": "everyone"})
    monkeypatch.setenv("CIRRAY_WRITE_KEY", WRITE)
    check_host(host, {})
