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

## Quarantine
admin-quarantine = Quarantine
admin-search-held = Part of an address or subject, or a reference
admin-nothing-held = Nothing is held. Good.
admin-filling = The search is being built after the start; older messages appear in a moment.
admin-received = Received
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
