-- A stranger's suspicious mail is refused with our own words; afterwards the
-- same connection carries another message.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
mt.conninfo(conn, "localhost", "127.0.0.1")
mt.helo(conn, "mail.stranger.example")
for round = 1, 3 do
    mt.macro(conn, SMFIC_MAIL, "i", "REJECT" .. round)
    mt.mailfrom(conn, "<eva@stranger.example>")
    if mt.getreply(conn) ~= SMFIR_CONTINUE then error("mail") end
    mt.rcptto(conn, "<anna@ours.example>")
    if mt.getreply(conn) ~= SMFIR_CONTINUE then error("rcpt") end
    mt.header(conn, "From", "eva@stranger.example")
    mt.header(conn, "Subject", "reject " .. round)
    mt.eoh(conn)
    mt.bodystring(conn, "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n")
    mt.eom(conn)
    if mt.getreply(conn) ~= SMFIR_REPLYCODE then error("it is not refused with words") end
end
mt.disconnect(conn)
