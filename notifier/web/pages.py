"""The page behind an opt-out link, in Indonesian and English. It shows nobody's name or address."""

from string import Template

from notifier.model import Channel

CHANNEL_NAMES = {Channel.WHATSAPP: "WhatsApp", Channel.SMS: "SMS", Channel.EMAIL: "e-mail"}

_FRAME = Template("""\
<!doctype html>
<html lang="id">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title</title>
<style>
body { font: 1.1rem/1.5 system-ui, sans-serif; color: #1b1b1b }
main { max-width: 34rem; margin: 3rem auto; padding: 0 1rem }
button { font: inherit; padding: .7rem 1.4rem; border: 0; border-radius: .4rem }
button { background: #14436f; color: #fff }
button:focus-visible { outline: 3px solid #e0a500; outline-offset: 2px }
[lang=en] { color: #555 }
</style>
</head>
<body>
<main>
<h1>$title</h1>
$body
</main>
</body>
</html>
""")

_ASK = Template("""\
<p>Anda tidak akan menerima pengingat lagi dari kantor imigrasi lewat $channel ini.</p>
<p lang="en">You will get no more reminders from the immigration office by $channel at this address.</p>
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">Berhenti <span aria-hidden="true">/</span> <span>Unsubscribe</span></button>
</form>""")

_DONE = Template("""\
<p>Selesai. Kami tidak mengirim pengingat lagi lewat $channel ini.
Masa berlaku dokumen Anda tetap berjalan.</p>
<p lang="en">Done. We send no more reminders by $channel at this address.
Your document still expires on its date.</p>""")

_UNKNOWN = """\
<p>Tautan ini tidak berlaku. Salin seluruh tautan dari pesan, lalu coba lagi.</p>
<p lang="en">This link is not valid. Copy the whole link from the message and try again.</p>"""

_LATER = """\
<p>Permintaan Anda belum tersimpan. Coba lagi beberapa menit lagi.</p>
<p lang="en">Your request is not stored yet. Please try again in a few minutes.</p>"""


def ask_page(channel: Channel) -> str:
    """Asks for the confirmation: a link alone may be opened by a mail scanner."""
    return _page("Berhenti menerima pengingat?", _ASK.substitute(channel=CHANNEL_NAMES[channel]))


def done_page(channel: Channel) -> str:
    """Says that no more messages will come."""
    return _page("Pengingat dihentikan", _DONE.substitute(channel=CHANNEL_NAMES[channel]))


def unknown_page() -> str:
    """For a token we never made; says nothing about why."""
    return _page("Tautan tidak berlaku", _UNKNOWN)


def later_page() -> str:
    """For a wish that could not be stored now."""
    return _page("Coba lagi nanti", _LATER)


def _page(title: str, body: str) -> str:
    return _FRAME.substitute(title=title, body=body)
