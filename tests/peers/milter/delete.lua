-- One recipient takes it, the other's copy is held: he is deleted.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
mt.conninfo(conn, "localhost", "127.0.0.1")
mt.helo(conn, "mail.stranger.example")
mt.mailfrom(conn, "<eva@stranger.example>")
mt.getreply(conn)
mt.rcptto(conn, "<Anna@ours.example>")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("rcpt") end
mt.rcptto(conn, "<postmaster@ours.example>")
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("rcpt") end
mt.header(conn, "From", "eva@stranger.example")
mt.eoh(conn)
mt.bodystring(conn, "for both\r\n")
mt.eom(conn)
if mt.getreply(conn) ~= SMFIR_ACCEPT then error("it is not accepted") end
if not mt.eom_check(conn, MT_RCPTDELETE, "<Anna@ours.example>") then error("Anna is not deleted") end
mt.disconnect(conn)
