-- The recipient beyond the thousandth is asked to come again.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
mt.conninfo(conn, "localhost", "127.0.0.1")
mt.helo(conn, "mail.stranger.example")
mt.mailfrom(conn, "<eva@stranger.example>")
for one = 1, 1000 do
    mt.rcptto(conn, "<carl" .. one .. "@elsewhere.example>")
    if mt.getreply(conn) ~= SMFIR_CONTINUE then error("recipient " .. one) end
end
mt.rcptto(conn, "<anna@ours.example>")
if mt.getreply(conn) ~= SMFIR_REPLYCODE then error("there is no end of recipients") end
mt.disconnect(conn)
