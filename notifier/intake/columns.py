"""The columns of the four kinds of tables, their other names, and how a header tells the kind."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from notifier.rules.fields import ATTRIBUTE_PREFIX


class Kind(StrEnum):
    """What the rows of a table are, in the order in which they must be taken."""

    OFFICES = "offices"
    PEOPLE = "people"
    PERMITS = "permits"
    CASES = "cases"


#: What we add to rows we refuse; ignored when the mended file comes back.
REFUSED_BECAUSE = "refused_because"

#: Per kind: column -> other names it goes by (Indonesian, and the register's own words).
COLUMNS: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    Kind.OFFICES: {
        "code": ("kode", "kode_kantor"),
        "name": ("nama", "nama_kantor"),
        "zone": ("timezone", "time_zone", "zona", "zona_waktu"),
        "country": ("negara",),
        "province": ("provinsi",),
        "phone": ("telepon", "telp"),
        "address": ("alamat",),
        "website": ("situs", "laman"),
        "sms_sender": (),
        "whatsapp_sender": (),
        "email_sender": (),
        "opens_at": ("opens", "buka"),
        "closes_at": ("closes", "tutup"),
        "weekdays": ("hari_kerja",),
        "closed_days": ("hari_tutup",),
        "working_days": ("hari_buka",),
        "front_desk_email": ("front_desk",),
        "enforcement_desk_email": ("enforcement_desk",),
    },
    Kind.PEOPLE: {
        "number": ("nomor", "person", "party", "id"),
        "kind": ("jenis",),
        "name": ("nama", "full_name", "nama_lengkap"),
        "language": ("bahasa", "lang"),
        "birth_date": ("tanggal_lahir", "date_of_birth", "dob"),
        "nationality": ("kewarganegaraan", "kebangsaan"),
        "phone": ("telepon", "hp", "no_hp", "mobile", "sms"),
        "whatsapp": ("wa",),
        "email": ("surel", "e_mail"),
        "zone": ("timezone", "time_zone", "zona"),
        "deceased_on": ("meninggal", "tanggal_meninggal"),
        "household": ("keluarga", "rumah_tangga"),
    },
    Kind.PERMITS: {
        "number": ("nomor", "permit", "id"),
        "office": ("kantor", "office_code", "kode_kantor"),
        "type": ("jenis", "document_type"),
        "status": (),
        "origin": ("asal",),
        "holder": ("pemegang",),
        "sponsor": ("penjamin",),
        "guardian": ("wali",),
        "agent": ("kuasa",),
        "agent_from": ("kuasa_sejak",),
        "agent_until": ("kuasa_sampai",),
        "issue": ("issued_on", "terbit", "tanggal_terbit", "issue_date"),
        "expiry": ("expires_on", "expiry_date", "berlaku_sampai", "tanggal_berakhir"),
        "arrival": ("arrived_on", "tanggal_masuk"),
        "departure_deadline": ("leave_by", "batas_keluar"),
        "extendable": ("dapat_diperpanjang",),
        "extensions_left": ("sisa_perpanjangan",),
    },
    Kind.CASES: {
        "number": ("nomor", "case", "nomor_permohonan", "id"),
        "office": ("kantor", "office_code", "kode_kantor"),
        "service": ("layanan",),
        "state": ("status", "keadaan"),
        "state_since": ("status_sejak",),
        "holder": ("pemegang", "applicant", "pemohon"),
        "payer": ("pembayar",),
        "sponsor": ("penjamin",),
        "guardian": ("wali",),
        "agent": ("kuasa",),
        "agent_from": ("kuasa_sejak",),
        "agent_until": ("kuasa_sampai",),
        "officer": ("petugas",),
        "permit": ("izin", "document"),
        "submitted_at": ("diajukan",),
        "payment_due_at": ("batas_bayar",),
        "paid_at": ("dibayar",),
        "appointment_at": ("jadwal",),
        "docs_due_on": ("documents_due_on", "docs_due_at", "batas_berkas"),
        "sla_due_on": ("service_due_on",),
        "issued_on": ("issue", "terbit", "tanggal_terbit"),
        "collect_by": ("batas_ambil",),
        "closed_at": ("ditutup",),
    },
}

REQUIRED: Mapping[Kind, frozenset[str]] = {
    Kind.OFFICES: frozenset({"code", "name", "zone"}),
    Kind.PEOPLE: frozenset({"number", "name"}),
    Kind.PERMITS: frozenset({"number", "office", "type", "holder"}),
    Kind.CASES: frozenset({"number", "office", "service", "state", "holder"}),
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a table's columns mean: source name -> our name. `ignored` are columns nobody knows."""

    kind: Kind
    names: Mapping[str, str]
    ignored: tuple[str, ...] = ()
    faults: tuple[tuple[int, str], ...] = ()  # (column counting from 1, sentence)
    is_ours: bool = False  # the source calls every column as we do


def plain(name: str) -> str:
    """A header cell as we compare it: lower case, words joined by one underscore."""
    return "_".join(name.strip().casefold().replace("-", " ").replace("_", " ").split())


def meaning(kind: Kind, name: str) -> str | None:
    """Our name of a source's column, or None if we do not know it."""
    wanted = plain(name)
    if wanted.startswith(ATTRIBUTE_PREFIX) and len(wanted) > len(ATTRIBUTE_PREFIX):
        return wanted
    if wanted in COLUMNS[kind]:
        return wanted
    return next((column for column, aliases in COLUMNS[kind].items() if wanted in aliases), None)


def recognise(names: Sequence[str]) -> Kind | None:
    """The kind whose required columns are all there; of several, the one that knows most of the columns."""
    scores = {
        kind: sum(meaning(kind, name) is not None for name in names)
        for kind in Kind
        if REQUIRED[kind] <= {meaning(kind, name) for name in names}
    }
    return max(scores, key=lambda kind: scores[kind], default=None)


def near_miss(kind: Kind, name: str) -> str | None:
    """What to say of an unknown name that looks like a mistyped column; None for one that does not."""
    near = difflib.get_close_matches(plain(name), COLUMNS[kind], n=1, cutoff=0.8)
    return f'unknown column "{name.strip()}"; did you mean "{near[0]}"?' if near else None


def read_header(kind: Kind, names: Sequence[str]) -> Header:
    """Match a header with the columns of a kind. A near miss is a fault: no mistyped column may vanish."""
    known: dict[str, str] = {}
    ignored: list[str] = []
    faults: list[tuple[int, str]] = []
    for place, name in enumerate(names, start=1):
        column = meaning(kind, name)
        if column is not None and column in known.values():
            faults.append((place, f"column {column} is there twice; keep one"))
        elif column is not None:
            known[name] = column
        elif plain(name) not in ("", REFUSED_BECAUSE):
            sentence = near_miss(kind, name)
            if sentence is None:
                ignored.append(name)
            else:
                faults.append((place, sentence))
    for column in sorted(REQUIRED[kind] - set(known.values())):
        faults.append((1, f"{kind.value} need a column {column}"))
    is_ours = all(name == column for name, column in known.items())
    return Header(kind, known, tuple(ignored), tuple(faults), is_ours)
