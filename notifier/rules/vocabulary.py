"""Every word of the rule language, once: its English and its Indonesian spelling, and what it means.

Parser, faults, editor schema, translation and the reference page read these rows. Names of rules, steps, offices,
templates, document types and services belong to the office and are in no language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Language(StrEnum):
    """A language that a rule file may be written in; one file, one language."""

    ENGLISH = "en"
    INDONESIAN = "id"


class Part(StrEnum):
    """Where a word may stand. Within one part no two words are spelled alike, in neither language."""

    KEY = "keys of rules and steps"
    WINDOW_KEY = "keys of windows"
    ANCHOR = "dates and events"
    JOIN = "words of phrases"
    UNIT = "units"
    WEEKDAY = "weekdays"
    CHANNEL = "channels"
    RECIPIENT = "recipients"
    FIELD = "fields of conditions"
    GROUP = "groups of conditions"
    TEST = "tests of conditions"
    ANSWER = "yes and no"
    CLOSED = "what a closed day does"
    LATE = "what becomes of a late step"
    SUBJECT = "what a rule is for"
    BASIS = "legal bases"
    APPROVER = "who approves"
    STATUS = "statuses of permits"
    STATE = "states of cases"
    ORIGIN = "origins of stay permits"
    BEING = "kinds of holders"


@dataclass(frozen=True, slots=True)
class Word:
    """One row: a word (or several that count as one), and its meaning for hover texts and the reference."""

    part: Part
    english: str
    indonesian: str
    meaning: str
    plural: str = ""  # English units only

    def spelling(self, language: Language) -> str:
        """How it is written; where English knows a plural, the singular."""
        return self.indonesian if language is Language.INDONESIAN else self.english

    def spellings(self, language: Language) -> tuple[str, ...]:
        """Every way to write it, the plural last."""
        plural = (self.plural,) if self.plural and language is Language.ENGLISH else ()
        return (self.spelling(language), *plural)


#: part | English | Indonesian | meaning. A date that is also a field has its row in both parts.
_ROWS: Mapping[Part, str] = {
    Part.KEY: """
        rule          | aturan             | the name of the rule, that of its file
        title         | judul              | one sentence that says what the rule is for
        purpose       | tujuan             | why the rule exists
        legal basis   | dasar hukum        | what allows the office to write
        for           | untuk              | what the rule looks at: each permit or each case
        enabled       | aktif              | yes or no; a rule or step that is off sends nothing
        approval      | persetujuan        | each day's messages wait until this person lets them out
        offices       | kantor             | the offices where the rule applies, or {not: …}; everywhere if left out
        from          | sejak              | the first day on which the rule may send
        until         | sampai             | the last day on which the rule may send
        while         | selama             | the states of a case during which the rule applies
        anniversary   | ulang tahun terbit | every how many years after which date the anniversary falls
        when          | bila               | every line must hold, or nothing is sent
        unless        | kecuali            | if any line holds, nothing is sent; asked again before every sending
        deadline      | tenggat            | until when the message is useful
        send          | kirim              | the moment of the step
        only after    | hanya setelah      | only if that step was told before
        to            | kepada             | who is told
        via           | lewat              | the channels, one rung after the other
        template      | templat            | the text
        time          | pukul              | the time of the day on the office's clock
        closed        | hari libur         | what happens to a moment on a day when the office is closed
        late          | terlambat          | what happens to a step whose moment has passed
        correction    | koreksi            | a change of the date within this length is a correction, no renewal
        urgent        | mendesak           | yes: leaves on silent days too, and is not counted by the caps
        uncapped      | tanpa batas        | yes: not counted by the caps of a person
        limit         | batas              | more messages a day than this wait for an officer
        cap           | batas per orang    | how often the rule may begin for one person in a length of time
        mutes         | membungkam         | rules that keep silent while this one concerns the same subject
        digest        | rangkuman          | everything due leaves together at this time
        at most       | paling banyak      | how often an `every` may repeat
        separate      | terpisah           | yes: never joined with other messages of the rule
        steps         | langkah            | the named moments of the rule""",
    Part.WINDOW_KEY: """
        opens         | dibuka             | the first day on which an extension may be filed
        recommended   | disarankan         | the day by which it had better be filed
        closes        | ditutup            | the last day on which it may be filed
        offices       | kantor             | windows that differ at single offices""",
    Part.ANCHOR: """
        expiry              | tanggal berakhir      | the last day on which the document is valid
        issue               | tanggal terbit        | the day the document was issued
        arrival             | kedatangan            | the day the holder entered the country
        departure deadline  | batas keberangkatan   | the day by which the holder must have left
        recommended day     | hari yang disarankan  | the day by which an extension had better be filed
        anniversary         | ulang tahun terbit    | each return of a date, as the key of that name says
        submission          | pengajuan             | the instant the application was filed
        payment             | pembayaran            | the instant the application was paid
        payment deadline    | batas bayar           | the instant until which it can be paid
        documents deadline  | batas berkas          | the day by which missing papers must be in
        appointment         | jadwal                | the instant of photo and interview
        service deadline    | batas layanan         | the day by which the office has promised to be done
        collection deadline | batas pengambilan     | the day until which the document can be collected
        closing             | penutupan             | the instant the case was closed
        deadline            | tenggat               | the deadline of this rule
        window opens        | pengajuan dibuka      | the first day on which an extension may be filed
        window closes       | pengajuan ditutup     | the last day on which it may be filed
        state begins        | tahap dimulai         | the instant the case entered its state
        holder turns        | pemegang berusia      | the birthday on which the holder is so many years old""",
    Part.JOIN: """
        at once                 | segera                      | as soon as everything holds
        on                      | pada                        | on that date
        when                    | saat                        | at that event
        before                  | sebelum                     | so long before
        after                   | setelah                     | so long after
        last working day before | hari kerja terakhir sebelum | the last day the office is open before it
        halfway to              | separuh waktu menuju        | in the middle between the beginning and it
        moves                   | bergeser                    | when the register learns another date
        earlier                 | lebih awal                  | only when the new date is the earlier one
        every                   | setiap                      | again and again
        from                    | sejak                       | where it begins
        until                   | sampai                      | where it ends, that day included
        at                      | pukul                       | at that time of the day
        at closing time         | saat loket tutup            | when the counter closes on that day
        and                     | dan                         | both leave together
        within                  | dalam                       | not later than so long after its moment
        daily                   | setiap hari                 | each day
        weekly                  | setiap pekan                | each week
        in                      | tiap                        | in any stretch of that length
        a day                   | per hari                    | on one day""",
    Part.UNIT: """
        minute      | menit      | elapsed time, between instants only | minutes
        hour        | jam        | elapsed time, between instants only | hours
        day         | hari       | one day of the calendar | days
        working day | hari kerja | a day on which the office is open | working days
        week        | pekan      | seven days | weeks
        month       | bulan      | the same day of another month, or its last day | months
        year        | tahun      | twelve months | years""",
    Part.WEEKDAY: """
        monday    | senin  | day of the week
        tuesday   | selasa | day of the week
        wednesday | rabu   | day of the week
        thursday  | kamis  | day of the week
        friday    | jumat  | day of the week
        saturday  | sabtu  | day of the week
        sunday    | minggu | day of the week""",
    Part.CHANNEL: """
        whatsapp | whatsapp | a WhatsApp message
        sms      | sms      | a text message
        email    | email    | an e-mail""",
    Part.RECIPIENT: """
        holder   | pemegang | who holds the document; the guardian in the place of a child
        sponsor  | penjamin | who vouches for the holder
        guardian | wali     | who answers for a holder under 18
        agent    | kuasa    | who acts for the holder, while the authority is in force
        payer    | pembayar | who pays for the case; the holder if nobody else does
        officer  | petugas  | who works on the case; the front desk if nobody does""",
    Part.FIELD: """
        type                | jenis                    | the type of document, a name from documents.yaml
        status              | status                   | the status of the permit
        origin              | asal                     | how the stay permit came about
        extendable          | dapat diperpanjang       | whether the permit can be extended
        extensions left     | sisa perpanjangan        | how many extensions are left
        stay left           | sisa tinggal             | how many days of stay are left in all
        expiry              | tanggal berakhir         | the last day on which the document is valid
        arrival             | kedatangan               | the day the holder entered the country
        departure deadline  | batas keberangkatan      | the day by which the holder must have left
        recommended day     | hari yang disarankan     | the day by which an extension had better be filed
        anniversary         | ulang tahun terbit       | the next return of the date
        open case           | permohonan berjalan      | a case of the holder that will issue this type of document
        case.service        | permohonan.layanan       | the service of the open case
        case.state          | permohonan.tahap         | the state of the open case
        state               | tahap                    | the state of the case
        service             | layanan                  | the service that was applied for
        submission          | pengajuan                | the instant the application was filed
        payment             | pembayaran               | the instant the application was paid
        payment deadline    | batas bayar              | the instant until which it can be paid
        appointment         | jadwal                   | the instant of photo and interview
        documents deadline  | batas berkas             | the day by which missing papers must be in
        service deadline    | batas layanan            | the day by which the office has promised to be done
        collection deadline | batas pengambilan        | the day until which the document can be collected
        closing             | penutupan                | the instant the case was closed
        payment time        | waktu bayar              | how long there is to pay, from the beginning to the deadline
        survey answer       | jawaban survei           | whether the survey was answered
        issue               | tanggal terbit           | the day the document was issued
        holder.age          | pemegang.usia            | how many years old the holder is
        holder.nationality  | pemegang.kewarganegaraan | the holder's nationality
        holder.language     | pemegang.bahasa          | the language in which the holder is written to
        holder.kind         | pemegang.bentuk          | whether the holder is a person or an organisation
        sponsor             | penjamin                 | who vouches for the holder
        guardian            | wali                     | who answers for a holder under 18
        agent               | kuasa                    | who acts for the holder
        payer               | pembayar                 | who pays for the case
        officer             | petugas                  | who works on the case""",
    Part.GROUP: """
        any           | salah satu              | at least one of the alternatives holds
        all           | semua                   | every alternative holds
        none          | tidak satu pun          | no alternative holds
        holder has    | pemegang memiliki       | the holder has another permit for which every line holds
        holder has no | pemegang tidak memiliki | the holder has no other permit for which every line holds
        not           | bukan                   | present, and none of these""",
    Part.TEST: """
        exists      | ada              | the field has a value
        missing     | tidak ada        | the field has no value
        past        | sudah lewat      | the day is over
        before      | sebelum          | before that day
        after       | setelah          | after that day
        within      | dalam            | it comes within this length, and has not passed
        within last | belum lewat      | it has come, not longer ago than this
        beyond      | masih lebih dari | it is farther away than this
        more than   | lebih dari       | more, or with "ago" longer ago, than this
        ago         | yang lalu        | counted back from today
        at least    | sedikitnya       | this number or more
        at most     | paling banyak    | this number or less
        less than   | kurang dari      | less than this""",
    Part.ANSWER: """
        yes | ya    | it is so
        no  | tidak | it is not so""",
    Part.CLOSED: """
        earlier | lebih awal   | to the working day before
        later   | lebih lambat | to the working day after
        ignore  | abaikan      | the day stays as it is""",
    Part.LATE: """
        newest | terbaru | only the newest of several late steps goes
        send   | kirim   | it goes however late
        skip   | lewati  | it does not go
        fold   | gabung  | it is told in the next message of the rule""",
    Part.SUBJECT: """
        permit | dokumen    | each document with a date: passports, visit and stay permits
        case   | permohonan | each application on its way through the office""",
    Part.BASIS: """
        public service | pelayanan publik | the office serves; it may write without asking
        legal duty     | kewajiban hukum  | the law obliges the office or the person
        consent        | persetujuan      | only to those who agreed""",
    Part.APPROVER: """
        officer | petugas | an officer of the office who has not written the rule""",
    Part.STATUS: """
        active               | berlaku                    | in force
        renewal filed unpaid | perpanjangan belum dibayar | an extension is filed and not paid
        renewal protected    | perpanjangan terlindungi   | filed and paid: no overstay while it is worked on
        renewed              | diperpanjang               | another document has taken its place
        expired              | kedaluwarsa                | its last day is over
        cancelled            | dibatalkan                 | no longer in force
        epo issued           | epo terbit                 | an exit permit was issued
        departed             | sudah berangkat            | the holder has left""",
    Part.STATE: """
        draft                 | draf                      | begun, not filed
        submitted             | diajukan                  | filed
        awaiting payment      | menunggu pembayaran       | the billing code is issued
        paid                  | sudah dibayar             | the payment has come
        under verification    | verifikasi berkas         | an officer looks at the papers
        documents required    | perlu melengkapi berkas   | papers are missing
        scheduled             | terjadwal                 | the day of photo and interview is set
        no show               | tidak hadir               | nobody came
        attended              | foto dan wawancara selesai | photo and interview are done
        on hold               | ditangguhkan              | an inquiry stops it
        in process            | dalam proses              | being decided and printed
        issued                | terbit                    | the document is issued
        ready for collection  | siap diambil              | it waits at the counter
        collected             | sudah diambil             | it was handed over
        uncollected cancelled | dibatalkan tidak diambil  | cancelled because nobody collected it
        rejected              | ditolak                   | refused
        lapsed                | kedaluwarsa               | not paid in time
        cancelled             | dibatalkan                | withdrawn or ended
        abandoned             | tidak dilanjutkan         | given up
        closed                | ditutup                   | everything is done""",
    Part.ORIGIN: """
        visa on arrival      | visa saat kedatangan          | bought at the border
        single entry visa    | visa satu kali perjalanan     | for one visit
        multiple entry visa  | visa beberapa kali perjalanan | for several visits
        visa exemption       | bebas visa kunjungan          | no visa was needed
        limited stay visa    | visa tinggal terbatas         | for a limited stay
        change of status     | alih status                   | from another stay permit""",
    Part.BEING: """
        person       | perorangan | a natural person
        organisation | badan      | a company or other body""",
}


def _read(part: Part, rows: str) -> tuple[Word, ...]:
    cells = [[cell.strip() for cell in line.split("|")] for line in rows.strip().splitlines()]
    return tuple(Word(part, *row) for row in cells)


#: The table, by parts, in the order in which words are explained and keys are written.
VOCABULARY: Mapping[Part, tuple[Word, ...]] = MappingProxyType(
    {part: _read(part, rows) for part, rows in _ROWS.items()}
)
#: A recipient that is a place of the office: "enforcement desk", "loket enforcement".
DESK = {Language.ENGLISH: "desk", Language.INDONESIAN: "loket"}
#: What the register's own columns begin with.
ATTRIBUTES = {Language.ENGLISH: "attributes.", Language.INDONESIAN: "atribut."}


def english(part: Part) -> tuple[str, ...]:
    """The English words of a part, in the order of the table."""
    return tuple(word.english for word in VOCABULARY[part])


def word(part: Part, spelled: str, language: Language = Language.ENGLISH) -> Word | None:
    """The row of a word as it is spelled in a language, or None."""
    return next((row for row in VOCABULARY[part] if spelled in row.spellings(language)), None)
