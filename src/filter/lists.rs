//! Lists in DNS: of clients (RFC 5782), of domains in links, and of senders'
//! domains; none by default.
//!
//! An answer within 127.0.0.0/8 is a listing; 127.255.255.x says that the list
//! does not answer us, and anything outside of 127/8 that somebody else does:
//! neither is a listing. All questions go side by side, within the time that
//! DNS has for a message; the resolver remembers their answers. A list that is
//! silent is as if it did not exist.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::Finding;
use super::catalogue::Weights;
use super::dns::{self, Dns, Found};
use super::links::{Host, Link};
use crate::mail::Domain;

/// Domains of links that are asked about.
const HOSTS: usize = 20;

/// One list.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    pub zone: Domain,
    pub of: Of,
    /// Of a listing; below zero for a list of good ones. Multiplied by the
    /// weight of its finding, which is 1 by default.
    pub weight: f32,
    /// The answers that count; empty: all.
    pub answers: Vec<Ipv4Addr>,
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Addresses of clients.
    Clients,
    /// Domains (and addresses) that links lead to.
    Links,
    /// Domains of senders.
    Senders,
}

/// A question that a list answers, and what to say of a listing.
struct Question<'a> {
    list: &'a List,
    name: String,
    about: String,
}

/// Asks all lists about a message, within `patience`.
pub async fn check(
    lists: &[List],
    dns: &Dns,
    patience: Duration,
    client: IpAddr,
    senders: &[&Domain],
    links: &[Link],
    weights: &Weights,
) -> Vec<Finding> {
    let questions = questions(lists, dns, client, senders, links);
    let asked = questions.into_iter().map(|question| async move {
        let answer = tokio::time::timeout(patience, dns.query(&question.name, RecordType::A)).await;
        match answer {
            Ok(Found::Records(records)) if question.list.lists(&records) => {
                Some(question.finding(weights))
            }
            _ => None,
        }
    });
    // One finding for each list and what it is of: the first.
    let mut found: Vec<Finding> = Vec::new();
    for finding in join_all(asked).await.into_iter().flatten() {
        if !found.iter().any(|one| one.id == finding.id && one.terms[0] == finding.terms[0]) {
            found.push(finding);
        }
    }
    found
}

fn questions<'a>(
    lists: &'a [List],
    dns: &Dns,
    client: IpAddr,
    senders: &[&Domain],
    links: &[Link],
) -> Vec<Question<'a>> {
    let client = client.to_canonical();
    let public = !client.is_unspecified() && (dns.is_local() || !dns::is_private(client));
    let mut hosts: Vec<Host> = Vec::new();
    for link in links {
        let host = match &link.to {
            Host::Name(domain) => Host::Name(domain.organisational()),
            Host::Address(ip) => Host::Address(*ip),
        };
        if hosts.len() < HOSTS && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let mut questions = Vec::new();
    for list in lists {
        let mut ask = |front: &str, about: String| {
            questions.push(Question { list, name: format!("{front}.{}", list.zone), about });
        };
        match list.of {
            Of::Clients if public => ask(&reversed(client), client.to_string()),
            Of::Clients => {}
            Of::Links => hosts.iter().for_each(|host| match host {
                Host::Name(domain) => ask(domain.as_str(), domain.display()),
                Host::Address(ip) => ask(&reversed((*ip).into()), ip.to_string()),
            }),
            Of::Senders => {
                for domain in senders {
                    ask(domain.as_str(), domain.display());
                }
            }
        }
    }
    questions
}

impl List {
    fn lists(&self, records: &[RData]) -> bool {
        records.iter().any(|record| match record {
            RData::A(ip) => {
                let octets = ip.0.octets();
                octets[0] == 127
                    && octets[..3] != [127, 255, 255]
                    && (self.answers.is_empty() || self.answers.contains(&ip.0))
            }
            _ => false,
        })
    }
}

impl Question<'_> {
    fn finding(&self, weights: &Weights) -> Finding {
        let id = match self.list.of {
            _ if self.list.weight <= 0.0 => "vouched-by-list",
            Of::Clients => "client-listed",
            Of::Links => "link-listed",
            Of::Senders => "sender-listed",
        };
        let mut finding = weights.finding(id);
        finding.weight *= self.list.weight;
        finding.term("list", self.list.zone.as_str()).term("about", self.about.as_str())
    }
}

/// Octets, or nibbles, from the last to the first (RFC 5782 section 2.1, 2.4).
fn reversed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::dns::{Patience, Zone};

    const ZONE: &str = "\
        1.2.0.192.bl.example A 127.0.0.2\n\
        2.2.0.192.bl.example A 127.255.255.254\n\
        3.2.0.192.bl.example A 203.0.113.1\n\
        4.2.0.192.bl.example A 127.0.0.10\n\
        1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example A 127.0.0.2\n\
        1.2.0.192.good.example A 127.0.5.2\n\
        evil.example.uri.example A 127.0.0.4\n\
        9.2.0.192.uri.example A 127.0.0.4\n\
        sender.example.uri.example A 127.0.0.8\n";

    fn list(zone: &str, of: Of, weight: f32) -> List {
        List { zone: Domain::parse(zone).unwrap(), of, weight, answers: Vec::new() }
    }

    async fn found(lists: &[List], client: &str, links: &[Link]) -> Vec<String> {
        let dns = Dns::of_zone(Zone::parse(ZONE).unwrap(), &Patience::default()).unwrap();
        let sender = Domain::parse("sender.example").unwrap();
        let (client, patience) = (client.parse().unwrap(), Duration::from_secs(5));
        let weights = Weights::default();
        let found = check(lists, &dns, patience, client, &[&sender], links, &weights).await;
        found.iter().map(|one| format!("{} {} {}", one.id, one.terms[1].text, one.weight)).collect()
    }

    #[tokio::test]
    async fn clients_are_listed_and_errors_are_no_listing() {
        let lists = [list("bl.example", Of::Clients, 3.0)];
        assert_eq!(found(&lists, "192.0.2.1", &[]).await, ["client-listed 192.0.2.1 3"]);
        assert_eq!(found(&lists, "2001:db8::1", &[]).await, ["client-listed 2001:db8::1 3"]);
        assert_eq!(found(&lists, "::ffff:192.0.2.1", &[]).await.len(), 1);
        for other in ["192.0.2.2", "192.0.2.3", "192.0.2.5", "2001:db8::2"] {
            assert!(found(&lists, other, &[]).await.is_empty(), "{other}");
        }
        let chosen = List { answers: vec![Ipv4Addr::new(127, 0, 0, 10)], ..lists[0].clone() };
        assert!(found(std::slice::from_ref(&chosen), "192.0.2.1", &[]).await.is_empty());
        assert_eq!(found(&[chosen], "192.0.2.4", &[]).await.len(), 1);
        let good = [list("good.example", Of::Clients, -2.0)];
        assert_eq!(found(&good, "192.0.2.1", &[]).await, ["vouched-by-list 192.0.2.1 -2"]);
    }

    #[tokio::test]
    async fn links_and_senders_are_asked_by_their_domain() {
        let to = |text: &str| Link { to: Host::Name(Domain::parse(text).unwrap()), shows: None };
        let links = [
            to("a.evil.example"),
            to("b.evil.example"),
            to("fine.example"),
            Link { to: Host::Address([192, 0, 2, 9].into()), shows: None },
        ];
        let lists = [list("uri.example", Of::Links, 4.0)];
        let one = found(&lists, "192.0.2.1", &links).await;
        assert_eq!(one, ["link-listed evil.example 4"], "one finding of a list");
        assert_eq!(found(&lists, "192.0.2.1", &links[3..]).await, ["link-listed 192.0.2.9 4"]);
        assert!(found(&lists, "192.0.2.1", &links[2..3]).await.is_empty());
        let lists = [list("uri.example", Of::Senders, 1.0)];
        assert_eq!(found(&lists, "192.0.2.1", &[]).await, ["sender-listed sender.example 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_list_is_as_if_it_did_not_exist() {
        let mut zone = Zone::parse(ZONE).unwrap();
        zone.fail("1.2.0.192.dead.example");
        let dns = Dns::of_zone(zone, &Patience::default()).unwrap();
        let lists = [list("dead.example", Of::Clients, 3.0)];
        let client = [192, 0, 2, 1].into();
        let (patience, weights) = (Duration::from_secs(1), Weights::default());
        let found = check(&lists, &dns, patience, client, &[], &[], &weights).await;
        assert!(found.is_empty());
    }
}
