-- A second recipient beside a bounce's return path is asked to come alone.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
mt.conninfo(conn, "unspec", "unspec")
mt.helo(conn, "mail.stranger.example")
mt.mailfrom(conn, "<not an address>")
if mt.getreply(conn) ~= SMFIR_REPLYCODE then error("a sender that cannot be read is taken") end
mt.disconnect(conn)
