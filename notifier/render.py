"""Render: from a decision and the register as it is now to the message that leaves; `preview` uses it too."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from notifier.calendar.office import OfficeCalendar
from notifier.messages.envelope import Envelope
from notifier.messages.facts import (
    CaseFacts,
    DocumentFacts,
    HolderFacts,
    ItemFacts,
    MessageFacts,
    OfficeFacts,
    Persons,
    RecipientFacts,
    persons_of,
)
from notifier.messages.masking import mask, short_name
from notifier.messages.skeleton import Alike
from notifier.messages.templates import Templates
from notifier.model import Channel, DeliveryId, Message, Office, Party, Subject, SubjectKind, Value
from notifier.rules.decision import Decision
from notifier.rules.facts import View, document_type
from notifier.rules.moments import anchor_value, deadline_day, deadline_instant
from notifier.rules.places import base_field
from notifier.rules.rule import Anchor, Rule, RuleSet
from notifier.rules.steps import anniversary_of

#: Makes the address of a one-click opt-out; "" where the office has no public address.
OptOutLink = Callable[[Party, Channel, str], str]

#: Stands in for the delivery of a preview, which has none.
NO_DELIVERY = DeliveryId(0)

#: So many kinds of messages are remembered; then all of them are forgotten.
REMEMBERED = 4096
#: Facts of a permit that every text may speak of, whatever its rule counts from.
SPOKEN_OF = (
    *("type", "expiry", "issue", "departure deadline", "appointment", "payment deadline"),
    *("collection deadline", "documents deadline", "service deadline"),
)
#: What else a text speaks of is counted from what stands behind these.
_COUNTED = (Anchor("deadline"), Anchor("window opens"), Anchor("anniversary"))


@dataclass(frozen=True, slots=True)
class _Kind:
    """Messages that differ in their persons only. It holds what its key knows by identity, so that this stays true."""

    alike: Alike
    of: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Senders:
    """Who a message comes from where the office names nobody of its own."""

    sms: str
    whatsapp: str
    email: str

    def of(self, channel: Channel, office: Office) -> str:
        match channel:
            case Channel.SMS:
                return office.sms_sender or self.sms
            case Channel.WHATSAPP:
                return office.whatsapp_sender or self.whatsapp
            case Channel.EMAIL:
                return office.email_sender or self.email


@dataclass(frozen=True, slots=True)
class Renderer:
    """Everything a text needs that is not in the register."""

    templates: Templates
    rules: RuleSet
    senders: Senders
    portal_url: str
    verify_url: str
    message_id_domain: str
    optout_link: OptOutLink
    _kinds: dict[Hashable, _Kind] = field(default_factory=dict, init=False, repr=False, compare=False)
    _bases: dict[Hashable, tuple[Rule, tuple[str, ...]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def render(
        self,
        rule: Rule,
        decision: Decision,
        subject: Subject,
        channel: Channel,
        address: str,
        *,
        calendar: OfficeCalendar,
        now: datetime,
        delivery_id: DeliveryId = NO_DELIVERY,
        stable_key: str = "preview",
        language: str | None = None,
        others: Sequence[Subject] = (),
    ) -> tuple[Message, str]:
        """The message and its language; `others` are what it speaks of besides (S80).

        Raises TemplateError when the text cannot be made from the facts.
        """
        recipient = decision.recipient
        if recipient is None:
            raise ValueError("a message needs a recipient")
        template = decision.step.template
        wanted = language or recipient.party.language
        chosen = self.templates.choose_language(template, channel, wanted, recipient.party.nationality)
        link = self.optout_link(recipient.party, channel, address)
        if others or subject.kind is not SubjectKind.PERMIT:
            facts = self.facts(
                rule, decision, subject, chosen, calendar=calendar, now=now, optout_url=link, others=others
            )
            alike, persons = Alike(facts), persons_of(facts)
        else:
            alike = self._alike(rule, decision, subject, chosen, calendar, now)
            name, number = _name_of(subject), subject.number
            persons = Persons(recipient.party.name, name, short_name(name), number, mask(number), optout_url=link)
        envelope = Envelope(
            delivery_id=delivery_id,
            to=address,
            sender=self.senders.of(channel, subject.office),
            message_id_domain=self.message_id_domain,
            unsubscribe_url=link or None,
            unsubscribe_mailto=None,
            stable_key=stable_key,
            now=now,
        )
        return self.templates.compose_alike(template, channel, chosen, alike, persons, envelope), chosen

    def _alike(
        self, rule: Rule, decision: Decision, permit: Subject, language: str, calendar: OfficeCalendar, now: datetime
    ) -> Alike:
        """What a message about a permit shares with others; worked out for the first of its kind."""
        recipient, facts = decision.recipient, permit.facts
        assert recipient is not None
        bases = self._bases_of(rule, permit)
        of = (rule, decision.step, calendar)
        key = (
            *map(id, of),
            calendar.day_of(now),
            language,
            recipient.role,
            recipient.party.kind,
            decision.occurrence if rule.anniversary else None,
            permit.holder and permit.holder.birth_date if "birth date" in bases else None,
            *[facts.get(word) for word in bases],
        )
        kind = self._kinds.get(key)
        if kind is None:
            told = self.facts(rule, decision, permit, language, calendar=calendar, now=now, optout_url="")
            if len(self._kinds) >= REMEMBERED:
                self._kinds.clear()
            kind = self._kinds[key] = _Kind(Alike(told), of)
        return kind.alike

    def _bases_of(self, rule: Rule, permit: Subject) -> tuple[str, ...]:
        """The words of the facts that a text about such a permit may depend on."""
        office, kind = permit.office.code, permit.facts.get("type")
        key = (id(rule), office, kind)
        known = self._bases.get(key)
        if known is None:
            counted = (base_field(anchor, office, document_type(permit), self.rules, rule) for anchor in _COUNTED)
            known = self._bases[key] = rule, tuple(dict.fromkeys([*SPOKEN_OF, *filter(None, counted)]))
        return known[1]

    def facts(
        self,
        rule: Rule,
        decision: Decision,
        subject: Subject,
        language: str,
        *,
        calendar: OfficeCalendar,
        now: datetime,
        optout_url: str,
        others: Sequence[Subject] = (),
    ) -> MessageFacts:
        """What the text may speak of, true at the moment of sending (S34, S66)."""
        if decision.recipient is None:
            raise ValueError("a message needs a recipient")
        view = View(subject, now, calendar, self.rules, rule)
        party, zone = decision.recipient.party, calendar.zone
        name = _name_of(subject)
        act_by = deadline_day(rule, view.dates, calendar, self.rules)
        about = _date_about(subject) or act_by
        opens = (
            anchor_value(Anchor("window opens"), view.dates, calendar, self.rules, rule)
            if view.dates.document_type
            else None
        )
        return MessageFacts(
            office=_office(calendar, view.today),
            recipient=RecipientFacts(party.name, party.kind, decision.recipient.role),
            holder=HolderFacts(name, short_name(name)),
            document=self._document(subject, language),
            case=_case(subject),
            today=view.today,
            act_by=act_by or about,
            days_left=(about - view.today).days if about else None,
            opens_on=opens if isinstance(opens, date) else None,
            deadline_at=_on_clock(deadline_instant(rule, view.dates, calendar, self.rules), zone),
            appointment_at=_on_clock(subject.facts.get("appointment"), zone),
            payment_due_at=_on_clock(subject.facts.get("payment deadline"), zone),
            collect_by=_day(subject.facts.get("collection deadline")),
            documents_due_on=_day(subject.facts.get("documents deadline")),
            service_due_on=_day(subject.facts.get("service deadline")),
            anniversary_on=self._anniversary(rule, decision, view),
            portal_url=self.portal_url,
            verify_url=self.verify_url,
            optout_url=optout_url,
            step=decision.step.name,
            rule=rule.name,
            urgent=decision.step.urgent,
            legal_basis=rule.legal_basis,
            others=tuple(
                self._item(rule, other, language, calendar, now) for other in _without_repeats(subject, others)
            ),
        )

    def _anniversary(self, rule: Rule, decision: Decision, view: View) -> date | None:
        """The date of its series of years that the step counts from (S15)."""
        if rule.anniversary is None:
            return None
        number = anniversary_of(decision.occurrence)
        dates = replace(view.dates, anniversary=number)
        value = anchor_value(Anchor("anniversary"), dates, view.calendar, self.rules, rule)
        return value if isinstance(value, date) else None

    def _item(self, rule: Rule, subject: Subject, language: str, calendar: OfficeCalendar, now: datetime) -> ItemFacts:
        view = View(subject, now, calendar, self.rules, rule)
        name = _name_of(subject)
        act_by = deadline_day(rule, view.dates, calendar, self.rules)
        return ItemFacts(
            HolderFacts(name, short_name(name)),
            self._document(subject, language),
            _case(subject),
            act_by or _date_about(subject),
            _due_at(subject, calendar.zone),
        )

    def _document(self, subject: Subject, language: str) -> DocumentFacts | None:
        if subject.kind is not SubjectKind.PERMIT:
            return None
        kind = str(subject.facts.get("type"))
        known = self.rules.documents.get(kind)
        label = known.labels.get(language) or known.labels.get("en") or kind if known else kind
        return DocumentFacts(
            type=kind,
            label=label,
            number=subject.number,
            number_masked=mask(subject.number),
            expires_on=_day(subject.facts.get("expiry")),
            issued_on=_day(subject.facts.get("issue")),
        )


@lru_cache(maxsize=2048)
def _office(calendar: OfficeCalendar, today: date) -> OfficeFacts:
    office = calendar.office
    return OfficeFacts(
        name=office.name,
        phone=office.phone,
        address=office.address,
        website=office.website,
        hours_today=f"{office.opens_at:%H.%M}-{office.closes_at:%H.%M}",
        zone_label=zone_label(calendar, today),
    )


def zone_label(calendar: OfficeCalendar, day: date) -> str:
    """WIB, WITA, WIT, or what the zone calls itself."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=calendar.zone).strftime("%Z")


def _name_of(subject: Subject) -> str:
    return subject.holder.name if subject.holder else subject.number


def _case(subject: Subject) -> CaseFacts | None:
    if subject.kind is not SubjectKind.CASE:
        return None
    return CaseFacts(
        number=subject.number,
        number_masked=mask(subject.number),
        service=str(subject.facts.get("service")),
        state=str(subject.facts.get("state")),
    )


def _without_repeats(first: Subject, others: Sequence[Subject]) -> list[Subject]:
    """Each once: several steps about one permit are one line of the list."""
    if not others:
        return []
    known = {(first.kind, first.id)}
    found = []
    for one in others:
        if (one.kind, one.id) not in known:
            known.add((one.kind, one.id))
            found.append(one)
    return found


#: The date an application is about, by the state it is in.
DUE = {
    "scheduled": "appointment",
    "awaiting payment": "payment deadline",
    "documents required": "documents deadline",
    "ready for collection": "collection deadline",
}


def _due_at(subject: Subject, zone: ZoneInfo) -> date | datetime | None:
    if subject.kind is not SubjectKind.CASE:
        return None
    value = subject.facts.get(DUE.get(str(subject.facts.get("state")), "service deadline"))
    return _on_clock(value, zone) or _day(value)


def _date_about(subject: Subject) -> date | None:
    """The date a permit's text counts its days to: the last day of the stay."""
    if subject.kind is SubjectKind.CASE:
        return None
    return _day(subject.facts.get("expiry")) or _day(subject.facts.get("departure deadline"))


def _day(value: Value) -> date | None:
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _on_clock(value: Value, zone: ZoneInfo) -> datetime | None:
    return value.astimezone(zone) if isinstance(value, datetime) else None
