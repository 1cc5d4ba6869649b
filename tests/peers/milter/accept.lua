-- Clean mail of a proved sender to a role address passes, with our fields.
conn = mt.connect(socket)
if conn == nil then error("cannot connect") end
if mt.conninfo(conn, "localhost", "127.0.0.1") ~= nil then error("connect") end
if mt.helo(conn, "mail.proved.example") ~= nil then error("helo") end
mt.macro(conn, SMFIC_MAIL, "i", "ACCEPT1")
if mt.mailfrom(conn, "<bo@proved.example>") ~= nil then error("mail") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("mail is not answered with continue") end
if mt.rcptto(conn, "<postmaster@ours.example>") ~= nil then error("rcpt") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("rcpt is not answered with continue") end
if mt.header(conn, "From", "bo@proved.example") ~= nil then error("header") end
if mt.header(conn, "Subject", "accept") ~= nil then error("header") end
if mt.eoh(conn) ~= nil then error("eoh") end
if mt.bodystring(conn, "hello\r\n") ~= nil then error("body") end
if mt.eom(conn) ~= nil then error("eom") end
if mt.getreply(conn) ~= SMFIR_ACCEPT then error("it is not accepted") end
if not mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results") then error("no results") end
if not mt.eom_check(conn, MT_HDRINSERT, "Received") then error("no trace") end
mt.disconnect(conn)
