# Into Junk: the recipient's mail program says "spam".
require ["vnd.dovecot.pipe", "copy", "imapsieve"];
pipe :copy "reprieve-report" ["junk"];
