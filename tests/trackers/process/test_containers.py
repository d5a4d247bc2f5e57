"""Every exec and exit in real containers, once, with the right container: against a ground truth of our own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import polars as pl
import pytest

from tests.collect import collecting
from tests.dockerd import DockerDaemon

CONTAINERS = 200
EXECS = 99  # and the shell itself: 100 a container, 20,000 in all
# A quarter of the containers does next to nothing: they live well under 50 ms from first to last instruction.
SHORT = 4

_LOOP = "i=0; while [ $i -lt {count} ]; do /bin/busybox true {name} $i; i=$((i+1)); done; exit {code}"


def _work(number: int) -> tuple[str, int]:
    """A container's script and how many execs it makes."""
    count = 3 if number % SHORT == 0 else EXECS + (EXECS - 3) // (SHORT - 1) + (number % SHORT == 1)
    return _LOOP.format(count=count, name=f"c{number}", code=number), count + 1


@pytest.mark.kernel
@pytest.mark.docker
def test_twenty_thousand_execs_in_two_hundred_containers(dockerd: DockerDaemon, nothing_left: None) -> None:
    work = [_work(number) for number in range(CONTAINERS)]
    assert sum(execs for _, execs in work) >= 20_000

    with collecting(docker_host=dockerd.host) as run:

        def start(number: int) -> str:
            return dockerd.launch(f"burst{number}", "/bin/sh", "-c", work[number][0], network="host")

        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(start, range(CONTAINERS)))
        for number in range(CONTAINERS):
            assert dockerd.api("POST", f"/containers/burst{number}/wait")["StatusCode"] == number
        sleep(0.1)
    dockerd.remove(*ids)

    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.summary.emitted == run.summary.delivered + run.summary.filtered
    short_ids = {identifier[:12]: number for number, identifier in enumerate(ids)}
    events = run.events.filter(pl.col("container_id").is_in(list(short_ids)))  # the machine may have others

    execs = events.filter(event="exec").filter(pl.col("args").list.get(1, null_on_oob=True) == "true")
    truth = {
        (f"burst{number}", ids[number][:12], f"c{number}", str(index))
        for number in range(CONTAINERS)
        for index in range(work[number][1] - 1)
    }
    seen = [
        (name, container, *args[2:])
        for name, container, args in execs.select("container_name", "container_id", "args").iter_rows()
    ]
    assert len(seen) == len(truth)
    assert set(seen) == truth

    # Each of those ended once, with code 0, in the same container; each container's shell with the container's number.
    # Process ids come round again, but not within one of these containers.
    exits = events.filter(event="exit")
    ended = execs.join(exits, on=("pid", "container_id"), suffix="_at_exit")
    assert ended.height == execs.height
    assert ended["exit_code_at_exit"].unique().to_list() == [0]
    assert (ended["duration_at_exit"] > 0).all()
    shells = events.filter(event="exec").filter(pl.col("args").list.get(0) == "/bin/sh")
    codes = shells.join(exits, on=("pid", "container_id"), suffix="_at_exit")
    seen_codes = codes.select("container_id", "exit_code_at_exit").rows()
    assert sorted(seen_codes) == sorted((container, number % 256) for container, number in short_ids.items())

    # The short ones really were short: from the first exec of the container's own program to its end.
    lived = codes.select("container_id", lived=pl.col("time_at_exit") - pl.col("time"))
    short = [container for container, number in short_ids.items() if number % SHORT == 0]
    assert lived.filter(pl.col("container_id").is_in(short), pl.col("lived") < pl.duration(milliseconds=50)).height > 0
