"""Addresses on the command line, brought into the form in which the register holds them."""

from notifier.errors import ConfigError
from notifier.intake.cells import CellFault
from notifier.intake.contacts import MobileReader, email_of
from notifier.model import Channel


def read_address(text: str, country: str) -> tuple[str, list[Channel]]:
    """The address, and the channels it can be of. Raises ConfigError for what is no address."""
    try:
        if "@" in text:
            return email_of(text) or text, [Channel.EMAIL]
        return MobileReader(country).read(text) or text, [Channel.WHATSAPP, Channel.SMS]
    except CellFault as fault:
        raise ConfigError(f"the address {fault}") from fault
