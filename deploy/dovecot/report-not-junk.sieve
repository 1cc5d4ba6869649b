# Out of Junk: not spam after all. Emptying Junk into Trash says nothing.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];
if environment :matches "imap.mailbox" "*" { set "mailbox" "${1}"; }
if string "${mailbox}" ["Trash", "Deleted Messages"] { stop; }
if environment :matches "imap.email" "*" { set "who" "${1}"; }
pipe :copy "reprieve-report" ["not-junk", "${who}"];
