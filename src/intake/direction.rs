//! Direction first (DESIGN section 2.0): what is outgoing, and whose the
//! client is when a relay of ours stands in front.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::directory::Directory;
use crate::mail::{Envelope, Message};

/// Networks that change how a client is judged.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    /// Our own: their mail is outgoing.
    pub own: Vec<IpNet>,
    /// Relays in front of us (backup MX, a filter): their Received line gives
    /// the client.
    pub relays: Vec<IpNet>,
}

impl Networks {
    pub fn is_own(&self, ip: IpAddr) -> bool {
        contains(&self.own, ip)
    }
}

/// Outgoing mail is checked for malware only, never held for its sender,
/// never given a link: it is authenticated, comes from our own networks, or
/// has no served recipient.
pub fn is_outgoing(envelope: &Envelope, networks: &Networks, directory: &Directory) -> bool {
    envelope.authenticated.is_some()
        || networks.is_own(envelope.client.ip)
        || !envelope.rcpt_to.iter().any(|one| directory.serves(one.address.domain()))
}

/// The envelope that checks judge: behind a listed relay, with the client of
/// the first Received line that is not a relay's own. `true`: relayed.
pub fn judged<'a>(
    envelope: &'a Envelope,
    message: &Message,
    networks: &Networks,
) -> (Cow<'a, Envelope>, bool) {
    if !contains(&networks.relays, envelope.client.ip) {
        return (Cow::Borrowed(envelope), false);
    }
    let from = message
        .all("Received")
        .filter_map(Origin::read)
        .find(|origin| !contains(&networks.relays, origin.ip));
    let Some(origin) = from else {
        return (Cow::Borrowed(envelope), true);
    };
    let mut judged = envelope.clone();
    judged.client.ip = origin.ip;
    judged.client.name = None;
    judged.client.helo = origin.helo;
    (Cow::Owned(judged), true)
}

fn contains(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

/// Who handed a message to the server that wrote a Received line.
struct Origin {
    ip: IpAddr,
    helo: String,
}

impl Origin {
    /// `from HELO (name [ip])`, RFC 5321 section 4.4; the address is the
    /// first literal in brackets before `by`.
    fn read(value: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(&value[..value.len().min(2000)]);
        let mut words = text.split_ascii_whitespace();
        if !words.next()?.eq_ignore_ascii_case("from") {
            return None;
        }
        let helo = words.next()?.to_owned();
        let mut before = words.take_while(|word| !word.eq_ignore_ascii_case("by"));
        let literal = |word: &str| {
            let inner = word.split_once('[')?.1.split_once(']')?.0;
            inner.strip_prefix("IPv6:").unwrap_or(inner).parse().ok()
        };
        let ip = before.find_map(literal).or_else(|| literal(&helo))?;
        Some(Self { ip, helo })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        Origin::read(value.as_bytes()).map(|origin| (origin.ip.to_string(), origin.helo))
    }

    #[test]
    fn a_received_line_tells_the_client() {
        let told = |ip: &str, helo: &str| Some((ip.to_owned(), helo.to_owned()));
        let postfix = " from far.example (far.example [192.0.2.7])\r\n\tby mx2.ours (Postfix)";
        assert_eq!(read(postfix), told("192.0.2.7", "far.example"));
        let six = " from x (unknown [IPv6:2001:db8::1]) by mx2";
        assert_eq!(read(six), told("2001:db8::1", "x"));
        let exim = " from [192.0.2.9] (helo=x) by mx with esmtp";
        assert_eq!(read(exim), told("192.0.2.9", "[192.0.2.9]"));
    }

    #[test]
    fn what_stands_behind_by_is_not_the_client() {
        assert_eq!(read(" from x by mx2 ([192.0.2.1])"), None);
        assert_eq!(read(" by mx2 with local"), None);
        assert_eq!(read(""), None);
    }
}
