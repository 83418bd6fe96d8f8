"""Twins that ship with the program: carriers and providers that do as they are told, and makers of records."""

from notifier.testing.makers import (
    a_case_subject,
    a_contact,
    a_party,
    a_permit_subject,
    a_whatsapp_message,
    an_email_message,
    an_office,
    an_sms_message,
)
from notifier.testing.memory import MemoryCarrier
from notifier.testing.smtp import ReceivedMail, ScriptedSmtp, SmtpScript
from notifier.testing.twilio import ReceivedRequest, ScriptedTwilio, TwilioAnswer

__all__ = [
    "MemoryCarrier",
    "ReceivedMail",
    "ReceivedRequest",
    "ScriptedSmtp",
    "ScriptedTwilio",
    "SmtpScript",
    "TwilioAnswer",
    "a_case_subject",
    "a_contact",
    "a_party",
    "a_permit_subject",
    "a_whatsapp_message",
    "an_email_message",
    "an_office",
    "an_sms_message",
]
