"""The names whose reading is reported: what is refused, and that each stands where it is looked for."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eunomia.errors import UsageError
from eunomia.trackers import registry
from eunomia.trackers.files.reads import place, table

NAMES = st.sets(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=15), max_size=256)


@given(NAMES)
def test_each_name_stands_where_it_is_looked_for(names: set[str]) -> None:
    made = table(names)
    numbers = struct.unpack("<256H", made["read_numbers"])
    entries = [made["read_names"][at : at + 64] for at in range(0, 512 * 64, 64)]
    padded = [name.encode().ljust(64, b"\0") for name in names]
    assert [entries[place(one, numbers)] for one in padded] == padded
    assert entries.count(bytes(64)) == 512 - len(names)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reads_of": "shadow"}, "--reads-of is of use with --events only"),
        ({"reads": False}, "--no-reads is of use with --events only"),
        ({"events": True, "reads_of": "/etc/shadow"}, "the name alone is expected: shadow"),
        ({"events": True, "reads_of": "x" * 64}, "names have 63 bytes at most"),
        ({"events": True, "reads_of": "shadow", "reads": False}, "--reads and --reads-of do not go together"),
    ],
)
def test_what_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        registry.get("files").settle(options)


def test_too_many() -> None:
    files = registry.get("files")
    options = files.settle({"events": True, "reads_of": [f"name{number}" for number in range(257)]})
    with pytest.raises(UsageError, match="256 names at most, not 257"):
        files.constants(options)
