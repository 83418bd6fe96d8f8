"""Import of permits from CSV, with every check, against COPY of the same file as it is."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import Bench, Figure, Sample, interleave, limits, servers
from benchmarks.register import DAY, MORNING
from notifier.intake.columns import COLUMNS, Kind
from notifier.intake.importer import import_files
from notifier.intake.sample import ATTRIBUTES, write_sample
from notifier.store import tables as t
from notifier.store.engine import open_engine, writing

#: Permits of one run; a quick run takes 2,000.
PERMITS = 20_000


def figures(bench: Bench) -> list[Figure]:
    """Rows a second of permits.csv, the register otherwise filled, and the ratio to COPY."""
    count = 2_000 if bench.quick else PERMITS
    folder = bench.folder / "import"
    write_sample(folder, count, on=DAY)
    with servers.postgres() as server:
        url = servers.database(server, "import")
        engine = open_engine(url)
        with (
            importing(url, folder) as ours,
            limits.copy_file(
                engine, folder / "permits.csv", columns=len(COLUMNS[Kind.PERMITS]) + len(ATTRIBUTES)
            ) as copy,
        ):
            rounds = interleave({"ours": ours, "copy": copy}, bench.runs)
        engine.dispose()
    return [
        rounds.figure("import.ours", "ours", "per_second", "rows/s", "more"),
        rounds.figure("import.copy", "copy", "per_second", "rows/s", "more"),
        rounds.ratio("import.vs.copy", ("ours", "per_second"), ("copy", "per_second"), "more"),
    ]


@contextmanager
def importing(url: str, folder: Path) -> Iterator[Sample]:
    """Each run imports permits.csv into a register that knows offices and people, and no permit."""
    engine = open_engine(url)
    import_files(engine, [folder / "offices.csv", folder / "people.csv"], now=MORNING)

    def sample() -> Mapping[str, float]:
        with writing(engine) as connection:
            for table in (t.changed, t.seen, t.role, t.permit):
                connection.execute(table.delete())
        begun = time.perf_counter()
        report = import_files(engine, [folder / "permits.csv"], now=MORNING)
        seconds = time.perf_counter() - begun
        if report.refused:
            raise RuntimeError(f"{report.refused} rows were refused; the sample must be in order")
        return {"seconds": seconds, "per_second": report.read / seconds}

    yield sample
    engine.dispose()
