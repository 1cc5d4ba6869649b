//! The demo's world: who is served, and a DNS of its own.

use std::net::SocketAddr;
use std::path::Path;

/// Served domains, the first organisation's first.
pub const SERVED: [&str; 2] = ["demo.example", "second.example"];

/// Where everything listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub smtp: SocketAddr,
    pub milter: SocketAddr,
    pub portal: SocketAddr,
    pub inbox: SocketAddr,
    pub operations: SocketAddr,
    /// The outside world's own mail server.
    pub outside: SocketAddr,
}

/// Every `.example` domain of the demo. `dkim` is the record of the letters'
/// key.
pub fn zone(dkim: &str) -> String {
    let mut zone = String::new();
    let sends_from_here = "v=spf1 ip4:127.0.0.0/8 ip6:::1 -all";
    let proved = ["friend.example", "partner.example", "shop.example"];
    for domain in proved {
        zone +=
            &format!("{domain}. IN TXT \"{sends_from_here}\"\n{domain}. IN MX 10 mail.{domain}.\n");
        zone += &format!("mail.{domain}. IN A 127.0.0.1\n");
    }
    zone += "stranger.example. IN TXT \"v=spf1 ip4:192.0.2.25 -all\"\n";
    zone += "stranger.example. IN MX 10 mail.stranger.example.\nmail.stranger.example. IN A 192.0.2.25\n";
    for domain in SERVED {
        zone += &format!("{domain}. IN MX 10 mx.{domain}.\nmx.{domain}. IN A 127.0.0.1\n");
    }
    zone += &format!("release.demo.example. IN TXT \"{sends_from_here}\"\n");
    zone += "_dmarc.release.demo.example. IN TXT \"v=DMARC1; p=reject\"\n";
    zone += &format!("reprieve._domainkey.release.demo.example. IN TXT {dkim}\n");
    zone
}

/// A TXT record's text in strings of at most 255 bytes (RFC 1035 section
/// 3.3.14).
pub fn txt(text: &str) -> String {
    let strings: Vec<String> = text
        .as_bytes()
        .chunks(250)
        .map(|part| format!("\"{}\"", String::from_utf8_lossy(part)))
        .collect();
    strings.join(" ")
}

/// The configuration file of the demo.
pub fn config(at: &Addresses, zone: &Path) -> String {
    let Addresses { smtp, milter, portal, operations, outside, .. } = at;
    let zone = zone.display();
    format!(
        r##"# Written by `reprieve demo`.
[listen]
smtp = ["{smtp}"]
portal = "{portal}"
operations = "{operations}"

[portal]
url = "http://{portal}"

[store]
folder = "store"
reserve = "16 MiB"

[smtp]
hostname = "mx.demo.example"

[milter]
listen = ["{milter}"]

[next_hop]
server = "smtp:{outside}"

[delivery]
smarthost = "smtp:{outside}"

[release]
delay = "5 s"

[notice]
domain = "release.demo.example"
ready = "always"

[dns]
zone = "{zone}"

[[organisation]]
id = "demo"
name = "Demo Oy"
domains = ["demo.example"]
postmaster = "postmaster@demo.example"
telephone = "+358 9 123 4567"
hours = "weekdays 8-16"
first_contact = "hold"
colour = "#0b6e4f"

[[organisation]]
id = "second"
name = "Second & Sons"
domains = ["second.example"]
postmaster = "postmaster@second.example"
marketing = "hold"
colour = "#7a2e8e"
"##
    )
}
