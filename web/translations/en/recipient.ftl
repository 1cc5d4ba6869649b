### The recipient's own pages. Short, "you", present tense.

me = Your held mail
me-ask = Type your own mail address. A link to the mail that is held for you goes to it; there is no password.
me-asked = If we hold mail for this address, a link is on its way to it. It works for one hour.
me-enter = This opens the mail that is held for
me-open = Open my held mail
me-enter-lasts = You stay signed in on this browser for eight hours, unless you sign out.
me-empty = Nothing is held for you. Good.
me-waiting = { $n ->
    [one] One message is held for you.
   *[other] { $n } messages are held for you, the most likely wanted first.
}
me-delivered = Delivered from hold
me-settings = Settings
me-back = Back to your held mail

## What can be done
me-deliver = Deliver
me-accept = Deliver, and always accept this sender
me-block = Block sender
me-allow = Allow sender
me-spam = Report as spam
me-undo = Not spam: undo
me-end = End

## Why, in three words
me-why-unwanted = looks unwanted
me-why-unscannable = cannot be scanned
me-why-impersonated = sender not genuine
me-why-marketing = Newsletters and offers
me-why-poll = Surveys
me-why-social = Social networks
me-why-mass = sent to many
me-why-first-contact = first message from this sender

## One message
me-held = Held for you
me-blocked = You do not accept this sender
me-blocked-text = You or your organisation block this sender. His mail is refused.
me-flagged = Reported as spam
me-flagged-text = This sender is blocked for you. Your organisation’s word counts against trusting him elsewhere. You can undo it for 30 days.
me-from = From
me-to = To
me-why = Why held
me-proof = Sender
me-proof-yes = proved: the mail really comes from this address
me-proof-no = not proved: anybody could have written this address
me-told = The sender
me-told-not = was not told
me-told-reply = was told by his mail server
me-told-letter = was told by a letter
me-text = The message, as text
me-text-cut = The text goes on; only its beginning is shown.
me-text-none = It has no text.
me-text-unreadable = It cannot be shown safely.
me-text-safe = Pictures and other remote content are never loaded here.
me-attachments = Attachments
me-attachment = Attachment without a name
me-gone = This message waits no more, or its link has expired.

## Asked once
me-again = Please check, and press the button once more.
me-deliver-ask = Deliver this message to you?
me-deliver-text = It goes to your mailbox only, and says nothing about the sender’s other mail.
me-deliver-careful = Nothing proves who wrote it. Do not open attachments or follow links that you do not expect.
me-accept-ask = Deliver it, and always accept this sender?
me-accept-text = Mail that is proved to come from this address is not held for you any more. Malware is still stopped.
me-block-ask = Block this sender?
me-block-text = Mail from this address is refused for you, and its sender is told so. You can end this in your settings.
me-spam-ask = Report as spam?
me-spam-text = The sender is blocked for you at once, and nobody trusts him on his word any more. You can undo it for 30 days.
me-undo-ask = Is it not spam?
me-undo-text = Your report ends, and so does the block that it made.
me-flag-gone = This link has expired
me-flag-gone-text = A message can be reported for 30 days after its delivery.

## Settings
me-digest = A letter about held mail
me-digest-off = Never
me-digest-hourly = Every hour
me-digest-daily = Every day
me-digest-weekly = Every week
me-digest-hour = At ({ $zone })
me-digest-weekday = On (for a weekly letter)
day-1 = Monday
day-2 = Tuesday
day-3 = Wednesday
day-4 = Thursday
day-5 = Friday
day-6 = Saturday
day-7 = Sunday
me-choice-theirs = As my organisation does
me-choice-deliver = Deliver
me-choice-hold = Hold
me-choice-reject = Refuse
me-save = Save
me-senders = Senders
me-blocks = Blocked
me-allows = Allowed
me-sender = Address or domain
me-sender-wrong = This is neither a mail address nor a domain.
me-allow-proof = Allowing works only for mail that is proved to come from that address.
me-flags = Reported as spam
me-sessions = Where you are signed in
me-session-this = this browser
me-leave = Sign out
me-leave-all = Sign out everywhere
