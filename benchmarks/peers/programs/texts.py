"""The message of every peer: a text and an HTML part, rendered with jinja2 and built with EmailMessage; about 4 kB."""

from email.message import EmailMessage
from email.utils import make_msgid

from jinja2 import Environment, StrictUndefined

TEXT = """Dear {{ name }},

your {{ document }} with the number {{ number }} ends on {{ expiry }}. Please apply for its extension before that day.

What you need: your passport, the present permit, a letter of your sponsor, the receipt of the payment.
Where: {{ office }}, from eight to three o'clock on working days.
How: on the portal, https://portal.imigrasi.example, or at the counter.

If you have already applied, you need not do anything. If you have left the country, please tell us.

Check that this message is genuine: https://imigrasi.example/cek. You get this message because your document is
registered with our office. Officers never ask for money, passwords or codes in a message.

No more messages: https://imigrasi.example/u/{{ number }}

{{ office }}
"""
ROW = '<tr><td style="padding:4px 8px;color:#555">{label}</td><td style="padding:4px 8px"><b>{value}</b></td></tr>'
HTML = (
    """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ document }}</title>
<style>body{font-family:Arial,sans-serif;color:#1d2733;margin:0;background:#f4f6f8}.card{max-width:600px;margin:0 auto;
background:#fff;border:1px solid #dde3e8;border-radius:6px}.head{background:#0b3d66;color:#fff;padding:16px 24px}
.body{padding:16px 24px;line-height:1.5}.foot{padding:12px 24px;color:#66717c;font-size:13px}</style></head><body>
<div class="card"><div class="head"><b>{{ office }}</b></div><div class="body"><p>Dear {{ name }},</p>
<p>your <b>{{ document }}</b> with the number <b>{{ number }}</b> ends on <b>{{ expiry }}</b>.
Please apply for its extension before that day.</p><table>"""
    + ROW.format(label="Document", value="{{ document }}")
    + ROW.format(label="Holder", value="{{ name }}")
    + ROW.format(label="Number", value="{{ number }}")
    + ROW.format(label="Ends on", value="{{ expiry }}")
    + ROW.format(label="Office", value="{{ office }}")
    + """</table><p>What you need: your passport, the present permit, a letter of your sponsor, the receipt of the
payment. Apply on <a href="https://portal.imigrasi.example">the portal</a> or at the counter, from eight to three
o'clock on working days.</p><p>If you have already applied, you need not do anything. If you have left the country,
please tell us.</p></div><div class="foot">Check that this message is genuine:
<a href="https://imigrasi.example/cek">imigrasi.example/cek</a>. You get this message because your document is
registered with our office. Officers never ask for money, passwords or codes in a message.
<a href="https://imigrasi.example/u/{{ number }}" style="color:#1d4f91">No more messages</a>.</div></div>
</body></html>"""
)
SMS = (
    "{{ office }}: {{ document }} {{ number }} ends on {{ expiry }}. Extend it in time: https://portal.imigrasi.example"
)

environment = Environment(autoescape=True, undefined=StrictUndefined)
text, html, sms = (environment.from_string(one) for one in (TEXT, HTML, SMS))


def row(place: int) -> dict[str, str]:
    """What the database holds of one notice."""
    return {
        "name": f"PERSON {place:09d}",
        "number": f"D{place:09d}",
        "document": "Limited stay permit (ITAS)",
        "expiry": "16 October 2026",
        "office": "Kantor Imigrasi 017",
        "email": f"p{place:09d}@mail.example",
        "phone": f"+628{place:09d}",
    }


def mail(notice: dict[str, str]) -> EmailMessage:
    """The usual way to build one: EmailMessage, an alternative, headers one by one."""
    message = EmailMessage()
    message["From"] = "Kantor Imigrasi <pengingat@kantor.example>"
    message["To"] = notice["email"]
    message["Subject"] = f"Your {notice['document']} ends on {notice['expiry']}"
    message["Message-ID"] = make_msgid(domain="kantor.example")
    message.set_content(text.render(notice))
    message.add_alternative(html.render(notice), subtype="html")
    return message
