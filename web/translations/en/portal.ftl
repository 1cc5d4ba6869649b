### The portal's own sentences. Short, "you", present tense, no blame.

language-name = English
installation-name = Mail release

## The shell
skip = Skip to the content
foot-nav = About this service
language-nav = Language
contact = Contact:
or = or
comma = ,{ " " }
space = { " " }
about-link = What is this page?
help-link = For blocked senders
lost-link = Lost your link?
by-reprieve = mail release by Reprieve

## Times, sizes, counts
date = { $day } { $month }
today = today { $clock }
date-time = { $day } { $month } { $year }, { $clock }
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
ago-seconds = { $n ->
    [0] just now
    [one] { $n } second ago
   *[other] { $n } seconds ago
}
ago-minutes = { $n ->
    [one] { $n } minute ago
   *[other] { $n } minutes ago
}
ago-hours = { $n ->
    [one] { $n } hour ago
   *[other] { $n } hours ago
}
ago-days = { $n ->
    [one] { $n } day ago
   *[other] { $n } days ago
}
in-seconds = { $n ->
    [0] now
    [one] in { $n } second
   *[other] in { $n } seconds
}
in-minutes = { $n ->
    [one] in { $n } minute
   *[other] in { $n } minutes
}
in-hours = { $n ->
    [one] in { $n } hour
   *[other] in { $n } hours
}
in-days = { $n ->
    [one] in { $n } day
   *[other] in { $n } days
}
# The script puts the number in the place of N.
countdown-seconds = in N s
size-kilobytes = { $n } KB
size-megabytes = { $n } MB
attachments = { $n ->
    [one] { $n } attachment
   *[other] { $n } attachments
}
recipients = { $n ->
    [one] { $n } recipient
   *[other] { $n } recipients
}
and-others = { $n ->
    [one] and { $n } other
   *[other] and { $n } others
}

## The message
subject = Subject
no-subject = (no subject)
sent = Sent
size = Size
reference = Reference

## Your message is waiting
waiting = Your message is waiting
waiting-lede = It has not been delivered yet to
why = Why it was stopped
why-general = Several small signs together made this message look unwanted.
declare = What is this message?
declare-bulk = A newsletter, an offer, a survey or another mailing to many
declare-not-mine = I did not send it
declare-personal = A personal or business message to someone who expects it or can use it
declare-nothing = Please choose what this message is.
continue = Continue
waits-until = It waits until { $day }. You need not send it again.
stale-foreign = This form could not be accepted as it came. Please choose once more.
stale-young = That was very quick. Please check, and press the button once more.
stale-old = This page has been open for a long time. Please press the button once more.

## Deliver it?
confirm = Deliver it?
confirm-to = It goes to
confirm-follows = Your next messages will arrive without this step.
confirm-ends = If recipients report your mail as unwanted, this ends.
deliver = Deliver it now
back = Back

## I did not send it
disown = You did not send it?
disown-thanks = Thank you for telling us. Somebody may be using your address as a sender.
disown-follows = If you confirm, this message will not be delivered, and it cannot be released any more.
disown-ends = If the message is yours after all, go back and choose again.
disown-button = I did not send it
disowned = Thank you: it will not be delivered
disowned-text = You told us that you did not send this message. It stays undelivered and will be deleted.
disowned-advice = Three records in the DNS of your domain keep others from using your name:
disowned-spf = lists the servers that may send mail for your domain.
disowned-dkim = signs your mail, so that others can see that it really comes from you.
disowned-dmarc = tells receivers to refuse mail in your name that has neither. Publish it with p=reject when your own mail passes.
disowned-ask = Whoever runs your mail can set these up. If you suspect that somebody can read your mailbox, change its password.

## On its way
moving = On its way
releasing-text = You released the message. We are about to deliver it to
releasing-starts = Delivery starts
releasing-now = Delivery starts now.
take-back = Take it back
released-text = We are handing the message to the recipient’s mail server:
refresh = Refresh this page
answer-later = The server asked us to try again later:

## Ends
delivered = Delivered
delivered-to = Delivered to { $domain }’s mail server at
answer = Its answer:
failed = It could not be delivered
failed-to = { $domain }’s mail server refused the message at
answer-refused = Its answer:
failed-now = We keep the message, and the people who run this service can see it. Please reach the recipient in another way, or write to the contact below.
withdrawn = Taken back
withdrawn-text = This message was taken back. It will not be delivered to
withdrawn-now = If you want it to arrive after all, send it again.
expired = This message has expired
expired-text = It was not released in time, and it has been deleted.
expired-now = If it still matters, please send it again.
recipient-refuses = The recipient does not accept your mail
recipient-asked = The recipient has been asked

## Where the sender cannot release it
refuses = What this means
refuses-text = The recipient, or the organisation, has decided not to accept mail from you. The message will not be delivered.
refuses-now = If you think that this is a mistake, please use the contact below.
asked = Who decides now
asked-text = Nothing shows that this message really comes from the address it names, so we cannot let its sender release it. The recipient has been asked whether to deliver it.
asked-now = You need not do anything. If it is urgent, please reach the recipient in another way.
decides = Who decides now
decides-text = We cannot look into this message, for example because an attachment is encrypted. The recipient or their administrator decides whether to deliver it.
decides-now = If it is urgent, tell the recipient the reference above, or send the content in another form.
repair = What you can do
repair-text = The owner of the sending domain has asked everybody to refuse mail that does not prove that it comes from there, and this message does not. It cannot be released.
repair-now = If you sent it yourself: use your provider’s own mail server, or ask whoever runs your mail to put the sending server into the domain’s SPF record and to sign with DKIM. Then send it again.
tomorrow = Please come back tomorrow
tomorrow-text = Today’s number of releases from your network has been reached. Your message keeps waiting, and this link keeps working.
appeal = Mass mailers cannot release themselves
appeal-text = This message looks like a mailing to many people, so it cannot be released with this link.
appeal-now = If its recipients really wait for it, an administrator can decide to deliver it. Say who you are, what you send and how they agreed to it.
closed = It cannot be released
closed-text = This message cannot be released.

## An appeal, until its form stands here
bulk = Mass mailers cannot release themselves
bulk-text = Newsletters, offers and surveys are not delivered on their sender’s word.
bulk-other = People here keep their mailbox for urgent mail. For offers and surveys, please consider another way.
bulk-now = What you can do now
bulk-write = If the recipients expect this mailing and need it, write to the contact. Say who you are, what you send, why it is urgent, how the recipients agreed to it, and how many they are. An administrator decides.
bulk-waits = Meanwhile the message waits. You need not send it again.

## A link that does not work
link-invalid = This link does not work
link-invalid-text = It may be incomplete: copy all of it.
link-invalid-lost = If you cannot find the whole link, we can send a fresh one.
paste-label = The whole link
paste-button = Open it

## A lost link
lost = Lost your link?
lost-text = Type the address that you sent from. If we hold mail from it, a fresh link goes to that address.
lost-label = Your mail address
lost-button = Send a link
lost-wrong = This is not a whole mail address, like name@example.com.
lost-answer = Look into your mailbox
lost-answer-text = If we hold mail from this address, a link is on its way to it.
lost-answer-limit = It can take a few minutes. We send at most three links an hour.

## Errors
not-found = There is no such page
not-found-text = The address may be mistyped or old. Nothing has happened to your mail.
method = This page works differently
method-text = Your browser asked for this page in a way that it does not answer. Nothing has happened to your mail. Please open your link again.
cross-site = This form came from another site
cross-site-text = We only accept what is sent from our own pages. Nothing has happened to your mail. Please open this page again and try once more.
bad-form = This form could not be read
bad-form-text = Nothing has happened to your mail. Please go back and try again.
too-large = That is too much at once
too-large-text = What your browser sent is larger than any form of ours. Nothing has happened to your mail.
too-slow = That took too long
too-slow-text = The connection was too slow. Nothing is lost; please try again.
too-many = Too many attempts
too-many-text = Many links that do not work were opened from your network. Please wait a minute, then open your link again.
misdirected = This is not the right address
misdirected-text = This server does not answer under the name that your browser used. Please open the link exactly as you received it.
unavailable = Not available at the moment
unavailable-text = Your message is safe and nothing has happened to it. Please try again in a few minutes.
broken = Something went wrong
broken-text = The fault is ours. Your message is safe. Please try again in a few minutes.
