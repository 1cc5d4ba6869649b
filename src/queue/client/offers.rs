//! What a server offers in its answer to EHLO, and what MAIL may then carry
//! (RFC 5321 section 4.1.1.1). Keywords that nobody here uses are passed over.

use crate::queue::wire::ServerReply;

/// What the server offers (RFC 5321 section 4.1.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword that is there or not")]
pub struct Offers {
    pub starttls: bool,
    pub eight_bit: bool,
    pub smtputf8: bool,
    /// RFC 1870: `Some(0)` is without a limit.
    pub size: Option<u64>,
    /// RFC 2920.
    pub pipelining: bool,
    /// The attributes that XFORWARD may carry (Postfix's `XFORWARD_README`).
    pub xforward: Option<String>,
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
}

/// The parameters of MAIL; each is sent only if the server offers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    pub eight_bit: bool,
    pub smtputf8: bool,
    pub size: Option<u64>,
}

impl Offers {
    pub(super) fn read(reply: &ServerReply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "STARTTLS" => offers.starttls = true,
                "PIPELINING" => offers.pipelining = true,
                "XFORWARD" => offers.xforward = Some(words.collect::<Vec<_>>().join(" ")),
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                "SIZE" => {
                    offers.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0));
                }
                "AUTH" => {
                    for word in words {
                        offers.auth_plain |= word.eq_ignore_ascii_case("PLAIN");
                        offers.auth_login |= word.eq_ignore_ascii_case("LOGIN");
                    }
                }
                _ => {}
            }
        }
        offers
    }
}
