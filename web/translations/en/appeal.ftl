### An appeal: its form and how it stands.

appeal-open = Ask for it to be delivered
appeal-ask = Ask an administrator
appeal-ask-text = A person reads this and decides, usually within three days. Please be short and concrete.
appeal-who = Who are you?
appeal-what = What do you send?
appeal-why = Why should these recipients have it, and why is it urgent?
appeal-agreed = How did they agree to it?
appeal-how-many = How many recipients does it go to?
appeal-send = Send the request
appeal-incomplete = Please answer every question; the last answer is a number.
appeal-received = Your request has arrived
appeal-received-text = A person decides about it. This page always shows how it stands.
appeal-question = We have a question
appeal-question-text = Please answer below, so that your request can be decided.
appeal-granted = Your request is granted
appeal-granted-text = What waits is being delivered, except to recipients who do not accept your mail.
appeal-until = Mail like this is delivered until { $day }, at most { $n } messages.
appeal-denied = Your request is denied
appeal-denied-text = Mail like this is not delivered. The reason:
appeal-talk = What was said
appeal-you = You:
appeal-we = We:
appeal-add = Your answer, or what you want to add
appeal-say = Send
