### What the console says to administrators. Short; the standards' words.

admin-name = Reprieve console
admin-rail = Sections
admin-keys = Keys
admin-close = Close
admin-key-search = Search
admin-key-rows = Next and previous row
admin-key-open = Open
admin-key-choose = Choose the row
admin-key-release = To the release button
admin-key-help = This list

## In and out
admin-login = Login
admin-password = Password
admin-code = Code
admin-code-help = Six digits from your authenticator, or one of your recovery codes.
admin-log-in = Log in
admin-logout = Log out everywhere
admin-login-wrong = Login, password or code is wrong. A code works once: wait for the next.
admin-login-later = Too many attempts. Wait ten minutes, or use a device that has logged in before.
admin-login-unreadable = The code of your device cannot be checked: the key that protects it was removed from this gateway. Use one of your recovery codes instead. If you have none, ask an operator for a new setup link (reprieve admin reset).
admin-login-again = The page was too old. Please try once more.
admin-setup = Set up your account
admin-new-password = New password
admin-password-help = At least 12 characters. A sentence is easier to keep than a riddle.
admin-authenticator = One-time codes
admin-authenticator-text = Enter this key in your authenticator program, or open it there:
admin-authenticator-open = Open in the authenticator
admin-first-code = The code it shows now
admin-set-up = Set up
admin-password-short = The password needs at least 12 characters.
admin-password-long = This password cannot be used: at most 1,024 bytes.
admin-password-wrong = The present password is wrong.
admin-code-wrong = The code does not match. Look at the clock of your device, and enter the present code.
admin-recovery = Keep these recovery codes
admin-recovery-text = Each of them opens once in place of a one-time code. They are shown only now.

## Lists
admin-search = Search
admin-pages = Pages
admin-first-page = First page
admin-next-page = Next page
admin-all = All
admin-actions = Actions
admin-nothing-found = Nothing found.
admin-nothing-yet = Nothing in what was searched so far.
admin-unreadable = The record { $key } cannot be read and is left out here. Stop the gateway and run reprieve store verify: it says what is wrong.
admin-search-on = Search on

## Quarantine
admin-quarantine = Quarantine
admin-search-held = Part of an address or subject, or a reference
admin-nothing-held = Nothing is held. Good.
admin-filling = The search is being built after the start; older messages appear in a moment.
admin-received = Received
admin-from-day = From day
admin-to-day = to day (UTC)
admin-show = Show
admin-from = From
admin-to = To
admin-subject = Subject
admin-no-subject = no subject
admin-class = Class
admin-score = Score
admin-state = State
admin-others = and { $n ->
    [one] one other
   *[other] { $n } others
}
class-unwanted = unwanted
class-mass = mass
class-marketing = marketing
class-impersonated = impersonated
class-unscannable = unscannable
class-first-contact = first contact
class-poll = poll
class-social = social
state-held = held
state-releasing = releasing
state-released = released
state-delivered = delivered
state-failed = failed
state-withdrawn = withdrawn
state-refused = refused
state-disowned = disowned
state-expired = expired

## One's own account
admin-account = My account
admin-sessions = Sessions
admin-last-seen = Last seen
admin-since = Since
admin-client = Address
admin-browser = Browser
admin-this-session = this one
admin-end = End
admin-change-password = Change password

## Audit
admin-audit = Audit
admin-search-audit = Part of who, what, about or why
admin-export = Export as CSV
admin-when = When
admin-who = Who
admin-what = What
admin-about = About
admin-why = Why
admin-change = Before → after

## Refusals
forbidden = This is not yours to do
forbidden-text = Your role does not include this page or action. The attempt has been recorded. Ask an operator if you need it.

## Overview
admin-overview = Overview
admin-all-well = Nothing needs a decision.
admin-held-now = Held now
admin-waiting = Waiting for delivery
admin-undelivered = Not delivered
admin-last-decisions = Last decisions
admin-need-disk = The disk is full: new mail is answered 452 until there is space.
admin-need-store = The store does not answer. Look at the log, then restart.
admin-need-breaker = Letters to senders have stopped, because too many bounced. See: reprieve notices.
admin-need-late = Delivery is late: the next hop may be failing. See the queue.
admin-need-key = The key that signs links is { $n } days old. Make a new one, then promote it.
admin-need-inquiry = Organisations that ask for the right to download their blocked list: { $n }.
admin-need-drift = The list on the mail server { $server } is not the one that it was given.
admin-need-provider = { $domain } answers as if every address were unknown; its answers block nobody until you have looked.

## A held message
admin-held-message = Held message
admin-mail-from = Reverse-path
admin-until = expires
admin-reference = Reference
admin-told-not = the sender was not told
admin-told-reply = the sender was told by the SMTP reply
admin-told-letter = the sender was told by a letter
admin-release = Release
admin-delete = Delete …
admin-delete-for-good = Delete for good
admin-findings = Findings
admin-finding = Finding
admin-weight = Weight
admin-authentication = Authentication
admin-authentication-none = No results were recorded.
admin-method = Method
admin-result = Result
admin-details = Details
admin-headers = Headers
admin-attachments = Attachments
admin-story = From arrival to now
admin-erased = the message was erased
admin-text = Text
admin-text-cut = The text goes on; this is its beginning.
admin-text-none = The text cannot be shown safely.
admin-read = Read
admin-read-help = Reading somebody's mail needs a reason. It is recorded with your name.
admin-reason = Reason for reading
admin-reason-needed = Please give a reason first.
admin-recipient-refuses = The recipient or his organisation blocks this sender. Nothing was released.
admin-decided-already = Somebody has decided about it already. This is how it stands now.

## Many at once
admin-choose = Choose
admin-choose-all = Choose all rows of this page
admin-choose-whole = All that this search finds
admin-bulk = Decide about many
admin-bulk-go = Yes, do it
admin-bulk-release = Release { $n ->
    [one] this message?
   *[other] these { $n } messages?
}
admin-bulk-delete = Delete { $n ->
    [one] this message for good?
   *[other] these { $n } messages for good?
}
admin-back = Back
admin-progress = { $done } of { $total } done, { $left } left as they were.
admin-goes-on = You may close this page: the work goes on.
admin-stop = Stop

## Senders
admin-senders = Senders
admin-sender = Sender
admin-search-senders = Part of an address
admin-address = Address
admin-proof = Proof
admin-network = network
admin-standing = Standing
admin-releases = Releases
admin-revocations = Revocations
admin-clean-days = Clean days
admin-trust = Trust
admin-revoke = Revoke
admin-bar = Bar
admin-flags = Flags
admin-no-flags = Nobody has flagged this sender.
admin-organisation = Organisation
admin-his-mail = Mail of this sender
standing-probation = on probation
standing-trusted = trusted
standing-revoked = revoked
standing-barred = barred

## Queue
admin-queue = Queue
admin-queue-empty = Nothing waits. Good.
admin-kind = Kind
admin-attempts = Attempts
admin-next-attempt = Next attempt
admin-kept-until = Can be retried until
admin-answer = Last answer
admin-retry = Retry now
admin-give-up = Give up
item-release = released message
item-letter = letter
item-dsn = DSN
item-accepted = accepted message
item-waiting = waiting
item-claimed = being delivered

## Keys
admin-link-keys = Keys
admin-keys-help = These keys sign the links. A new key verifies at once and signs when it is promoted; with several nodes, copy its file to each of them first. Links of a retired key end.
admin-key = Key
admin-made = Made
admin-key-signs = signs
admin-key-verifies = verifies
admin-promote = Promote
admin-retire = Retire
admin-new-key = Make a new key

## Accounts and tokens
admin-accounts = Accounts
admin-role = Role
admin-last-login = Last login
admin-add = Add an administrator
admin-organisations = Organisations (for an organisation admin)
admin-disable = Disable
admin-enable = Enable
admin-reset = Reset
admin-setup-link = This link sets the account up, once and within a day. Give it to its owner by a way that nobody else reads:
admin-last-operator = This is the last operator who can log in. Make another one first.
admin-login-taken = There is an administrator of this name already.
admin-login-form = A login is 1 to 64 lower-case letters, digits and . _ - @
admin-role-organisations = Choose the organisations that this administrator decides for.
account-active = active
account-disabled = disabled
account-invited = not set up yet
role-operator = operator
role-organisation-admin = organisation admin
role-auditor = auditor
admin-tokens = API tokens
admin-tokens-help = Programs use these at /api/v1. A token can do no more than the account that made it.
admin-no-tokens = There are no tokens.
admin-make-token = Make a token
admin-token-once = Copy the token now; it is not shown again.
admin-name-of = What it is for
admin-scope = May
admin-days = Days until it expires
admin-revoke-token = Revoke
scope-read = see
scope-decide = see and decide
scope-appoint = see, decide, and look after accounts (enough to enter as any administrator)

## Statistics
admin-statistics = Statistics
admin-span = Span
admin-day = Day
admin-week = Week
admin-year = Year
admin-day-ago = 24 hours ago
admin-week-ago = a week ago
admin-year-ago = a year ago
admin-now = now
admin-band = The band shows the least and the most of the four weeks before, the dashed line their mean.
admin-past-week = The past week
admin-overruled = How often each finding was overruled
admin-overruled-help = Of the messages that are remembered: how many carried the finding, and how many of these somebody freed.
admin-freed = freed
count-held = held
count-released = released
count-delivered = delivered after release
count-rejected = rejected
count-destroyed = malware refused
