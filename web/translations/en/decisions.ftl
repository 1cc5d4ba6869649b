### What administrators decide: appeals and weights; and the public statistics.

admin-key-block = To the bar or block button
admin-key-appeal = To the grant button, to the deny button of an appeal
admin-yes = yes
admin-no = no

## Appeals
admin-appeals = Appeals
admin-appeals-received = Waiting for us
admin-appeals-asked = Waiting for the sender
admin-appeals-closed = Decided
admin-appeals-none = No appeal waits for a decision. Good.
admin-search-appeals = Part of sender, subject, reference or text
admin-appeals-wait = { $n ->
    [one] One appeal waits for a decision
   *[other] { $n } appeals wait for a decision
}
admin-appeal = Appeal
admin-appeal-since = Waits since
admin-appeal-deadline = Decide by
admin-appeal-many = Recipients
admin-appeal-others = and other organisations
admin-appeal-decision = Decision
admin-appeal-says = What the sender says
admin-appeal-known = What we know
admin-appeal-proved = Sender proved
admin-appeal-one-click = One-click unsubscribe (RFC 8058)
admin-appeal-volume = Volume seen
admin-appeal-seen = Held messages: { $held } (copies: { $copies }). Passed lately, of this domain or network: about { $passed }.
admin-appeal-complaints = Complaints
admin-appeal-flags = { $n } (copies: { $of }; { $rate } %)
admin-appeal-named = Campaign
admin-appeal-talk = Questions and answers
admin-appeal-he = Sender:
admin-appeal-we = We:
admin-appeal-question = A question to the sender
admin-appeal-ask = Ask
admin-appeal-grant = Grant
admin-appeal-deny = Deny
admin-appeal-scope = What may pass
admin-appeal-campaign = This campaign
admin-appeal-identity = All mail of this proved sender
admin-appeal-days = For so many days
admin-appeal-most = For so many messages
admin-appeal-reason-grant = What the sender reads (optional)
admin-appeal-reason-deny = The reason, which the sender reads
admin-appeal-freed = { $n ->
    [0] Nothing that is held would be delivered.
    [one] One held copy is delivered at once.
   *[other] { $n } held copies are delivered at once.
}
admin-appeal-blocked = { $n ->
    [one] One is not: its recipient or organisation blocks the sender.
   *[other] { $n } are not: their recipients or organisations block the sender.
}
admin-appeal-elsewhere = { $n ->
    [one] One is not: another organisation decides about it.
   *[other] { $n } are not: other organisations decide about them.
}
admin-appeal-harmful = { $n ->
    [one] One is not: it is malware or phishing.
   *[other] { $n } are not: they are malware or phishing.
}
admin-appeal-more = There is more than could be counted here.
admin-appeal-own-only = It counts for your own organisations only.
admin-appeal-once = Nothing proves this sender, so only the held message is delivered; his next mail is not known again.
admin-appeal-used = { $used } of { $volume } messages used, until { $day }
admin-appeal-freeing = Held messages are still being delivered.
admin-appeal-not-his = This appeal concerns other organisations too: an operator decides about it.
admin-appeal-decided = { $by } was faster. It is decided:
admin-appeal-expired = It expired meanwhile:
admin-appeal-too-long = The conversation is too long. Use the telephone.
admin-appeal-unproved = Nothing proves this sender: only this campaign can be granted.
admin-appeal-terms = Choose what may pass, 1 to 1,100 days and at least one message.
admin-appeal-incomplete = A text is missing.
appeal-state-received = waiting for us
appeal-state-asked = waiting for the sender
appeal-state-granted = granted
appeal-state-denied = denied
appeal-state-expired = expired

## Weights
admin-demote-help = A finding that is overruled too often can be taken down here: half of its weight, or nothing. It counts for new mail at once and can be undone. What a finding's class decides (malware, phishing, mass mail) stays.
admin-demoted-by = taken down by
admin-halve = Halve
admin-weigh-nothing = To zero
admin-weigh-again = Full weight

## Public statistics
stats = Mail in numbers
stats-text = What the mail filter did in the last four weeks. Numbers only: nothing about persons or organisations.
stats-shares = In per cent of what was held, rejected or destroyed.
stats-begin = four weeks ago

## Accounts
admin-letters-to = Letters about appeals to
admin-letters-to-help = You are told when an appeal comes and before its deadline, by at most one letter a day. Empty: you look yourself.
admin-address-wrong = This is no address.
admin-keep = Keep
