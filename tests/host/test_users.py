"""User names and numbers."""

import pytest

from eunomia.errors import UsageError
from eunomia.host.users import uid_of


def test_names_and_numbers() -> None:
    assert uid_of("root") == 0
    assert uid_of("0") == 0
    assert uid_of("4294967294") == 4294967294


@pytest.mark.parametrize("wrong", ["4294967295", "99999999999999999999"])
def test_numbers_no_user_has(wrong: str) -> None:
    with pytest.raises(UsageError, match="is not a uid"):
        uid_of(wrong)


def test_nearest_name_is_offered() -> None:
    with pytest.raises(UsageError, match="did you mean root"):
        uid_of("rooot")


@pytest.mark.parametrize("wrong", ["", "-1", "no\0body", "²", "qqqqqqqqqqqqqqqq"])
def test_unknown_names(wrong: str) -> None:
    with pytest.raises(UsageError, match="no user is called"):
        uid_of(wrong)
