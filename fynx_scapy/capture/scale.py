# SPDX-License-Identifier: GPL-2.0-or-later
"""Process many captures in parallel, on one machine or on a Dask cluster, with the same call.

>>> results = process("captures/", workers=4)
>>> results = process("captures/", client=dask.distributed.Client("scheduler:8786"))
>>> results.write("results/")          # messages.parquet, flows.parquet, captures.parquet, …
>>> results.query("select src, sum(packets) from flows group by src")

DuckDB writes and reads Parquet (extra ``parquet``). Dask is in the extra ``cluster``.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.files import replacing
from fynx_scapy.processes import Died, work

if TYPE_CHECKING:
    import pandas

    from fynx_scapy.keylog import KeyLog

SUFFIXES = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz")
TEXT, WHOLE, REAL, TRUTH = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "captures": {
        "capture": TEXT, "packets": WHOLE, "octets": WHOLE, "first": REAL, "last": REAL, "messages": WHOLE,
        "conversations": WHOLE, "flows": WHOLE, "foreign_packets": WHOLE, "problems": WHOLE, "opened_messages": WHOLE,
        "closed_messages": WHOLE, "opened_esp": WHOLE, "closed_esp": WHOLE, "bad_esp": WHOLE, "keyed": TRUTH,
        "error": TEXT,
    },
    "messages": {
        "capture": TEXT, "number": WHOLE, "time": REAL, "conversation": WHOLE, "src": TEXT, "sport": WHOLE, "dst": TEXT,
        "dport": WHOLE, "spi_i": TEXT, "spi_r": TEXT, "exchange": TEXT, "message_id": WHOLE, "request": TRUTH,
        "by_initiator": TRUTH, "length": WHOLE, "retransmission": TRUTH, "captured_twice": TRUTH, "encrypted": TRUTH,
        "icv": TEXT, "payloads": TEXT, "errors": TEXT,
    },
    "flows": {
        "capture": TEXT, "protocol": TEXT, "spi": TEXT, "src": TEXT, "dst": TEXT, "encapsulation": TEXT,
        "packets": WHOLE, "octets": WHOLE, "first": REAL, "last": REAL, "first_number": WHOLE, "last_number": WHOLE,
        "lowest": "UBIGINT", "highest": "UBIGINT", "missing": "UBIGINT", "reordered": WHOLE, "late": WHOLE,
        "duplicates": WHOLE, "replays": WHOLE, "captured_twice": WHOLE, "cut": WHOLE,
    },
    "inner_flows": {
        "capture": TEXT, "src": TEXT, "sport": WHOLE, "dst": TEXT, "dport": WHOLE, "protocol": WHOLE, "packets": WHOLE,
        "octets": WHOLE, "first": REAL, "last": REAL, "spis": TEXT,
    },
    "problems": {"capture": TEXT, "number": WHOLE, "offset": WHOLE, "text": TEXT},
}  # fmt: skip
"""The tables of the results and their columns, with DuckDB's types."""

Row = dict[str, Any]
Tables = dict[str, list[Row]]


@dataclass(slots=True)
class Results:
    """The results for many captures: a list of rows for each table of `COLUMNS`."""

    tables: Tables = field(default_factory=lambda: {name: [] for name in COLUMNS})

    @property
    def captures(self) -> list[Row]:
        """One row per capture, in the order of their names."""
        return self.tables["captures"]

    @property
    def failed(self) -> dict[str, str]:
        """The captures that could not be read, with the reason."""
        return {row["capture"]: row["error"] for row in self.captures if row["error"]}

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write each table as a Parquet file to a folder. Needs the extra ``parquet``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        database = _database(self.tables)
        written = [Path(folder) / f"{name}.parquet" for name in COLUMNS]
        for name, path in zip(COLUMNS, written, strict=True):
            with replacing(path) as aside:
                try:
                    database.execute(f"COPY {name} TO {_quoted(aside)} (FORMAT parquet, USE_TMP_FILE false)")
                except _duckdb().Error as error:
                    raise OSError(errno.EIO, f"DuckDB: {error}", str(path)) from None
        database.close()
        return written

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Results:
        """Read the tables that `write` wrote. Raises CaptureError if one is missing."""
        duckdb = _duckdb()
        found = cls()
        with duckdb.connect() as database:
            for name, columns in COLUMNS.items():
                path = Path(folder) / f"{name}.parquet"
                if not path.is_file():
                    raise CaptureError(f"{path}: no such table; expected a folder with {', '.join(COLUMNS)}")
                wanted = ", ".join(f'"{column}"' for column in columns)
                rows = database.execute(f"SELECT {wanted} FROM read_parquet({_quoted(path)})").fetchall()
                found.tables[name] = [dict(zip(columns, row, strict=True)) for row in rows]
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the tables in SQL, with DuckDB."""
        database = _database(self.tables)
        rows: list[tuple[Any, ...]] = database.execute(sql).fetchall()
        database.close()
        return rows

    def to_pandas(self, table: str = "captures") -> pandas.DataFrame:
        """One table as a DataFrame, with the types of `Capture.to_pandas`. Needs the extra ``capture``."""
        from fynx_scapy.capture.showing.tables import typed

        if table not in COLUMNS:
            raise ConfigError(f"expected one of the tables {', '.join(COLUMNS)}, found {table!r}")
        return typed(self.tables[table], list(COLUMNS[table]))

    @classmethod
    def of(cls, paths: Iterable[str], done: Mapping[str, Tables]) -> Results:
        """The tables of those captures that are done, in this order."""
        found = cls()
        for path in paths:
            if path in done:
                found.add(done[path])
        return found

    def add(self, tables: Tables) -> None:
        """Add the tables of one capture."""
        for name, rows in tables.items():
            self.tables[name] += rows

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in self.tables.items())
        return f"<Results: {counts}>"


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise ConfigError("Parquet needs DuckDB; install the extra: pip install 'fynx-scapy[parquet]'") from None
    return duckdb


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _database(tables: Tables) -> Any:
    """The tables in an in-memory database. Rows are loaded from a JSON file: inserting them singly takes minutes."""
    database = _duckdb().connect()
    for name, columns in COLUMNS.items():
        described = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        database.execute(f"CREATE TABLE {name} ({described})")
        rows = tables.get(name) or []
        if not rows:
            continue
        handle, file = tempfile.mkstemp(suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.writelines(json.dumps({column: row.get(column) for column in columns}) + "\n" for row in rows)
            types = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
            source = f"read_json({_quoted(Path(file))}, format='newline_delimited', columns={{{types}}})"
            wanted = ", ".join(f'"{column}"' for column in columns)
            database.execute(f"INSERT INTO {name} SELECT {wanted} FROM {source}")
        finally:
            Path(file).unlink()
    return database


def captures_in(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The captures in a folder and its subfolders, or those named. Raises CaptureError for a folder without any."""
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: list[Path] = []
    for each in map(Path, given):
        if each.is_dir():
            inside = [path for path in each.rglob("*") if path.is_file() and path.name.lower().endswith(SUFFIXES)]
            if not inside:
                raise CaptureError(f"{each}: no captures in this folder; expected files named *{', *'.join(SUFFIXES)}")
            found += sorted(inside)
        else:
            found.append(each)
    return list(dict.fromkeys(found))


def one(
    path: str, keys: KeyLog | str | os.PathLike[str] | None = None, decrypt: bool = True, ports: tuple[int, ...] = ()
) -> Tables:
    """The tables of one capture: the work of one worker. If the file cannot be read, its row has the error."""
    from fynx_scapy.capture.capture import Capture
    from fynx_scapy.capture.showing.tables import flows, inner_flows, messages
    from fynx_scapy.keylog import KeyLog

    tables: Tables = {name: [] for name in COLUMNS}
    row: Row = dict.fromkeys(COLUMNS["captures"])
    row["capture"] = path
    tables["captures"].append(row)
    try:
        if isinstance(keys, KeyLog) and keys.esp_null and not any(keys.entries()):
            own = KeyLog.beside(path)
            own.update(keys)
            keys = own
        with Capture(path, keys, ports=ports) as capture:
            index = capture.index
            row |= {name: getattr(index, name) for name in ("packets", "octets", "first", "last")}
            row |= {"messages": len(index.messages), "flows": len(index.flows), "foreign_packets": index.foreign}
            row |= {"conversations": len(capture.conversations)}
            found = {"flows": flows(capture)}
            if decrypt:
                verdicts = capture.icvs
                row |= {f"{verdict}_esp": count for verdict, count in verdicts.items()}
                row |= {"keyed": capture.keys.decrypts}
                opened = [each.opened is None or each.opened.plaintext is not None for each in capture.follow()]
                row |= {"opened_messages": sum(opened), "closed_messages": len(opened) - sum(opened)}
                found |= {"messages": messages(capture), "inner_flows": inner_flows(capture)}
            row["problems"] = index.failed  # now includes what was left out inside ESP
            found["problems"] = iter([problem._asdict() for problem in index.problems])
            for name, rows in found.items():
                tables[name] = [{"capture": path} | each for each in rows]
    except CaptureError as error:
        return failed(path, str(error))
    except OSError as error:
        return failed(path, f"{path}: {error.strerror}")
    except MemoryError:
        return failed(path, f"{path}: there is too little memory to read it")
    return tables


def failed(path: str, error: str) -> Tables:
    """The tables of a capture that could not be read."""
    tables: Tables = {name: [] for name in COLUMNS}
    tables["captures"].append(dict.fromkeys(COLUMNS["captures"]) | {"capture": path, "error": error})
    return tables


def process(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    keys: KeyLog | str | os.PathLike[str] | None = None,
    *,
    workers: int | None = None,
    client: Any = None,
    decrypt: bool = True,
    ports: Iterable[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Index, follow and decrypt many captures. The results do not depend on which workers do it.

    ``paths`` is a folder, a capture, or several. ``keys`` (a KeyLog, or a path that the workers can read) apply to all
    captures; without it, each capture's own keys beside it are used, and so with a KeyLog that holds nothing but
    ``esp_null``. The work is done by ``workers`` processes
    (default: one per CPU; 1: this process), or by those of a Dask ``client``, which need the files at the same paths.
    Without ``decrypt``, the tables of messages and inner flows are empty. ``progress`` is called with the number of
    captures done and their total. Raises CaptureError if there is nothing to read. A capture that cannot be read has an
    ``error`` in its row.
    """
    found = [str(path) for path in captures_in(paths)]
    done: dict[str, Tables] = {}
    for path, tables in each(found, keys, workers=workers, client=client, decrypt=decrypt, ports=ports):
        done[path] = tables
        if progress:
            progress(len(done), len(found))
    return Results.of(found, done)


def each(
    paths: Sequence[str],
    keys: KeyLog | str | os.PathLike[str] | None = None,
    *,
    workers: int | None = None,
    client: Any = None,
    decrypt: bool = True,
    ports: Iterable[int] = (),
) -> Iterator[tuple[str, Tables]]:
    """Like `process`: each capture and its tables, in the order in which they are done.

    To close the iterator, or to leave it by an exception, ends the processes that work on the others.
    """
    arguments = (keys, decrypt, tuple(ports))
    if client is not None:
        yield from _on_cluster(paths, arguments, client)
        return
    count = min(workers or os.cpu_count() or 1, len(paths))
    if count <= 1:
        for path in paths:
            yield path, one(path, *arguments)
        return
    for path, found in work(one, paths, arguments, count):
        yield path, failed(path, f"{path}: the process that read it {found}") if isinstance(found, Died) else found


def _on_cluster(paths: Sequence[str], arguments: tuple[Any, ...], client: Any) -> Iterator[tuple[str, Tables]]:
    from dask.distributed import KilledWorker, as_completed

    futures = {client.submit(one, path, *arguments, pure=False): path for path in paths}
    try:
        for future in as_completed(list(futures)):
            path = futures[future]
            try:
                yield path, future.result()
            except KilledWorker as error:
                yield path, failed(path, f"{path}: {error}")
    finally:
        client.cancel(list(futures))
