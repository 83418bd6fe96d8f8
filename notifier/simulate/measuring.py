"""How many parts an SMS has: real texts of real people are written and counted, not guessed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from notifier.calendar.office import OfficeCalendar
from notifier.errors import TemplateError
from notifier.model import Channel, Office, Party, Reason, SmsMessage, Subject, SubjectKind
from notifier.render import Renderer
from notifier.rules.decision import Decision, Verdict
from notifier.rules.recipients import Recipient
from notifier.rules.rule import Rule
from notifier.simulate.tally import SmsSample
from notifier.store.subjects import read_offices, read_parties, read_subjects

#: (rule, step, language) -> the parts of an SMS on average.
Parts = Mapping[tuple[int, int, str], float]
#: Stands in for an address: a text does not depend on it.
NO_ADDRESS = "+620000000000"


def sms_parts(
    connection: Connection,
    rules: Sequence[Rule],
    samples: Mapping[tuple[int, int, str], Sequence[SmsSample]],
    renderer: Renderer,
    calendar_of: Callable[[Office], OfficeCalendar],
) -> Parts:
    """The average parts of each step's SMS in each language; one where no text can be made."""
    subjects = _subjects(connection, [one for few in samples.values() for one in few])
    parties = read_parties(connection, {one.party_id for few in samples.values() for one in few})
    found: dict[tuple[int, int, str], float] = {}
    for (number, step, language), few in samples.items():
        counts = []
        for one in few:
            subject, party = subjects.get((one.kind, one.subject_id)), parties.get(one.party_id)
            if subject is not None and party is not None:
                calendar = calendar_of(subject.office)
                counts += _parts(renderer, rules[number], step, subject, party, one, language, calendar)
        found[number, step, language] = sum(counts) / len(counts) if counts else 1.0
    return found


def _subjects(connection: Connection, samples: Iterable[SmsSample]) -> Mapping[tuple[SubjectKind, int], Subject]:
    ids: dict[SubjectKind, set[int]] = defaultdict(set)
    for one in samples:
        ids[one.kind].add(one.subject_id)
    offices = read_offices(connection)
    return {
        (kind, key): subject
        for kind, wanted in ids.items()
        for key, subject in read_subjects(connection, kind, wanted, offices).items()
    }


def _parts(
    renderer: Renderer,
    rule: Rule,
    step: int,
    subject: Subject,
    party: Party,
    sample: SmsSample,
    language: str,
    calendar: OfficeCalendar,
) -> list[int]:
    recipient = Recipient(party, sample.role)
    decision = Decision(rule.name, rule.steps[step], Verdict.GOES, Reason.GOES, recipient=recipient, moment=sample.at)
    try:
        message, _ = renderer.render(
            rule,
            decision,
            subject,
            Channel.SMS,
            NO_ADDRESS,
            calendar=calendar,
            now=sample.at,
            language=language,
        )
    except TemplateError:
        return []
    return [message.segments] if isinstance(message, SmsMessage) else []
