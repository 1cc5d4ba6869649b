# Into Junk: the recipient's mail program says "spam".
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];
if environment :matches "imap.email" "*" { set "who" "${1}"; }
pipe :copy "reprieve-report" ["junk", "${who}"];
