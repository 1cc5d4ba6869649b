-- A proved sender's first mail is held, and told by letter: the MTA discards.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
mt.conninfo(conn, "localhost", "127.0.0.1")
mt.helo(conn, "mail.proved.example")
mt.mailfrom(conn, "<bo@proved.example>")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("mail") end
mt.rcptto(conn, "<anna@ours.example>")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("rcpt") end
mt.header(conn, "From", "bo@proved.example")
mt.header(conn, "Message-ID", "<discard@proved.example>")
mt.eoh(conn)
mt.bodystring(conn, "hello\r\n")
mt.eom(conn)
if mt.getreply(conn) ~= SMFIR_DISCARD then error("it is not discarded") end
mt.disconnect(conn)
