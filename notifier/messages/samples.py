"""Invented facts that every template must survive: long names, last days, sponsors, merged documents, bare offices."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from notifier.messages.envelope import Envelope
from notifier.messages.facts import (
    CaseFacts,
    DocumentFacts,
    HolderFacts,
    ItemFacts,
    MessageFacts,
    OfficeFacts,
    RecipientFacts,
)
from notifier.messages.masking import mask, short_name
from notifier.model import Channel, DeliveryId

_WIB = timezone(timedelta(hours=7), "WIB")
_TODAY = date(2027, 2, 13)
_ACT_BY = date(2027, 3, 12)
_EXPIRY = date(2027, 3, 15)
_LONG_NAME = "MUHAMMADFIRDAUS ABDURRAHMAN WAHID HIDAYATULLAH BIN KARTAWIJAYA"


def sample_envelope(channel: Channel) -> Envelope:
    """An envelope to nobody."""
    return Envelope(
        delivery_id=DeliveryId(1),
        to="budi@post.example" if channel is Channel.EMAIL else "+6281200000001",
        sender="pengingat@kanim.example" if channel is Channel.EMAIL else "IMIGRASI",
        message_id_domain="kanim.example",
        stable_key="sample-1",
        now=datetime(2027, 2, 13, 2, 0, tzinfo=UTC),
        unsubscribe_url="https://pengingat.example/u/sample",
        unsubscribe_mailto="berhenti@kanim.example",
    )


def sample_facts() -> MessageFacts:
    """One ordinary message with every fact there is."""
    return MessageFacts(
        office=OfficeFacts(
            name="Kantor Imigrasi Kelas I Khusus Non TPI Jakarta Barat",
            phone="+62 21 0000 0000",
            address="Jalan Contoh 1, Jakarta Barat",
            website="https://jakartabarat.imigrasi.go.id",
            hours_today="08.00-15.00 WIB",
            zone_label="WIB",
        ),
        recipient=RecipientFacts(name="WANG XIAOMING"),
        holder=_holder("WANG XIAOMING"),
        today=_TODAY,
        document=_document("2D21XX0000-Z"),
        case=CaseFacts("JB-2027-000123", mask("JB-2027-000123"), "limited stay permit extension", "scheduled"),
        act_by=_ACT_BY,
        days_left=(_EXPIRY - _TODAY).days,
        opens_on=date(2027, 2, 13),
        deadline_at=datetime(2027, 3, 12, 15, 0, tzinfo=_WIB),
        appointment_at=datetime(2027, 3, 12, 9, 0, tzinfo=_WIB),
        payment_due_at=datetime(2027, 3, 12, 11, 0, tzinfo=_WIB),
        collect_by=date(2027, 3, 14),
        documents_due_on=date(2027, 3, 12),
        service_due_on=date(2027, 3, 12),
        anniversary_on=_EXPIRY,
        portal_url="https://evisa.imigrasi.go.id",
        verify_url="https://www.imigrasi.go.id",
        optout_url="https://pengingat.example/u/sample",
        survey_url="https://survei.example/jakartabarat",
        step="opens",
        rule="itas-extension",
        legal_basis="public service",
    )


def sample_scenes() -> Mapping[str, MessageFacts]:
    """By name, the situations `check` renders every template in; all but the first with the longest values."""
    usual = sample_facts()
    long = replace(
        usual,
        office=replace(usual.office, name="Kantor Imigrasi Kelas II TPI Bangka Belitung"),
        recipient=RecipientFacts(_LONG_NAME),
        holder=_holder(_LONG_NAME),
    )
    others = tuple(
        ItemFacts(
            _holder(f"ANAK {number} {_LONG_NAME[:40]}"), _document(f"2D21XX000{number}-Z"), long.case, _ACT_BY, _ACT_BY
        )
        for number in range(1, 5)
    )
    desk = RecipientFacts("Seksi Intelijen dan Penindakan Keimigrasian", "desk", "enforcement desk")
    company = RecipientFacts("PT MAJU JAYA SEJAHTERA ABADI INTERNASIONAL", "organisation", "sponsor")
    bare = replace(usual.office, phone=None, address=None, website=None, hours_today=None, zone_label="")
    return {
        "usual": usual,
        "long names": long,
        "sixty days ahead": replace(long, today=date(2027, 1, 14), days_left=60, step="prepare", opens_on=_TODAY),
        "the day before the last": replace(long, today=date(2027, 3, 11), days_left=4, step="day-before-last"),
        "the last day": replace(long, today=_ACT_BY, days_left=3, step="last-day", urgent=True),
        "the very day": replace(long, today=_EXPIRY, act_by=_EXPIRY, days_left=0, urgent=True, collect_by=_EXPIRY),
        "a sponsor": replace(long, recipient=company),
        "a guardian": replace(long, recipient=RecipientFacts(_LONG_NAME, "person", "guardian")),
        "an agent": replace(long, recipient=RecipientFacts("BIRO JASA CONTOH", "organisation", "agent")),
        "several documents": replace(long, others=others),
        "several documents, last day": replace(long, others=others, today=_ACT_BY, days_left=3, urgent=True),
        "two documents": replace(long, others=others[:1]),
        "after the end": replace(long, today=date(2027, 3, 18), days_left=-3, act_by=date(2027, 5, 13)),
        "after the end, several": replace(long, others=others, today=date(2027, 3, 18), act_by=date(2027, 5, 13)),
        "a desk with a list": replace(long, recipient=desk, others=others, optout_url=""),
        "with consent": replace(long, legal_basis="consent"),
        "a bare office": replace(
            long,
            office=bare,
            act_by=None,
            days_left=None,
            opens_on=None,
            anniversary_on=None,
            service_due_on=None,
            optout_url="",
            survey_url="",
            step="",
        ),
        "an Indonesian passport": replace(
            long,
            document=replace(_document("X0000123"), type="passport", label="Paspor"),
            case=replace(usual.case, service="passport") if usual.case else None,
        ),
        "foreign letters": replace(long, holder=_holder("Łukasz-Żółć Ødegård 王伟"), recipient=RecipientFacts("王伟")),
    }


def _holder(name: str) -> HolderFacts:
    return HolderFacts(name, short_name(name))


def _document(number: str) -> DocumentFacts:
    return DocumentFacts("ITAS", "Izin Tinggal Terbatas (ITAS)", number, mask(number), _EXPIRY, date(2026, 3, 16))
