//! SPF: may this client send for this domain? RFC 7208, `check_host()`.
//!
//! Own, because the library at hand answers a quarter of the official suite
//! differently: it overlooks errors of syntax and limits, and calls names
//! that cannot exist a failure of DNS, for which mail would be deferred.
//! Nothing that a record says makes more than ten look-ups, or two that find
//! nothing; what it may cost in time is the caller's deadline.

mod macros;
mod record;

use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::dns::{Dns, Found};
use super::results::Word;
use macros::Values;
use record::{Lengths, Mechanism, Record};

/// Terms that ask DNS (section 4.6.4).
const LOOKUPS: u8 = 10;
/// Questions that find nothing (section 4.6.4).
const VOID: u8 = 2;
/// Names of one MX or PTR answer that are looked at (section 4.6.4).
const NAMES: usize = 10;

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub ip: IpAddr,
    pub helo: &'a str,
    pub local: &'a str,
    pub domain: &'a str,
}

/// The result, and the record that it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub word: Word,
    pub record: Option<String>,
}

/// An evaluation that cannot go on.
enum Stop {
    Permanent,
    Transient,
}

struct Check<'a> {
    dns: &'a Dns,
    identity: Identity<'a>,
    lookups: u8,
    void: u8,
    validated: Option<Vec<String>>,
}

/// Checks one identity.
pub async fn check(dns: &Dns, identity: Identity<'_>) -> Answer {
    let identity = Identity { ip: identity.ip.to_canonical(), ..identity };
    let mut check = Check { dns, identity, lookups: 0, void: 0, validated: None };
    let domain = identity.domain.trim_end_matches('.');
    // Section 4.3: what is no name in DNS has no policy.
    if !is_name(domain) || !domain.contains('.') {
        return Answer::default();
    }
    let texts = match dns.query(domain, RecordType::TXT).await {
        Found::Silence => return Answer { word: Word::TempError, record: None },
        Found::Nothing => return Answer::default(),
        Found::Records(records) => texts(&records),
    };
    let Some(first) = texts.first() else {
        return Answer::default();
    };
    let word = match check.evaluate_texts(&texts, domain).await {
        Ok(word) => word,
        Err(Stop::Permanent) => Word::PermError,
        Err(Stop::Transient) => Word::TempError,
    };
    Answer { word, record: Some(String::from_utf8_lossy(first).into_owned()) }
}

impl Check<'_> {
    /// Fetches and evaluates the record of an included domain.
    async fn evaluate(&mut self, domain: &str) -> Result<Word, Stop> {
        if !is_name(domain) {
            return Ok(Word::None);
        }
        let records = self.ask(domain, RecordType::TXT).await?;
        self.evaluate_texts(&texts(&records), domain).await
    }

    /// Section 4.5: exactly one record; then its terms in order.
    async fn evaluate_texts(&mut self, texts: &[Vec<u8>], domain: &str) -> Result<Word, Stop> {
        let [text] = texts else {
            return if texts.is_empty() { Ok(Word::None) } else { Err(Stop::Permanent) };
        };
        let record = std::str::from_utf8(&text[6..])
            .ok()
            .and_then(|terms| Record::parse(terms).ok())
            .ok_or(Stop::Permanent)?;
        for directive in &record.directives {
            if self.matches(&directive.mechanism, domain).await? {
                return Ok(directive.result);
            }
        }
        let Some(redirect) = &record.redirect else {
            return Ok(Word::Neutral);
        };
        self.spend()?;
        let target = self.expand(redirect, domain).await;
        match Box::pin(self.evaluate(&target)).await? {
            Word::None => Err(Stop::Permanent),
            word => Ok(word),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(within(self.identity.ip, (*network).into(), *bits)),
            Mechanism::Ip6(network, bits) => Ok(within(self.identity.ip, (*network).into(), *bits)),
            Mechanism::Include(spec) => {
                self.spend()?;
                let target = self.expand(spec, domain).await;
                match Box::pin(self.evaluate(&target)).await? {
                    Word::Pass => Ok(true),
                    Word::None => Err(Stop::Permanent),
                    _ => Ok(false),
                }
            }
            Mechanism::A(spec, lengths) => {
                self.spend()?;
                let target = self.target(spec.as_deref(), domain).await;
                self.leads_here(&target, *lengths, true).await
            }
            Mechanism::Mx(spec, lengths) => {
                self.spend()?;
                let target = self.target(spec.as_deref(), domain).await;
                self.mx(&target, *lengths).await
            }
            Mechanism::Ptr(spec) => {
                self.spend()?;
                let target = self.target(spec.as_deref(), domain).await;
                let names = self.validated().await;
                Ok(names.iter().any(|name| is_below(name, &target)))
            }
            Mechanism::Exists(spec) => {
                self.spend()?;
                let target = self.expand(spec, domain).await;
                Ok(!self.ask(&target, RecordType::A).await?.is_empty())
            }
        }
    }

    async fn mx(&mut self, target: &str, lengths: Lengths) -> Result<bool, Stop> {
        let records = self.ask(target, RecordType::MX).await?;
        if records.len() > NAMES {
            return Err(Stop::Permanent);
        }
        for record in &records {
            if let RData::MX(mx) = record
                && self.leads_here(&plain(&mx.exchange), lengths, false).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an address of `name` is the client's, or in its network.
    async fn leads_here(
        &mut self,
        name: &str,
        lengths: Lengths,
        counts: bool,
    ) -> Result<bool, Stop> {
        let ip = self.identity.ip;
        let (kind, bits) = match ip {
            IpAddr::V4(_) => (RecordType::A, lengths.v4),
            IpAddr::V6(_) => (RecordType::AAAA, lengths.v6),
        };
        let void = self.void;
        let records = self.ask(name, kind).await?;
        if !counts {
            self.void = void;
        }
        Ok(records.iter().any(|record| match record {
            RData::A(a) => within(ip, a.0.into(), bits),
            RData::AAAA(aaaa) => within(ip, aaaa.0.into(), bits),
            _ => false,
        }))
    }

    /// The names of the client that lead back to it (section 5.5). Failures
    /// of DNS only mean that there are fewer.
    async fn validated(&mut self) -> Vec<String> {
        if let Some(names) = &self.validated {
            return names.clone();
        }
        let lengths = Lengths { v4: 32, v6: 128 };
        let mut names = Vec::new();
        if let Found::Records(records) = self.dns.reverse(self.identity.ip).await {
            for record in records.iter().take(NAMES) {
                let RData::PTR(name) = record else { continue };
                let name = plain(&name.0).to_ascii_lowercase();
                if matches!(self.leads_here(&name, lengths, false).await, Ok(true)) {
                    names.push(name);
                }
            }
        }
        self.validated.insert(names).clone()
    }

    async fn target(&mut self, spec: Option<&str>, domain: &str) -> String {
        match spec {
            Some(spec) => self.expand(spec, domain).await,
            None => domain.to_owned(),
        }
    }

    async fn expand(&mut self, spec: &str, domain: &str) -> String {
        let names = if macros::needs_validated(spec) { self.validated().await } else { Vec::new() };
        // Section 7.3: the domain itself, else one below it, else any.
        let validated = names
            .iter()
            .find(|name| name.eq_ignore_ascii_case(domain))
            .or_else(|| names.iter().find(|name| is_below(name, domain)))
            .or_else(|| names.first());
        let values = Values {
            ip: self.identity.ip,
            local: self.identity.local,
            sender_domain: self.identity.domain,
            domain,
            helo: self.identity.helo,
            validated: validated.map_or("unknown", String::as_str),
        };
        macros::expand(spec, &values)
    }

    fn spend(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > LOOKUPS { Err(Stop::Permanent) } else { Ok(()) }
    }

    /// The records of `name`; empty if there are none, which is counted.
    async fn ask(&mut self, name: &str, kind: RecordType) -> Result<Vec<RData>, Stop> {
        // A name that cannot be asked for does not exist (section 4.3).
        if !is_name(name) {
            return Ok(Vec::new());
        }
        match self.dns.query(name, kind).await {
            Found::Records(records) => Ok(records),
            Found::Silence => Err(Stop::Transient),
            Found::Nothing => {
                self.void += 1;
                if self.void > VOID { Err(Stop::Permanent) } else { Ok(Vec::new()) }
            }
        }
    }
}

/// The texts that are SPF records, their strings joined.
fn texts(records: &[RData]) -> Vec<Vec<u8>> {
    let texts = records.iter().filter_map(|record| match record {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    });
    texts
        .filter(|text| {
            text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"))
                && matches!(text.get(6), None | Some(b' '))
        })
        .collect()
}

/// Whether DNS can be asked for it: labels of 1 to 63 bytes, 253 in all.
fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    (1..=253).contains(&name.len()) && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// A name as it is compared and asked for: labels and dots, no escapes.
fn plain(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    labels.join(".")
}

fn is_below(name: &str, domain: &str) -> bool {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    name.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let different = ip.to_bits() ^ network.to_bits();
            different.checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let different = ip.to_bits() ^ network.to_bits();
            different.checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
        }
        _ => false,
    }
}
