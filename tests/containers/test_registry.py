"""Which container a cgroup belongs to, as cgroups come and go and names come late."""

from __future__ import annotations

import pytest

from eunomia.containers import registry
from eunomia.containers.container import Container
from eunomia.containers.names import RETRY_S
from eunomia.containers.registry import HOST_ID
from tests.containers.runtime import A, B, Host, path


@pytest.fixture
def host() -> Host:
    return Host()


def found(host: Host, cgroup_id: int) -> Container:
    container = host.containers.of_cgroup(cgroup_id)
    assert isinstance(container, Container)
    return container


def test_container_and_host(host: Host) -> None:
    container = host.containers.add(7, path(A))
    assert container is not None
    assert (container.id, container.short_id, container.ref.runtime) == (A, "a" * 12, "docker")
    assert host.containers.add(8, "/user.slice") is None
    assert host.containers.of_cgroup(7) is container
    assert host.containers.of_cgroup(8) == HOST_ID
    assert host.looked_up == []
    assert list(host.containers) == [container]
    assert host.containers.by_id(A) is container
    assert host.containers.by_id(B) is None


def test_cgroups_of_one_container(host: Host) -> None:
    container = host.containers.add(7, path(A))
    assert container is not None
    assert host.containers.add(8, path(A, "/init.scope")) is container
    assert container.cgroups == {7, 8}
    assert host.names.asked == [A], "asked once"
    host.containers.remove(7)
    assert container.cgroups == {8}
    assert host.containers.known(7) is container, "of one that is gone, too"
    assert host.containers.known(9) is None


def test_container_inside_a_container(host: Host) -> None:
    inner = host.containers.add(7, path(A, path(B)))
    assert inner is not None
    assert inner.id == B
    assert inner.outer is not None
    assert inner.outer.id == A
    assert [one.id for one in inner.around()] == [B, A]
    assert host.names.asked == [A], "the host's runtime knows nothing of the inner one"
    assert inner.answered
    assert host.containers.add(8, path(A)) is inner.outer


def test_a_name_borrowed_inside_another_container(host: Host) -> None:
    victim = host.containers.add(7, path(B))
    attacker = host.containers.add(8, path(A))
    assert host.containers.add(9, path(A, path(B))) is attacker, "not the container whose id it borrows"
    assert host.containers.of_cgroup(7) is victim


def test_an_id_that_was_used_inside_another_container_first(host: Host) -> None:
    inner = host.containers.add(9, path(A, path(B)))
    real = host.containers.add(7, path(B))
    assert real is not inner
    assert real is not None
    assert real.outer is None
    assert host.names.asked == [A, B]


def test_one_that_was_never_announced(host: Host) -> None:
    host.unannounced = {7: path(A), 8: "/system.slice"}
    for cgroup_id in (7, 8):
        looked_up = host.containers.look_up(cgroup_id)
        assert looked_up is not None
        host.containers.add(cgroup_id, looked_up)
    assert found(host, 7).id == A
    assert host.containers.of_cgroup(8) == HOST_ID
    assert host.containers.look_up(7) is None, "it is known by now"
    assert host.looked_up == [7, 8], "looked up once"


def test_one_that_nobody_knows(host: Host) -> None:
    assert host.containers.look_up(7) is None
    assert host.containers.of_cgroup(7) is None
    host.unannounced[7] = path(A)
    assert host.containers.look_up(7) == path(A), "it may be known later"


def test_names(host: Host) -> None:
    container = host.containers.add(7, path(A))
    assert container is not None
    assert (container.name, container.answered, host.containers.waiting) == (None, False, True)
    host.names.say(A, "web")
    assert host.containers.take_answers() == [container]
    assert (container.name, container.image, container.state) == ("web", "image:1", "running")
    assert (container.answered, host.containers.waiting) == (True, False)
    assert host.containers.take_answers() == []


def test_a_runtime_that_knows_nothing(host: Host) -> None:
    container = host.containers.add(7, path(A))
    host.answer(A, None)
    assert container is not None
    assert (container.name, container.answered, host.containers.waiting) == (None, True, False)
    host.clock.now_s += 10 * RETRY_S
    host.containers.of_cgroup(7)
    assert host.names.asked == [A], "that was an answer: it is not asked again"


def test_a_container_without_a_name(host: Host) -> None:
    host.containers.add(7, path(A))
    host.answer(A, "")
    assert found(host, 7).name is None


def test_a_name_is_kept_until_there_is_another(host: Host) -> None:
    host.containers.add(7, path(A))
    for said, name in (("web", "web"), ("", "web"), ("other", "other"), (None, "other")):
        host.answer(A, said)
        assert found(host, 7).name == name


def test_whoever_listens_is_told(host: Host) -> None:
    host.containers.add(7, path(A))
    heard: list[tuple[str, str, str | None]] = []
    host.containers.listen(lambda kind, container: heard.append((kind, container.id, container.name)))
    host.containers.add(8, path(B))
    host.containers.add(9, path(B, "/init"))
    host.answer(B, "web")
    host.answer(B, "web")
    host.answer(B, "other")
    for cgroup_id in (8, 9, 9):
        host.containers.remove(cgroup_id)
    assert heard == [
        ("found", A, None),
        ("started", B, None),
        ("named", B, "web"),
        ("renamed", B, "other"),
        ("stopped", B, "other"),
    ]


def test_a_runtime_that_is_down_is_asked_again(host: Host) -> None:
    container = host.containers.add(7, path(A))
    assert container is not None
    host.answer(A, None, reached=False)
    assert (container.answered, host.containers.waiting) == (False, False)
    host.clock.now_s += RETRY_S - 0.01
    host.containers.of_cgroup(7)
    assert host.names.asked == [A]
    host.clock.now_s += 0.02
    for _ in range(3):
        host.containers.of_cgroup(7)
    assert host.names.asked == [A, A]
    assert host.containers.waiting
    host.answer(A, "web")
    assert found(host, 7).name == "web"


def test_an_answer_about_nobody(host: Host) -> None:
    host.containers.add(7, path(A))
    host.names.say(B, "x")
    assert host.containers.take_answers() == []


def test_the_dead_are_remembered(host: Host) -> None:
    host.containers.add(7, path(A))
    host.containers.remove(7)
    assert found(host, 7).id == A, "events of it are still under way"
    assert host.containers.by_id(A) is not None


def test_the_dead_are_forgotten_in_the_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REMEMBERED", 3)
    host.containers.add(7, path(A))
    host.containers.add(8, path(B))
    host.containers.add(9, path(B, "/init"))
    for gone in (7, 8):
        host.containers.remove(gone)
    for number in range(100, 103):
        host.containers.add(number, "/user.slice")
        host.containers.remove(number)
    assert host.containers.by_id(A) is None
    assert host.containers.of_cgroup(7) is None
    assert host.containers.by_id(B) is not None, "a cgroup of it is still there"
    assert found(host, 9).id == B
    for cgroup_id in (9, *range(200, 203)):
        host.containers.remove(cgroup_id)
    assert host.containers.by_id(B) is None


def test_removing_what_nobody_knows(host: Host) -> None:
    host.containers.remove(4711)
    assert host.containers.of_cgroup(4711) is None
