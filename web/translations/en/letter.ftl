# The letter to a proved sender. Three sentences, and nothing of his mail.
letter-subject = Not yet delivered: { $subject }
letter-subject-none = Not yet delivered: your message
letter-waiting-named = Your message to { $names } has not been delivered yet.
letter-waiting-others = Your message to { $names } and { $count ->
    [one] one other recipient
   *[other] { $count } other recipients
} has not been delivered yet.
letter-waiting-hidden = Your message to { $count ->
    [one] one recipient
   *[other] { $count } recipients
} has not been delivered yet.
letter-see = This page shows why, and what you can do to have it delivered:
letter-until = It waits until { $date }; you need not send it again.
letter-contact = Questions? { $contact }
letter-reference = Reference { $reference }
letter-date = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }

# The answer to "I lost my link".
letter-lost-subject = Your messages that are waiting
letter-lost = { $count ->
    [one] A message of yours has not been delivered yet.
   *[other] { $count } messages of yours have not been delivered yet.
}
letter-lost-see = { $count ->
    [one] This page shows why, and what you can do to have it delivered:
   *[other] These pages show why, and what you can do to have them delivered:
}
letter-lost-each = Received { $date }, reference { $reference }:
letter-lost-ignore = If you did not ask for this letter, you can ignore it.

# The notification when a message expires whose sender was never told.
letter-expired-subject = Not delivered: your message
letter-expired = Your message of { $date } was stopped by the mail filter of { $organisation } and nobody asked for it in time, so it was not delivered. If it still matters, send it again or write to { $contact } and name the reference { $reference }.

# The digest: what was held for a recipient.
letter-digest-subject = { $count ->
    [one] A message was held for you
   *[other] { $count } messages were held for you
}
letter-digest-held = { $count ->
    [one] One message was held for you since the last digest. It has not been delivered.
   *[other] { $count } messages were held for you since the last digest, the most likely wanted first. They have not been delivered.
}
letter-digest-bulk = Newsletters, offers and other mailings
letter-digest-more = { $count ->
    [one] One more stands on your page.
   *[other] { $count } more stand on your page.
}
letter-digest-page = Your own page shows everything that is held for you, and lets you choose how often this letter comes:
letter-digest-deliver = Deliver
letter-digest-block = Block sender
letter-digest-show = Show
letter-digest-no-subject = (no subject)
letter-digest-untold = its sender does not know
letter-why-unwanted = looks unwanted
letter-why-unscannable = cannot be scanned
letter-why-impersonated = sender not genuine
letter-why-marketing = newsletter or offer
letter-why-poll = survey
letter-why-social = social network
letter-why-mass = sent to many
letter-why-first-contact = first message from this sender

# The link to a recipient's own page.
letter-invitation-subject = Open your page of held mail
letter-invitation = This link opens the page of the mail that is held for you. It works for one hour:
letter-invitation-ignore = If you did not ask for this letter, you can ignore it. Do not forward it: who has the link can read your held mail.

# The steps of an appeal.
letter-appeal-subject = Your request to deliver a mailing
letter-appeal-received = Your request has arrived. A person decides about it. This page always shows how it stands:
letter-appeal-question = There is a question about your request. Please answer it on this page:
letter-appeal-granted = Your request has been granted. This page shows what is delivered, until when, and how many messages:
letter-appeal-denied = Your request has been denied. This page shows the reason:
letter-appeal-expired = Nobody decided about your request in time, so it is closed. If your mailing still waits, you can ask again on this page; or use the contact below:

# What waits for an administrator.
letter-admin-appeals-subject = { $count ->
    [one] An appeal waits for you
   *[other] { $count } appeals wait for you
}
letter-admin-appeals = { $count ->
    [one] A mass mailer asks for a mailing to be delivered.
   *[other] { $count } mass mailers ask for their mailings to be delivered.
} Nothing of it is delivered until an administrator decides.
letter-admin-appeals-until = to be decided by { $date }
letter-admin-appeals-page = Here you see what they say and what is known of them, and decide. You get at most one such letter a day:
