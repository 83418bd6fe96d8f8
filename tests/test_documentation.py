"""The documents say what the program does: every name is there, every example is valid, every link leads somewhere."""

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click
import pytest

from notifier.calendar.data import parse_calendar
from notifier.casts import in_words
from notifier.cli import main
from notifier.config import FILE_VARIABLE, SYNC_VARIABLE, Settings, list_settings
from notifier.intake.columns import COLUMNS, REQUIRED, Kind
from notifier.intake.sync import sync_queries
from notifier.messages.facts import DocumentFacts, HolderFacts, MessageFacts, OfficeFacts, RecipientFacts
from notifier.messages.samples import sample_envelope
from notifier.messages.templates import Templates
from notifier.model import (
    DELIVERY_MOVES,
    NOTIFICATION_MOVES,
    Action,
    Channel,
    DeliveryState,
    EmailMessage,
    NotificationState,
    Reason,
)
from notifier.rules.fields import FIELDS
from notifier.rules.load import check_rules, load_rules
from notifier.rules.reference import phrases_section, words_section
from notifier.rules.words import RULE_KEYS, STEP_KEYS

HERE = Path(__file__).parent.parent
DOCS = HERE / "docs"
PAGES = sorted([HERE / "README.md", HERE / "CHANGELOG.md", *DOCS.glob("*.md")])
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")
OPERATING = (DOCS / "operating.md").read_text(encoding="utf-8")
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
AUTHORING = (DOCS / "authoring-rules.md").read_text(encoding="utf-8")
RULES = load_rules(HERE / "rules")
#: Beside the rules, and none themselves.
DATA_FILES = ("windows.yaml", "documents.yaml", "calendar.yaml")


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its whole name."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield " ".join(path), command


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """The cells of the table under a heading, by the first cell without its marks."""
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = {}
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found[cells[0].replace("`", "").replace("**", "")] = cells
    return found


def blocks(page: str) -> list[str]:
    """The YAML examples of a page."""
    return re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)


def named(text: str) -> set[str]:
    """What stands between backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


# ------------------------------------------------------------------------------------------------ reference


@pytest.mark.parametrize(("name", "command"), list(commands(main)), ids=[name for name, _ in commands(main)])
def test_every_command_is_in_the_reference_with_its_help_and_all_its_options(name: str, command: click.Command) -> None:
    lines = [line for line in REFERENCE.splitlines() if line.startswith(f"| `notifier {name}`")]
    assert len(lines) == 1, f"name `notifier {name}` once in the table of commands"
    line = lines[0].replace(r"\|", "|")
    first = " ".join((command.help or "").split("\n\n")[0].split())
    assert first in line, f"the help of {name} has changed to: {first}"
    options = {name for one in command.params if isinstance(one, click.Option) for name in one.opts}
    assert {word for word in named(line) if word.startswith("-")} == options


def test_no_page_speaks_of_a_command_or_option_that_is_not_there() -> None:
    known = dict(commands(main))
    groups = {name.split()[0] for name in known if " " in name}
    for page in PAGES:
        for called in re.findall(r"(?:^|[`/ $])notifier ((?:-[^`\n]*|[a-z][^`\n]*))", _code(page), re.MULTILINE):
            words = called.split()
            while words and words[0].startswith("--"):
                words = words[2:] if words[0] == "--config" else words[1:]  # --debug and the like stand alone
            if not words:
                continue
            name = " ".join(words[:2]) if words[0] in groups and len(words) > 1 else words[0]
            assert name in known or name in groups or words[0] == "COMMAND", f"{page.name}: notifier {called}"
            if name in known:
                options = {word for one in known[name].params for word in (*one.opts, *one.secondary_opts)}
                wrong = {word for word in words if re.fullmatch(r"--[a-z-]+", word)} - options - {"--help"}
                assert not wrong, f"{page.name}: notifier {called}"


def _code(page: Path) -> str:
    """The fenced blocks and the words between backticks, one a line."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*fenced, *inline])


def test_every_setting_is_in_the_reference_with_its_variable_default_and_meaning() -> None:
    table = rows(REFERENCE, "Settings")
    table.pop("setting")
    assert list(table) == [setting.name for setting in list_settings()]
    for setting in list_settings():
        _, variable, default, about = table[setting.name]
        assert variable == f"`{setting.variable}`"
        assert default.strip("`") == (in_words(setting.default) or "empty"), setting.name
        assert about == setting.about, setting.name


def test_no_page_names_a_variable_that_is_not_read() -> None:
    known = {setting.variable for setting in list_settings()} | {FILE_VARIABLE, SYNC_VARIABLE}
    for page in PAGES:
        assert set(re.findall(r"NOTIFIER_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8"))) <= known, page.name
    assert FILE_VARIABLE in REFERENCE
    assert SYNC_VARIABLE in REFERENCE


def test_every_reason_and_action_is_in_the_reference() -> None:
    reasons = rows(REFERENCE, "Reasons")
    assert set(reasons) - {"reason"} == {reason.value for reason in Reason}
    assert all(all(cells) for cells in reasons.values())
    actions = rows(REFERENCE, "What an error code asks of us")
    assert set(actions) - {"action"} == {action.value for action in Action}


def test_every_field_is_in_the_reference() -> None:
    table = rows(REFERENCE, "Fields of rules")
    assert set(table) - {"field", "attributes.NAME"} == set(FIELDS)
    for field in FIELDS.values():
        assert table[field.name][2:] == [str(field.type), "yes" if field.anchor else ""]


def test_every_rule_file_is_in_the_reference_with_its_steps() -> None:
    table = rows(REFERENCE, "Rules that ship")
    table.pop("file")
    assert set(table) == {f"rules/{file.name}" for file in (HERE / "rules").glob("*.yaml")}
    for rule in RULES.rules:
        cells = table[f"rules/{Path(rule.file).name}"]
        assert cells[1] == rule.title
        assert named(cells[2]) == {step.name for step in rule.steps}
    assert {f"rules/{name}" for name in DATA_FILES} <= set(table)


def test_every_target_of_make_is_in_the_reference() -> None:
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")
    targets = dict(re.findall(r"^([a-z]+):.*## (.*)$", makefile, re.MULTILINE))
    table = rows(REFERENCE, "Targets of make")
    table.pop("target")
    assert {name: cells[1] for name, cells in table.items()} == {
        f"make {target}": about for target, about in targets.items()
    }


# --------------------------------------------------------------------------------------------- architecture


def test_every_state_is_explained_with_the_moves_it_has() -> None:
    section = rows(ARCHITECTURE, "The life of a notification")
    for moves in (NOTIFICATION_MOVES, DELIVERY_MOVES):
        for state, targets in moves.items():
            may = re.sub(r"\(.*?\)", "", section_of(state, len(moves), section))
            if may == "any other":
                assert {target.value for target in targets} == {other.value for other in moves if other != state}
            elif may == "nothing":
                assert not targets
            else:
                assert named(may) == {target.value for target in targets}, state


def section_of(state: str, size: int, section: dict[str, list[str]]) -> str:
    """The last cell of a state; `delivered` is a state of both, and the second table wins in `section`."""
    if state == "delivered" and size == len(NotificationState):
        return ARCHITECTURE.split("| `delivered` |", 1)[1].split("\n", 1)[0].rstrip("| ").rpartition("| ")[2]
    return section[state][2]


def test_every_state_is_named_where_people_look_first() -> None:
    readme = named((HERE / "README.md").read_text(encoding="utf-8"))
    assert {state.value for state in (*NotificationState, *DeliveryState)} <= readme


def test_the_rooms_are_those_of_the_import_plan() -> None:
    plan = ast.parse((HERE / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    table = next(
        node.value
        for node in plan.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "KNOWS"
    )
    assert isinstance(table, ast.Dict)
    knows = {
        key.value: {item.value for item in getattr(value, "elts", ()) if isinstance(item, ast.Constant)}
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    rooms = rows(ARCHITECTURE, "Rooms")
    rooms.pop("room")
    assert list(rooms) == list(knows)
    assert {room: named(cells[2]) for room, cells in rooms.items()} == knows


def test_every_dependency_has_its_reason() -> None:
    project = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    wanted = re.findall(r'^    "([a-z0-9-]+)', project.split("dependencies = [", 1)[1].split("\n]", 1)[0], re.MULTILINE)
    table = ", ".join(rows(ARCHITECTURE, "Dependencies")).split(", ")
    assert set(table) - {"library"} == set(wanted)


# -------------------------------------------------------------------------------------- rules and templates


@pytest.mark.parametrize("block", blocks(AUTHORING) + blocks((HERE / "README.md").read_text(encoding="utf-8")))
def test_every_example_of_a_rule_or_data_file_is_valid(block: str, tmp_path: Path) -> None:
    name = re.match(r"(?:rule: |# rules/)([a-z-]+)", block)
    assert name is not None, "an example begins with `rule: NAME` or `# rules/NAME.yaml`"
    if name[1] == "calendar":
        parse_calendar(block)
        return
    for data in DATA_FILES if block.startswith("rule: ") else ():
        (tmp_path / data).write_text((HERE / "rules" / data).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / f"{name[1]}.yaml").write_text(block, encoding="utf-8")
    _, faults, warnings = check_rules([tmp_path / f"{name[1]}.yaml"], known=None)
    assert [str(fault) for fault in (*faults, *warnings)] == []


def test_the_first_rule_a_reader_sees_has_twelve_lines() -> None:
    assert len(blocks((HERE / "README.md").read_text(encoding="utf-8"))[0].splitlines()) == 12


def test_every_key_of_the_language_is_in_the_guide() -> None:
    assert {*RULE_KEYS, *STEP_KEYS} <= named(AUTHORING)


def test_the_words_and_phrases_of_the_language_page_are_those_of_the_engine() -> None:
    page = (DOCS / "language.md").read_text(encoding="utf-8")
    assert words_section() in page
    assert phrases_section() in page


@pytest.mark.parametrize(("letter", "last"), [("S", 94), ("V", 27)])
def test_every_sentence_and_vector_stands_once_in_the_language_page(letter: str, last: int) -> None:
    page = (DOCS / "language.md").read_text(encoding="utf-8")
    found = re.findall(rf"^(?:- \*\*|\| ){letter}(\d+)\b", page, re.MULTILINE)
    assert [int(number) for number in found] == list(range(1, last + 1))


# ---------------------------------------------------------------------------------------- operating and all


@pytest.mark.parametrize("kind", list(Kind))
def test_every_column_and_its_other_names_are_in_the_guide(kind: Kind) -> None:
    section = OPERATING.split(f"\n**{kind}**", 1)[1].split("\n**", 1)[0]
    for column, others in COLUMNS[kind].items():
        marked = f"**`{column}`**" if column in REQUIRED[kind] else f"`{column}`"
        assert marked in section, column
        if others:
            assert re.search(rf"`{column}`(\*\*)? \({re.escape(', '.join(others))}\)", section), column


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", OPERATING, re.DOTALL))
def test_every_example_of_settings_is_read(block: str, tmp_path: Path) -> None:
    file = tmp_path / "notifier.toml"
    file.write_text(block, encoding="utf-8")
    settings = Settings.load({}, file)
    assert not settings.sync or sync_queries(settings.sync)


@pytest.mark.parametrize(
    "kind", ["undeliverable", "expired", "missing date", "channel stopped", "unclear reply", "held batch"]
)
def test_every_kind_of_work_item_says_what_to_do(kind: str) -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (HERE / "notifier").rglob("*.py"))
    assert f'"{kind}"' in source
    assert f"| `{kind}` |" in OPERATING
    assert f"| `{kind}` |" in (DOCS / "panduan.md").read_text(encoding="utf-8")


def test_the_texts_in_the_readme_are_those_that_leave() -> None:
    templates = Templates.load(HERE / "templates")
    document = DocumentFacts("passport", "Paspor", "X00000244", "xxxx0244", expires_on=date(2027, 8, 24))
    name = "Yohana Lestari"
    facts = MessageFacts(
        office=OfficeFacts("Kantor Imigrasi Ambon"),
        recipient=RecipientFacts(name),
        holder=HolderFacts(name, "Yohana L."),
        today=date(2026, 11, 24),
        document=document,
    )
    readme = (HERE / "README.md").read_text(encoding="utf-8").replace("<br>", "").replace("\n> ", "\n")
    for channel in (Channel.SMS, Channel.WHATSAPP):
        message = templates.compose("passport/renewal", channel, "id", facts, sample_envelope(channel))
        assert not isinstance(message, EmailMessage)
        assert message.text in readme


def anchors(page: Path) -> set[str]:
    """The places of a page that a link may name."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, place = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.is_file(), f"{page.name}: {target}"
        assert not place or place in anchors(found), f"{page.name}: {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)", (HERE / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} <= linked


def test_the_picture_is_small_enough_to_clone() -> None:
    assert (DOCS / "inbox.png").stat().st_size < 300_000
