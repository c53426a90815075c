# email: building, parsing, encodings, attachments, addresses.
import email
import email.utils
from email import policy
from email.message import EmailMessage

message = EmailMessage()
message["Subject"] = "Grüße"
message["From"] = "Ann <ann@example.org>"
message["To"] = "Bob <bob@example.org>, cid@example.org"
message["Date"] = email.utils.format_datetime(email.utils.parsedate_to_datetime("Thu, 29 Feb 2024 12:00:00 +0000"))
message.set_content("Hällo\n")
message.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename="a.bin")
message.set_boundary("BOUNDARY")
text = message.as_string()
print(text)
again = email.message_from_string(text, policy=policy.default)
print(again["subject"], [a.addr_spec for a in again["to"].addresses], again.get_body().get_content())
print([(p.get_filename(), p.get_content()) for p in again.iter_attachments()], email.utils.parseaddr("X Y <x@y.z>"))
again.get_content_type()
