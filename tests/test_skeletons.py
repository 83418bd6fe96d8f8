"""A message filled into a skeleton is the message as it would be rendered, whatever the names are."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.errors import TemplateError
from notifier.messages.email import Words
from notifier.messages.envelope import Envelope
from notifier.messages.facts import MessageFacts, persons_of, with_persons
from notifier.messages.library import Source
from notifier.messages.masking import mask, short_name
from notifier.messages.samples import sample_facts, sample_scenes
from notifier.messages.skeleton import COMPARED_EACH, KEPT, Alike, Skeletons
from notifier.messages.templates import Templates
from notifier.model import Channel, DeliveryId, Message, Part

TEMPLATES = Templates.load(Path(__file__).parent.parent / "templates")
FRESH = Templates(TEMPLATES.library)
SHORT = [source for source in TEMPLATES.library.sources if source.channel is Channel.SMS]
ENVELOPE = Envelope(
    delivery_id=DeliveryId(1),
    to="+6281200000001",
    sender="IMIGRASI",
    message_id_domain="example.org",
    unsubscribe_url=None,
    unsubscribe_mailto=None,
    stable_key="1.sms",
    now=datetime(2026, 11, 24, 2, tzinfo=UTC),
)
LETTERS = [source for source in TEMPLATES.library.sources if source.channel is Channel.EMAIL]
SCENES = sample_scenes()
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=70),
    st.sampled_from(
        ["O'BRIEN & SONS", "<b>Ann</b>", "100%s {0}", "Li", "A | B", "# 1", "- x", "王伟", "a: b", "x  y", " s "]
    ),
    st.from_regex(r"[A-Z][a-z]{1,20} [A-Z][a-z']{1,20}", fullmatch=True),
)


def with_names(facts: MessageFacts, name: str, other: str, number: str) -> MessageFacts:
    return replace(
        facts,
        recipient=replace(facts.recipient, name=name),
        holder=replace(facts.holder, name=other, name_short=short_name(other)),
        document=replace(facts.document, number=number, number_masked=mask(number)) if facts.document else None,
        case=replace(facts.case, number=number, number_masked=mask(number)) if facts.case else None,
        office=replace(facts.office, name=f"Kantor Imigrasi {other}", phone="+6221" + number[:4], address=name),
    )


def rendered(source: Source, facts: MessageFacts) -> Words | str:
    try:
        return TEMPLATES._words(source, facts)
    except TemplateError as error:
        return str(error)


def sms(templates: Templates, source: Source, facts: MessageFacts) -> Message | str:
    """Of `FRESH` rendered in full: it has no skeletons."""
    if templates is FRESH:
        FRESH._skeletons = Skeletons("")
    try:
        return templates.compose(source.name, Channel.SMS, source.language, facts, ENVELOPE)
    except TemplateError as error:
        return str(error)


def filled(skeletons: Skeletons, source: Source, facts: MessageFacts) -> Words | str:
    try:
        return skeletons.words(source, Alike(facts), persons_of(facts), lambda facts: TEMPLATES._words(source, facts))
    except TemplateError as error:
        return str(error)


def warm(source: Source, scene: str) -> Skeletons:
    """Skeletons that have met the letter in this scene so often that it is filled in from now on."""
    skeletons = Skeletons("\n".join(text for text, _ in TEMPLATES.library.shared.values()))
    for number in range(4):
        facts = with_names(SCENES[scene], f"ANNA {number}X", f"BUDI {number}Y", f"2C11JE{number:04d}-X")
        filled(skeletons, source, facts)
    return skeletons


@pytest.mark.parametrize("source", LETTERS, ids=lambda source: f"{source.name}-{source.language}")
def test_every_shipped_letter_is_the_same_filled_in_as_rendered(source: Source) -> None:
    skeletons = Skeletons("\n".join(text for text, _ in TEMPLATES.library.shared.values()))
    chance = random.Random(source.path)
    names = ["SITI", "O'BRIEN & SONS", "<i>x</i>", "Łukasz-Żółć", "王伟", "A | B", "x: y", "N" * 60, "100% %s"]
    for _ in range(3):
        for facts in SCENES.values():
            told = with_names(facts, chance.choice(names), chance.choice(names), f"A{chance.randrange(10**6):06d}")
            assert filled(skeletons, source, told) == rendered(source, told)


@pytest.mark.parametrize("source", SHORT, ids=lambda source: f"{source.name}-{source.language}")
def test_every_shipped_sms_is_the_same_filled_in_as_rendered(source: Source) -> None:
    chance = random.Random(source.path)
    names = ["SITI", "O'BRIEN & SONS", "Łukasz-Żółć", "王伟", "A | B", "  x: y", "N" * 60, "MARIA DA SILVA"]
    for facts in SCENES.values():
        for _ in range(4):
            told = with_names(facts, chance.choice(names), chance.choice(names), f"A{chance.randrange(10**6):06d}")
            assert sms(TEMPLATES, source, told) == sms(FRESH, source, told)
    kept = TEMPLATES._skeletons._kept.items()
    assert any(made and key[0][0] == source.path for key, made in kept), "it was never filled in"  # type: ignore[index]


def test_all_shipped_letters_to_people_have_a_skeleton_and_lists_for_the_office_have_none() -> None:
    """The layout asks how long a cell of a list is."""
    without = {source.name for source in LETTERS if not any(warm(source, "usual")._kept.values())}
    assert without == {"case/collection-list", "officer/sla", "overstay/cliff", "overstay/list"}


@pytest.mark.parametrize("source", LETTERS[:4], ids=lambda source: f"{source.name}-{source.language}")
def test_letters_that_differ_in_their_persons_only_are_looked_at_once(source: Source) -> None:
    usual, alike = SCENES["usual"], Alike(SCENES["usual"])
    for name in ("SITI", "O'BRIEN & SONS", "A | B", "王伟", "100% %s", "x: y", "SITI"):
        told = with_persons(usual, persons_of(with_names(usual, name, name[::-1], "2C11JE0001-X")))
        words = _WARM[source.path].words(source, alike, persons_of(told), lambda one: TEMPLATES._words(source, one))
        assert words == rendered(source, told)
    assert len(alike.seen) == 1


@settings(max_examples=150, deadline=None)
@given(name=NAMES, other=NAMES, number=st.from_regex(r"[A-Z0-9]{4,12}(-[A-Z])?", fullmatch=True))
def test_any_name_reads_the_same(name: str, other: str, number: str) -> None:
    for source in LETTERS[:4]:
        facts = with_names(SCENES["usual"], name, other, number)
        assert filled(_WARM[source.path], source, facts) == rendered(source, facts)


_WARM = {source.path: warm(source, "usual") for source in LETTERS[:4]}


@pytest.mark.parametrize(
    "asks",
    [
        "{% if holder.name == 'BUDI' %}x{% endif %}",
        "{% if 'PT' in recipient.name %}x{% endif %}",
        "{{ holder.name | upper }}",
        "{{ holder.name | length }}",
        "{{ holder.name | first }}",
        "{% if holder.name > 'M' %}x{% endif %}",
    ],
)
def test_a_letter_that_asks_something_of_a_name_is_rendered_each_time(asks: str, tmp_path: Path) -> None:
    templates, source = one_letter(tmp_path, asks)
    for name in ("BUDI", "PT MAJU", "ZAHRA", "A", "N" * 50):
        facts = with_names(sample_facts(), name, name, "X0000123")
        for _ in range(3):
            words = templates._skeletons.words(
                source, Alike(facts), persons_of(facts), lambda one: templates._words(source, one)
            )
            assert words == templates._words(source, facts)
    assert not any(templates._skeletons._kept.values())


def test_a_skeleton_that_differs_from_its_text_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    source, facts = LETTERS[0], SCENES["usual"]
    skeletons = warm(source, "usual")
    (skeleton,) = [one for one in skeletons._kept.values() if one is not None]
    skeleton.form = replace(skeleton.form, text=Part(("another text",), ()))
    for _ in range(COMPARED_EACH + 1):
        last = filled(skeletons, source, with_names(facts, "ANNA 7X", "BUDI 7Y", "2C11JE0007-X"))
    assert last == rendered(source, with_names(facts, "ANNA 7X", "BUDI 7Y", "2C11JE0007-X"))
    assert "is given up" in caplog.text


def test_skeletons_do_not_grow_without_end() -> None:
    skeletons = Skeletons("")
    source = LETTERS[0]
    for number in range(3 * KEPT):
        facts = replace(SCENES["usual"], legal_basis=f"basis {number}", portal_url=f"https://p{number}.example")
        for _ in range(2):
            skeletons.words(source, Alike(facts), persons_of(facts), lambda _: Words("s", "t", "h", None))
    assert len(skeletons._kept) <= KEPT


def one_letter(folder: Path, asks: str) -> tuple[Templates, Source]:
    """A copy of the shipped templates with one letter more."""
    letter = folder / "own" / "letter"
    for path, (text, _) in TEMPLATES.library.shared.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    letter.mkdir(parents=True)
    text = f"Subject: A letter\n\nDear {{{{ recipient.name }}}}, {asks}\n"
    for language in ("id", "en"):
        (letter / f"email.{language}.txt").write_text(text, encoding="utf-8")
    templates = Templates.read(folder)
    return templates, next(source for source in templates.library.sources if source.language == "en")
