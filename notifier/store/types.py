"""Column types that mean the same on SQLite and PostgreSQL."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import BigInteger, DateTime, Dialect, Integer
from sqlalchemy.types import TypeDecorator, UserDefinedType

#: Identity columns: SQLite only counts up a plain INTEGER PRIMARY KEY.
Id = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware instant, UTC inside and out. Refuses naive values, since SQLite would drop a zone in silence."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Called for every value: this, and not `process_bind_param`, which would be a second call around it."""
        keeps_zone = dialect.name != "sqlite"
        inner = self.impl_instance.bind_processor(dialect)

        def bind(value: datetime | None) -> Any:
            if value is None:
                return None
            if value.tzinfo is None:
                raise ValueError("an instant must carry its zone; got a naive datetime")
            if value.tzinfo is not UTC:
                value = value.astimezone(UTC)
            if not keeps_zone:
                value = value.replace(tzinfo=None)
            return inner(value) if inner is not None else value

        return bind

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Called for every value, as above. PostgreSQL gives instants of our connections in UTC (`engine.py`)."""
        if dialect.name == "postgresql":
            return None
        inner = self.impl_instance.result_processor(dialect, coltype)

        def read(value: Any) -> datetime | None:
            if value is None:
                return None
            found = cast(datetime, inner(value) if inner is not None else value)
            if found.tzinfo is UTC:
                return found
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

        return read


class Ids(UserDefinedType[list[int]]):
    """Many ids as one parameter: an array, or JSON on SQLite. PostgreSQL's driver would look at each of them."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: object) -> str:
        return "BIGINT[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        if dialect.name == "sqlite":
            return lambda ids: json.dumps(list(ids))
        return lambda ids: "{" + ",".join(["NULL" if one is None else str(one) for one in ids]) + "}"


class Words(UserDefinedType[list[str]]):
    """Many words as one parameter: an array, or JSON on SQLite. Written out here, as the ids are."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: object) -> str:
        return "TEXT[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        if dialect.name == "sqlite":
            return lambda words: json.dumps(list(words))
        return _array


class Documents(UserDefinedType[list[Any]]):
    """Many JSON documents as one parameter; on PostgreSQL only."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: object) -> str:
        return "JSON[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        return lambda documents: _array(map(json.dumps, documents))


def _array(words: Iterable[str | None]) -> str:
    """An array of PostgreSQL as it is written: what stands in quotes means itself, but for these two signs."""
    return "{" + ",".join(["NULL" if one is None else f'"{_escaped(one)}"' for one in words]) + "}"


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')
