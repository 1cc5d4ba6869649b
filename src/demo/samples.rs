//! The sample mails that the demo sends: small, real, of our own writing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::Timestamp;

/// A mail with its envelope.
pub struct Mail {
    pub from: &'static str,
    pub to: &'static [&'static str],
    text: &'static str,
}

/// A stranger whose domain's SPF record does not list this machine: held, and
/// told by the reply.
pub const ROOF: Mail = Mail {
    from: "eva@stranger.example",
    to: &["anna@demo.example"],
    text: include_str!("mails/roof.eml"),
};

/// A sender whom SPF proves, writing for the first time to an organisation
/// that holds first contacts: held, and told by a letter.
pub const MINUTES: Mail = Mail {
    from: "kenji@friend.example",
    to: &["anna@demo.example", "olli@demo.example"],
    text: include_str!("mails/minutes.eml"),
};

/// The same sender again: accepted once he is trusted.
pub const AGAIN: Mail = Mail {
    from: "kenji@friend.example",
    to: &["anna@demo.example"],
    text: include_str!("mails/again.eml"),
};

/// Nothing suspicious: accepted.
pub const LUNCH: Mail = Mail {
    from: "liisa@partner.example",
    to: &["carl@second.example"],
    text: include_str!("mails/colleague.eml"),
};

/// A newsletter, to an organisation that holds them.
pub const SOCKS: Mail = Mail {
    from: "news@shop.example",
    to: &["bo@second.example"],
    text: include_str!("mails/shop.eml"),
};

/// The harmless test file that every scanner calls malware: rejected.
pub const VIRUS: Mail = Mail {
    from: "accounts@stranger.example",
    to: &["anna@demo.example"],
    text: include_str!("mails/virus.eml"),
};

impl Mail {
    /// Its bytes, dated `now`; `number` keeps Message-IDs apart.
    pub fn bytes(&self, now: Timestamp, number: &str) -> Vec<u8> {
        // In two halves, so that our own program is not malware.
        let eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
        self.text
            .replace("{date}", &now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string())
            .replace("{n}", number)
            .replace("{eicar}", &STANDARD.encode(eicar.concat()))
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_mails_with_crlf() {
        for mail in [&ROOF, &MINUTES, &AGAIN, &LUNCH, &SOCKS, &VIRUS] {
            let bytes = mail.bytes(Timestamp::UNIX_EPOCH, "1");
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.replace("\r\n", "").contains('\n'), "{}", mail.from);
            assert!(!text.contains('{'), "every blank is filled in: {text}");
            assert!(text.contains("\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n"));
        }
    }
}
