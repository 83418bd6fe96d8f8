"""Merge: which notifications leave as one message, and which of them words it (S77-S80). Pure."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from notifier.batch import Bundle
from notifier.calendar.office import OfficeCalendar
from notifier.model import Channel, Contact, Party, Reason
from notifier.rules.decision import Decision, Verdict
from notifier.rules.rule import Moves

FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Going:
    """A notification that leaves now, or may come along with one that does."""

    bundle: Bundle
    decision: Decision

    @property
    def starts(self) -> bool:
        """Whether it leaves now by itself, and this worker holds it."""
        return not self.bundle.is_companion and self.decision.verdict is Verdict.GOES

    @property
    def waits_to_fold(self) -> bool:
        return self.decision.reason is Reason.FOLD

    @property
    def party(self) -> Party:
        if self.decision.recipient is None:
            raise ValueError("what goes has a recipient")
        return self.decision.recipient.party

    @property
    def rank(self) -> tuple[bool, bool, datetime, int, int]:
        """Who words the message: the urgent, then the nearest end, then the later step (S80)."""
        rule, step = self.bundle.rule, self.decision.step
        order = next((place for place, one in enumerate(rule.steps) if one.name == step.name), 0) if rule else 0
        return self.waits_to_fold, not step.urgent, self.decision.useful_until or FAR, -order, self.bundle.claimed.id


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to be: the notification that words it, and the others that it tells."""

    leader: Going
    others: tuple[Going, ...] = ()

    @property
    def members(self) -> tuple[Going, ...]:
        return self.leader, *self.others

    @property
    def bundles(self) -> list[Bundle]:
        """All of them, each knowing whose words and channels it shares."""
        if not self.others:
            return [self.leader.bundle]
        return [replace(one.bundle, words_of=self.leader.decision.step.name) for one in self.members]

    @property
    def party(self) -> Party:
        """Who is written to: the leader's party, over any address of the household that is the same for all."""
        own = self.leader.party.contacts
        if not self.others and (len(own) < 2 or len({contact.channel for contact in own}) == len(own)):
            return self.leader.party
        contacts: dict[Channel, Contact] = {}
        for one in self.members:
            for contact in one.party.contacts:
                known = contacts.get(contact.channel)
                if known is None or (contact.usable and not known.usable):
                    contacts[contact.channel] = contact
        return replace(self.leader.party, contacts=tuple(contacts.values()))


def may_travel(one: Going, calendar: OfficeCalendar, today: date) -> bool:
    """Whether it leaves now, or comes along if another one does (S40, S80).

    A step of a day comes along with an earlier one of that day; one of an instant keeps its instant, a digest its
    slot. Those that shared a message before climb on together.
    """
    decision = one.decision
    if decision.verdict is Verdict.GOES or decision.verdict is Verdict.NOT:
        return decision.verdict is Verdict.GOES
    if one.bundle.deliveries or one.waits_to_fold:
        return True
    on_the_day = decision.is_day and decision.moment is not None and calendar.day_of(decision.moment) <= today
    return decision.reason is Reason.NOT_YET and on_the_day and not _in_a_digest(decision)


def parcels(travelling: Iterable[Going]) -> list[Parcel]:
    """The messages that leave now. What may only come along, and has nobody to come along with, is in none."""
    groups: dict[Hashable, list[Going]] = defaultdict(list)
    folding: list[Going] = []
    for one in travelling:
        if one.waits_to_fold and not one.bundle.deliveries:
            folding.append(one)
        else:
            groups[_key(one)].append(one)
    found = [parcel for group in groups.values() for parcel in _split(group)]
    return _fold(found, folding) if folding else found


def _key(one: Going) -> Hashable:
    claimed, decision = one.bundle.claimed, one.decision
    if one.bundle.deliveries:
        return claimed.rule, claimed.office_id, tuple(delivery.id for delivery in one.bundle.deliveries)
    if not _may_share(one):
        return claimed.id
    # What a digest lists, and what has changed, is said in its own words only.
    is_apart = _in_a_digest(decision) or isinstance(decision.step.send, Moves)
    return (*_story(one), decision.step.template if is_apart else "")


def _may_share(one: Going) -> bool:
    return not one.bundle.claimed.forced and one.bundle.rule is not None and not one.bundle.rule.separate


def _story(one: Going) -> tuple[Hashable, ...]:
    """The rule, the office and the person or household: strangers that share a number are neither (S80)."""
    claimed = one.bundle.claimed
    return claimed.rule, claimed.office_id, one.party.household or claimed.party_id


def _in_a_digest(decision: Decision) -> bool:
    return decision.step.digest is not None and not decision.step.urgent


def _split(group: Sequence[Going]) -> list[Parcel]:
    """A group as few messages: one, unless people of a household are reached at different addresses."""
    if len(group) == 1:
        return [Parcel(group[0])] if group[0].starts else []
    found: list[Parcel] = []
    left = sorted(group, key=lambda one: one.rank)
    while any(one.starts for one in left):
        together: list[Going] = []
        addresses: dict[Channel, str] = {}
        for one in left:
            own = _addresses(one.party)
            if not together or _are_one_door(addresses, own) or one.party.id == together[0].party.id:
                together.append(one)
                addresses = own | addresses
        told = {one.bundle.claimed.id for one in together}
        left = [one for one in left if one.bundle.claimed.id not in told]
        if any(one.starts for one in together):
            found.append(Parcel(together[0], tuple(together[1:])))
    return found


def _fold(found: Sequence[Parcel], folding: Sequence[Going]) -> list[Parcel]:
    """What waited for the next message of its rule to the same person is told in it (S40)."""
    result = []
    left = list(folding)
    for parcel in found:
        leader = parcel.leader
        told = [
            one
            for one in left
            if _may_share(one) and _may_share(leader) and not leader.bundle.deliveries
            if _story(one) == _story(leader)
            if one.party.id == leader.party.id or _are_one_door(_addresses(parcel.party), _addresses(one.party))
        ]
        taken = {one.bundle.claimed.id for one in told}
        left = [one for one in left if one.bundle.claimed.id not in taken]
        result.append(replace(parcel, others=(*parcel.others, *told)))
    return result


def _addresses(party: Party) -> dict[Channel, str]:
    return {contact.channel: contact.address for contact in party.contacts if contact.usable}


def _are_one_door(some: dict[Channel, str], others: dict[Channel, str]) -> bool:
    """Whether two people are reached in the same place: an address in common, and on no channel two different ones."""
    common = some.keys() & others.keys()
    return bool(common) and all(some[channel] == others[channel] for channel in common)
