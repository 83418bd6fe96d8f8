"""Every table. Local dates are dates, instants are aware UTC; words of rules stand as they are written there."""

from collections.abc import Mapping

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
    text,
)

from notifier.model import SubjectKind
from notifier.store.types import Id, Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# ------------------------------------------------------------------------------------------------ register

office = Table(
    "office",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("country", String(2), nullable=False),
    Column("province", Text),
    Column("phone", String(32)),
    Column("address", Text),
    Column("website", Text),
    Column("sms_sender", String(32)),
    Column("whatsapp_sender", String(32)),
    Column("email_sender", Text),
    Column("opens_at", Time, nullable=False),
    Column("closes_at", Time, nullable=False),
    Column("weekdays", JSON, nullable=False),  # [0, 1, 2, 3, 4]: Monday is 0
    Column("closed_days", JSON, nullable=False),  # ["2026-11-02", ...]
    Column("working_days", JSON, nullable=False),
)

party = Table(
    "party",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", String(128), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # person | organisation | desk
    Column("name", Text, nullable=False),
    Column("language", String(16)),
    Column("nationality", String(2)),
    Column("birth_date", Date),
    Column("zone", String(64)),
    Column("deceased_on", Date),
    Column("household", String(128)),  # parties with the same word are declared to share a telephone (S80)
    Column("attributes", JSON, nullable=False),
    Index("ix_party_birth_date", "birth_date"),
    Index("ix_party_household", "household"),
    Index("ix_party_desk", "number", postgresql_where=text("kind = 'desk'"), sqlite_where=text("kind = 'desk'")),
)

contact = Table(
    "contact",
    metadata,
    Column("id", Id, primary_key=True),
    Column("party_id", Id, ForeignKey("party.id"), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("address", String(320), nullable=False),
    Column("usable", Boolean, nullable=False),
    Column("reason", Text),
    UniqueConstraint("party_id", "channel"),
    Index("ix_contact_address", "address"),
)

permit = Table(
    "permit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", String(128), nullable=False, unique=True),
    Column("office_id", Id, ForeignKey("office.id"), nullable=False),
    Column("type", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("origin", String(64)),
    Column("holder_id", Id, ForeignKey("party.id"), nullable=False),
    Column("issue", Date),
    Column("expiry", Date),
    Column("arrival", Date),
    Column("departure_deadline", Date),
    Column("extendable", Boolean),
    Column("extensions_left", Integer),
    Column("attributes", JSON, nullable=False),
    Index("ix_permit_type_expiry", "type", "expiry"),
    Index("ix_permit_type_issue", "type", "issue"),
    Index("ix_permit_departure_deadline", "departure_deadline"),
    Index("ix_permit_holder_id", "holder_id"),
    Index("ix_permit_office_id", "office_id"),
)

case = Table(
    "application",  # CASE is a word of SQL
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", String(128), nullable=False, unique=True),
    Column("office_id", Id, ForeignKey("office.id"), nullable=False),
    Column("service", String(64), nullable=False),
    Column("state", String(32), nullable=False),
    Column("holder_id", Id, ForeignKey("party.id"), nullable=False),
    Column("permit_id", Id, ForeignKey("permit.id")),
    Column("submitted_at", Instant),
    Column("payment_due_at", Instant),
    Column("paid_at", Instant),
    Column("appointment_at", Instant),
    Column("documents_due_on", Date),
    Column("service_due_on", Date),
    Column("issue", Date),
    Column("collect_by", Date),
    Column("closed_at", Instant),
    Column("attributes", JSON, nullable=False),
    Index("ix_application_state_payment_due_at", "state", "payment_due_at"),
    Index("ix_application_state_appointment_at", "state", "appointment_at"),
    Index("ix_application_holder_id", "holder_id"),
    Index("ix_application_office_id", "office_id"),
)

#: Where the subjects of each kind stand.
SUBJECTS: Mapping[SubjectKind, Table] = {SubjectKind.PERMIT: permit, SubjectKind.CASE: case}

role = Table(
    "role",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject_kind", String(8), nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("role", String(16), nullable=False),  # sponsor | guardian | agent | payer | officer
    Column("party_id", Id, ForeignKey("party.id"), nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    UniqueConstraint("subject_kind", "subject_id", "role", "party_id"),
    Index("ix_role_party_id", "party_id"),
    Index("ix_role_valid_from", "valid_from"),
    Index("ix_role_valid_until", "valid_until"),
)

#: Append-only: each new value of a date that steps count from, and when the register first held it.
seen = Table(
    "seen",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject_kind", String(8), nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("field", String(64), nullable=False),  # the word of the rule language: "expiry", "payment deadline"
    Column("value", String(40), nullable=False),  # ISO date, or ISO instant in UTC
    Column("at", Instant, nullable=False),
    Index("ix_seen_subject", "subject_kind", "subject_id"),
)

#: Append-only but for `ended_at`: the stays of a case in its states.
stay = Table(
    "stay",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", Id, ForeignKey("application.id"), nullable=False),
    Column("state", String(32), nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("ix_stay_case_id", "case_id"),
    Index("ix_stay_state_began_at", "state", "began_at"),
)

#: Written in the transaction that changes a subject, deleted by the planner that has looked at it.
changed = Table(
    "changed",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject_kind", String(8), nullable=False),
    Column("subject_id", Id, nullable=False),
)

#: How far a named reader has come: the planner per rule, `sync` per query.
cursor = Table(
    "cursor",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("at", Instant),
    Column("text", Text),
)

#: When each step of each rule was first in force (S44).
in_force = Table(
    "in_force",
    metadata,
    Column("rule", String(128), primary_key=True),
    Column("step", String(128), primary_key=True),
    Column("since", Instant, nullable=False),
)

# -------------------------------------------------------------------------------------------------- outbox

notification = Table(
    "notification",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rule", String(128), nullable=False),
    Column("step", String(128), nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("subject_kind", String(8), nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("cycle", String(200), nullable=False),
    Column("party_id", Id, ForeignKey("party.id"), nullable=False),
    Column("role", String(32), nullable=False),
    Column("in_place_of", Id),  # the holder for whom a guardian is told (S59, S60)
    Column("office_id", Id, ForeignKey("office.id"), nullable=False),
    Column("rule_digest", String(64), nullable=False),  # which version of the rule decided it: rule_version.digest
    Column("state", String(16), nullable=False),
    Column("reason", String(64)),
    Column("detail", Text),
    Column("moment", Instant, nullable=False),
    Column("useful_until", Instant),
    Column("urgent", Boolean, nullable=False),
    Column("capped", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False),  # an officer asked for it again: `resend`
    Column("next_attempt_at", Instant),  # when the outbox wants it looked at; NULL: it is over
    Column("offered_at", Instant),  # when the relay last rang for it
    Column("attempt", Integer, nullable=False),  # counts claims; the fence of every later write
    Column("rung", Integer, nullable=False),  # the rung to send next
    Column("rungs", Integer, nullable=False),  # how many its ladder has
    Column("tries", Integer, nullable=False),  # sends of this rung that failed for now
    Column("first_sent_at", Instant),
    Column("told_at", Instant),
    Column("settled_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint(
        "rule",
        "step",
        "occurrence",
        "subject_kind",
        "subject_id",
        "cycle",
        "party_id",
        name="uq_notification_cycle",
    ),
    Index("ix_notification_next_attempt_at", "next_attempt_at"),
    Index("ix_notification_subject", "subject_kind", "subject_id"),
    Index("ix_notification_party_id_first_sent_at", "party_id", "first_sent_at"),
)

#: What remains of a notification whose time is over: figures for the years, and nothing about a person.
past_notification = Table(
    "past_notification",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rule", String(128), nullable=False),
    Column("step", String(128), nullable=False),
    Column("rule_digest", String(64), nullable=False),
    Column("subject_kind", String(8), nullable=False),
    Column("office_id", Id, ForeignKey("office.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(64)),
    Column("moment", Instant, nullable=False),
    Column("told_at", Instant),
    Column("settled_at", Instant, nullable=False),
    Column("messages", Integer, nullable=False),  # how many left for it, over all channels
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("notification_id", Id, ForeignKey("notification.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("rung", Integer, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("address", String(320), nullable=False),
    Column("language", String(16), nullable=False),
    Column("template", String(128), nullable=False),
    Column("segments", Integer),
    Column("message", JSON),  # the message as it left: a repeat of an unknown attempt keeps its bytes (S66)
    Column(
        "letter", String(32)
    ),  # the form that its words come from, with `values` in `message`; else they stand there
    Column("state", String(16), nullable=False),
    Column("reason", String(64)),
    Column("code", String(16)),
    Column("detail", Text),
    Column("reference", String(128)),
    Column("attempted_at", Instant, nullable=False),
    Column("outcome_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Index("ix_delivery_notification_id", "notification_id"),
    Index("ix_delivery_reference", "reference"),
    Index("ix_delivery_address", "address"),
)

#: The words of e-mails with gaps for what is one person's or office's: what thousands of deliveries have in common.
letter = Table(
    "letter",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("form", JSON, nullable=False),  # of subject, text and HTML: pieces, and which value comes after each
    Column("used_on", Date, nullable=False),  # the last day (UTC) on which a delivery was written with it
)

#: The other notifications a delivery told besides its own: a digest, or one message for several documents (S77, S80).
delivery_member = Table(
    "delivery_member",
    metadata,
    Column("delivery_id", Id, ForeignKey("delivery.id"), primary_key=True),
    Column("notification_id", Id, ForeignKey("notification.id"), primary_key=True),
    Index("ix_delivery_member_notification_id", "notification_id"),
)

#: Raw and append-only: everything a provider ever said. On PostgreSQL one partition a month (`store/partitions.py`).
receipt = Table(
    "receipt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id),
    Column("provider", String(32), nullable=False),
    Column("reference", String(128)),
    Column("state", String(16)),
    Column("code", String(16)),
    Column("raw", JSON, nullable=False),
    Column("applied", Boolean, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index("ix_receipt_delivery_id", "delivery_id"),
    Index("ix_receipt_reference", "reference"),
)

#: Callbacks that were answered and are not receipts yet: as they came, a group in one row. Mostly it is empty.
callback = Table(
    "callback",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("forms", Text, nullable=False),  # JSON: [[delivery or null, form], ...]
    Column("set_aside", Boolean, nullable=False),  # could not become receipts; tried again when a web door starts
)

#: The story of a notification: one row for each thing that happened to it. On PostgreSQL one partition a month.
event = Table(
    "event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("notification_id", Id, nullable=False),  # no foreign key: the check would cost more than the row
    Column("at", Instant, nullable=False),
    Column("what", String(32), nullable=False),  # planned, moved, held, sent, delivered, cancelled, ...
    Column("reason", String(64)),
    Column("detail", Text),
    Index("ix_event_notification_id", "notification_id"),
)

suppression = Table(
    "suppression",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", String(16), nullable=False),
    Column("address", String(320), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("lifted_at", Instant),
    Index("ix_suppression_address", "address", "channel"),
)

#: One message of a person on one day; the unique key keeps the daily cap over all workers (S81).
cap_use = Table(
    "cap_use",
    metadata,
    Column("party_id", Id, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("notification_id", Id, nullable=False),
    Index("ix_cap_use_notification_id", "notification_id"),
)

#: One rule's messages of one office and day, where an officer has a word in it: `limit`, `approval`, or a plan that
#: was approved with the rules (S83, S84).
daily_batch = Table(
    "daily_batch",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rule", String(128), nullable=False),
    Column("office_id", Id, ForeignKey("office.id"), nullable=False),
    Column("day", Date, nullable=False),
    Column("state", String(16), nullable=False),  # open | held | approved | refused
    Column("reason", String(64)),  # why it is held: a word of Reason
    Column("due", Integer, nullable=False),  # messages of the day when it was last counted
    Column("let_out", Integer, nullable=False),  # how many of them have left
    Column("allowed", Integer),  # how many may leave without an officer
    Column("decided_by", Text),
    Column("decided_at", Instant),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("rule", "office_id", "day"),
)

#: Every version of every rule that ever decided; `notification.rule_digest` names one.
rule_version = Table(
    "rule_version",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("rule", String(128), nullable=False),
    Column("since", Instant, nullable=False),
    Column("text", Text, nullable=False),
)

#: Every set of rule files that was compared or applied, by the hash of its meaning.
rule_set = Table(
    "rule_set",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("files", JSON, nullable=False),  # name of the file -> its text
    Column("created_at", Instant, nullable=False),
)

#: What `rules diff` has worked out and shown; `rules apply` takes one of these. The newest applied one is in force.
rule_plan = Table(
    "rule_plan",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("old", String(64), nullable=False),  # rule_set.digest
    Column("new", String(64), ForeignKey("rule_set.digest"), nullable=False),
    Column("starts", Date, nullable=False),
    Column("ends", Date, nullable=False),
    Column("envelope", JSON, nullable=False),  # rule -> office code -> day -> messages
    Column("summary", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("applied_at", Instant),
    Column("applied_by", Text),
    Index("ix_rule_plan_applied_at", "applied_at"),
)

#: What a person at the office must look at: nothing ends in silence.
work_item = Table(
    "work_item",
    metadata,
    Column("id", Id, primary_key=True),
    Column("office_id", Id, ForeignKey("office.id"), nullable=False),
    Column("kind", String(32), nullable=False),  # undeliverable, expired, missing date, no address, channel stopped
    Column("key", String(200), nullable=False, unique=True),
    Column("subject_kind", String(8)),
    Column("subject_id", Id),
    Column("notification_id", Id),
    Column("note", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
)
