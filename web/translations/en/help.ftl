### Public pages: for blocked senders, and what this service is.

help = For blocked senders
help-lede = Your mail was stopped, or you fear that it was. This page says why that happens and what you can do.
help-why = Why mail may be stopped
help-why-rule = A company or a person has decided not to accept mail from an address or a domain.
help-why-history = The server or the provider that you send through is also used for much unwanted mail.
help-why-quantity = The same message went to several recipients here in a large quantity.
help-why-proof = Nothing proves that the message comes from the address it names: SPF (a list of servers that may send for a domain) and DKIM (a signature) are missing or wrong.
help-through = How to get it through
help-through-link = Open the link in the letter from us, or in the error message of your own mail server. Say what the message is, and confirm. It is delivered within minutes, exactly as you sent it.
help-through-proof = Ask whoever runs your mail to set up SPF, DKIM and DMARC. Then your next messages are recognised as yours.
help-through-contact = If the page says that you cannot release the message, use the contact that it names.
help-release = What a release means from then on
help-release-text = When you release a message and your address is proved, you are a trusted sender for everybody served here, and your next messages arrive without this step. If recipients report your mail as unwanted, this ends.
help-nothing = If no notice came
help-nothing-text = We write only to addresses that are proved, so that nobody is bothered by mail in his name. Otherwise the reason and the link stand in the answer that your own mail server received.
help-nothing-address = Was the recipient’s address right? A mistyped address is not our doing; your own server tells you.
help-nothing-bounce = Look for an error message from your own mail server, also in the spam folder. The link stands in it.
help-nothing-again = Send the message again and look at what comes back. A message that we hold already is recognised; nobody receives it twice.
help-mass = If you write to many
help-mass-text = Mass mailers cannot release themselves. If the recipients expect your mailing and need it, tell the contact who you are, what you send, how they agreed, and how many they are. For offers and surveys, please consider another way: people here keep their mailbox for urgent mail.
help-contact = Contact
help-contact-text = Write to postmaster at the recipient’s domain. Mail to this address is never stopped for looking unwanted. Where there is a telephone, its number and hours stand on the page of your link.

about = What is this page?
about-who = This service guards the mailboxes of the organisation named at the top, and this page belongs to it.
about-why = A message from you looked unwanted and is kept here, undelivered, until you or the recipient decide; this page lets you see it and release it.
about-asks = We never ask for a password, a payment, a download or your personal data; we ask what the message is, and you press two buttons.
about-check = To check that this is genuine, compare the host name in your browser’s address bar with the one that the organisation names on its own website or in its DNS.
about-doubt = If you are in doubt, do not use the link: telephone the organisation, with a number that you know already, and tell them the reference.
