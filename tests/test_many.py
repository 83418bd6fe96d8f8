"""Many rows in one statement: each with values of its own, and the statement built once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.exc import DataError

from notifier.store import many
from notifier.store.bulk import none_of, one_of
from notifier.store.engine import writing
from notifier.store.tables import cap_use, cursor, delivery

NOON = datetime(2026, 7, 1, 5, 0, tzinfo=UTC)


def _held(connection: Connection) -> list[tuple[str, datetime | None, str | None]]:
    query = select(cursor.c.name, cursor.c.at, cursor.c.text).order_by(cursor.c.name)
    return [(name, at, text) for name, at, text in connection.execute(query)]


def test_rows_get_values_of_their_own_and_those_they_share(engine: Engine) -> None:
    later = NOON + timedelta(hours=1)
    with writing(engine) as connection:
        many.insert_each(connection, cursor, [{"name": name, "at": NOON, "text": name.upper()} for name in "abc"])
        rows = [{"name": "a", "text": "one"}, {"name": "c", "text": None}]
        many.update_each(connection, cursor, rows, key="name", same={"at": later})
        assert _held(connection) == [("a", later, "one"), ("b", NOON, "B"), ("c", later, None)]


def test_what_all_rows_share_is_written_to_each(engine: Engine) -> None:
    with writing(engine) as connection:
        many.insert_each(connection, cursor, [{"name": name, "at": NOON, "text": name} for name in "ab"])
        many.update_each(connection, cursor, [{"name": name, "at": None, "text": "same"} for name in "ab"], key="name")
        assert _held(connection) == [("a", None, "same"), ("b", None, "same")]


def test_a_row_alone_is_written_like_many(engine: Engine) -> None:
    with writing(engine) as connection:
        many.insert_each(connection, cursor, [{"name": "a", "at": NOON, "text": None}])
        many.update_each(connection, cursor, [{"name": "a", "text": "x"}], key="name")
        many.replace_each(connection, cursor, [{"name": "a", "at": None, "text": "y"}], "name")
        assert _held(connection) == [("a", None, "y")]


def test_nothing_asks_the_database_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        many.insert_each(connection, cursor, [])
        many.update_each(connection, cursor, [], key="name")
        many.replace_each(connection, cursor, [], "name")
        assert many.insert_once_each(connection, cursor, [], cursor.c.name) == set()
        assert many.next_ids(connection, delivery, 0) == []


def test_of_rows_with_one_key_the_first_is_added(engine: Engine) -> None:
    day = NOON.date()
    rows = [{"party_id": 1, "day": day, "number": number, "notification_id": key} for number, key in [(1, 7), (1, 8)]]
    with writing(engine) as connection:
        assert many.insert_once_each(connection, cap_use, rows, cap_use.c.notification_id) == {7}
        assert many.insert_once_each(connection, cap_use, rows, cap_use.c.notification_id) == set()


def test_a_key_that_is_taken_gets_the_new_values(engine: Engine) -> None:
    with writing(engine) as connection:
        many.insert_each(connection, cursor, [{"name": "a", "at": NOON, "text": "old"}])
        rows = [{"name": name, "at": NOON, "text": f"new {name}"} for name in "ba"]
        many.replace_each(connection, cursor, rows, "name")
        assert _held(connection) == [("a", NOON, "new a"), ("b", NOON, "new b")]


def test_ids_to_come_are_given_once(engine: Engine) -> None:
    with writing(engine) as connection:
        ids = many.next_ids(connection, delivery, 300)
        assert ids == sorted(set(ids)) and len(ids) == 300
        if engine.dialect.name == "postgresql":
            assert not set(ids) & set(many.next_ids(connection, delivery, 300))


def test_a_word_too_long_for_its_column_is_refused_not_cut(postgres_engine: Engine) -> None:
    for texts in (["x" * 201, "y" * 201], ["x" * 201] * 2):
        with pytest.raises(DataError), writing(postgres_engine) as connection:
            many.insert_each(connection, cursor, [{"name": text, "at": None, "text": None} for text in texts])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), min_size=2, max_size=6))
def test_any_words_are_kept_as_they_are(postgres_engine: Engine, words: list[str]) -> None:
    """The arrays are written out by hand: quotes, strokes, braces, NULL, a comma, nothing."""
    words = [*words, "NULL", "", '{"a": "\\\\"}', "a,b"]
    with writing(postgres_engine) as connection:
        connection.execute(delete(cursor))
        rows = [{"name": str(key), "at": None, "text": one} for key, one in enumerate(words)]
        many.insert_each(connection, cursor, rows)
        held = {row.name: row.text for row in connection.execute(select(cursor))}
    assert [held[str(key)] for key in range(len(words))] == words


def test_rows_of_one_sort_share_a_statement(postgres_engine: Engine) -> None:
    built = many._update_all.cache_info
    with writing(postgres_engine) as connection:
        for text in "ab":
            rows = [{"name": name, "at": NOON, "text": f"{text}{name}"} for name in "ab"]
            many.update_each(connection, cursor, rows, key="name", same={"at": NOON})
            if text == "a":
                first = built().misses
    assert built().misses == first


def test_a_statement_kept_asks_for_any_words_or_numbers(engine: Engine) -> None:
    by_name = select(cursor.c.name).where(one_of(cursor.c.name, "names")).order_by(cursor.c.name)
    by_party = select(cap_use.c.notification_id).where(one_of(cap_use.c.party_id)).order_by(cap_use.c.party_id)
    with writing(engine) as connection:
        names = ["a", "b", 'quoted "and", {braced}']
        many.insert_each(connection, cursor, [{"name": name, "at": None, "text": None} for name in names])
        uses = [{"party_id": key, "day": NOON.date(), "number": 0, "notification_id": key * 10} for key in range(1, 5)]
        many.insert_each(connection, cap_use, uses)
        for wanted in (names[1:], ["a"], [], ["missing"]):
            found = connection.execute(by_name, {"names": wanted}).scalars().all()
            assert found == [name for name in names if name in wanted]
        for keys in ([1, 3], {2}, [], [9]):
            assert connection.execute(by_party, {"ids": keys}).scalars().all() == [key * 10 for key in keys if key < 5]


def test_a_statement_kept_uses_the_index_on_sqlite(sqlite_engine: Engine) -> None:
    by_party = select(cap_use.c.notification_id).where(one_of(cap_use.c.party_id))
    text = str(by_party.compile(sqlite_engine))
    with writing(sqlite_engine) as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("[1, 2]",)).all()
    assert any("SEARCH cap_use USING INDEX" in str(row) for row in plan), plan


def test_what_is_in_hand_is_left_out(engine: Engine) -> None:
    others = select(cursor.c.name).where(none_of(cursor.c.name, "names")).order_by(cursor.c.name)
    with writing(engine) as connection:
        many.insert_each(connection, cursor, [{"name": name, "at": None, "text": None} for name in "abc"])
        assert connection.execute(others, {"names": ["b"]}).scalars().all() == ["a", "c"]
        assert connection.execute(others, {"names": []}).scalars().all() == ["a", "b", "c"]
