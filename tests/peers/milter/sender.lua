-- A sender that cannot be read is refused: at his recipients, because nobody
-- waits for an answer at MAIL.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
mt.conninfo(conn, "unspec", "unspec")
mt.helo(conn, "mail.stranger.example")
mt.mailfrom(conn, "<not an address>")
mt.rcptto(conn, "<anna@ours.example>")
if mt.getreply(conn) ~= SMFIR_REPLYCODE then error("a sender that cannot be read is taken") end
mt.disconnect(conn)
