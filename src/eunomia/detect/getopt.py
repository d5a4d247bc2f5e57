"""`getopt(args, 'ab:')`: options that a command was given."""

from __future__ import annotations

import polars as pl


def options(args: list[str], known: str) -> dict[str, str]:
    """The short options among arguments, each with its value, as getopt(3) reads them.

    Args:
        args: what follows the program's name.
        known: the letters, each followed by a colon when it takes a value.
    """
    takes = {letter: known[at + 1 : at + 2] == ":" for at, letter in enumerate(known) if letter != ":"}
    found: dict[str, str] = {}
    rest = iter(args)
    for arg in rest:
        if arg == "--":
            break
        if not arg.startswith("-"):
            continue
        letters = arg[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if takes.get(letter):
                found[letter] = letters or next(rest, "")
                break
            if letter in takes:
                found[letter] = ""
    return found


def getopt(args: pl.Expr, known: str, letter: str | None) -> pl.Expr:
    """The value of one option, or the letters of all that were given. Each list that occurs is read once."""

    def of(one: list[str]) -> str | list[str] | None:
        given = options(one, known)
        return list(given) if letter is None else given.get(letter)

    def look_up(lists: pl.Series) -> pl.Series:
        keys = [None if one is None else tuple(one) for one in lists.to_list()]
        read = {key: of(list(key)) for key in set(keys) if key is not None}
        return pl.Series(lists.name, [None if key is None else read[key] for key in keys], dtype)

    dtype = pl.List(pl.String) if letter is None else pl.String()
    return args.map_batches(look_up, return_dtype=dtype, is_elementwise=True)
