-- Version 2 without steps: every command is answered.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
if mt.negotiate(conn, 2, 31, 31) ~= nil then error("negotiate") end
mt.conninfo(conn, "localhost", "127.0.0.1")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("connect") end
mt.helo(conn, "mail.proved.example")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("helo") end
mt.mailfrom(conn, "<bo@proved.example>")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("mail") end
mt.rcptto(conn, "<postmaster@ours.example>")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("rcpt") end
mt.header(conn, "From", "bo@proved.example")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("header") end
mt.eoh(conn)
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("eoh") end
mt.bodystring(conn, "hello\r\n")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("body") end
mt.abort(conn)
mt.mailfrom(conn, "<bo@proved.example>")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("mail after abort") end
mt.disconnect(conn)
