//! What the MTA tells beside its commands: the macros that we ask for.
//!
//! Only the names below are kept, each cut to a length that a name or an id
//! may have. What belongs to a message is forgotten with it.

use super::packet::stage;

/// What we ask for, by stage. An MTA that gives no choice sends its own; more
/// than these are not kept.
pub const WANTED: &[(u32, &str)] = &[
    (stage::CONNECT, "j {daemon_name} {client_addr} {client_resolve}"),
    (stage::HELO, "{tls_version} {cipher}"),
    (stage::MAIL, "i {auth_type} {auth_authen} {tls_version} {cipher}"),
    (stage::RCPT, "i"),
    (stage::END_OF_HEADERS, "i"),
    (stage::END_OF_MESSAGE, "i"),
];

/// Longest value that is kept.
const VALUE_CHARS: usize = 255;

/// Values as the MTA gave them last; without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macros {
    connection: Connection,
    pub message: OfMessage,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Connection {
    host: Option<String>,
    daemon: Option<String>,
    client_addr: Option<String>,
    client_resolve: Option<String>,
    tls_version: Option<String>,
    cipher: Option<String>,
}

/// What ends with the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfMessage {
    /// The MTA's queue id.
    pub queue_id: Option<String>,
    pub auth_type: Option<String>,
    pub auth_authen: Option<String>,
}

/// What administrators name the daemon of their own users' mail (amavis,
/// OpenDKIM and Debian's master.cf do).
const ORIGINATING: &str = "ORIGINATING";

impl Macros {
    pub fn keep(&mut self, pairs: &[(&[u8], &[u8])]) {
        for (name, value) in pairs {
            let place = match *name {
                b"j" => &mut self.connection.host,
                b"{daemon_name}" => &mut self.connection.daemon,
                b"{client_addr}" => &mut self.connection.client_addr,
                b"{client_resolve}" => &mut self.connection.client_resolve,
                b"{tls_version}" => &mut self.connection.tls_version,
                b"{cipher}" => &mut self.connection.cipher,
                b"i" => &mut self.message.queue_id,
                b"{auth_type}" => &mut self.message.auth_type,
                b"{auth_authen}" => &mut self.message.auth_authen,
                _ => continue,
            };
            let value = String::from_utf8_lossy(value);
            let clean = value.chars().filter(|c| !c.is_control()).take(VALUE_CHARS);
            *place = Some(clean.collect()).filter(|value: &String| !value.is_empty());
        }
    }

    /// The MTA's own name.
    pub fn host(&self) -> Option<&str> {
        self.connection.host.as_deref()
    }

    pub fn client_addr(&self) -> Option<std::net::IpAddr> {
        super::session::ip(self.connection.client_addr.as_deref()?)
    }

    /// Whether the client's name leads back to it. Postfix says none else;
    /// Sendmail tells.
    pub fn is_name_verified(&self) -> bool {
        self.connection.client_resolve.as_deref().is_none_or(|word| word == "OK")
    }

    /// TLS version and cipher, if the session is encrypted.
    pub fn tls(&self) -> Option<String> {
        let version = self.connection.tls_version.as_deref()?;
        Some(match &self.connection.cipher {
            Some(cipher) => format!("{version} {cipher}"),
            None => version.to_owned(),
        })
    }

    /// Who the MTA says that the mail is from: its own user, by AUTH or by
    /// the daemon that he came to.
    pub fn authenticated(&self) -> Option<String> {
        let OfMessage { auth_type, auth_authen, .. } = &self.message;
        let daemon = self.connection.daemon.as_ref().filter(|name| *name == ORIGINATING);
        auth_authen.as_ref().or(auth_type.as_ref()).or(daemon).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authenticated_sender_is_known_until_the_message_ends() {
        let mut macros = Macros::default();
        assert_eq!(macros.authenticated(), None);
        macros.keep(&[(b"{auth_type}", b"PLAIN"), (b"{auth_authen}", b"an\x1bna")]);
        assert_eq!(macros.authenticated().as_deref(), Some("anna"));
        macros.message = OfMessage::default();
        assert_eq!(macros.authenticated(), None);
        macros.keep(&[(b"{daemon_name}", b"smtpd")]);
        assert_eq!(macros.authenticated(), None);
        macros.keep(&[(b"{daemon_name}", b"ORIGINATING"), (b"{auth_authen}", b"")]);
        assert_eq!(macros.authenticated().as_deref(), Some("ORIGINATING"));
    }

    #[test]
    fn values_are_bounded() {
        let mut macros = Macros::default();
        macros.keep(&[(b"{tls_version}", &[b'x'; 5000]), (b"unheard", b"of")]);
        assert_eq!(macros.tls().unwrap().len(), VALUE_CHARS);
    }
}
