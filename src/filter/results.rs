//! Authentication results in RFC 8601 words, and what they say of a message.
//!
//! Pure: [`Results`] is what was verified, [`Results::proofs`] what it proves
//! of the author's address, [`Results::findings`] what is told about it.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Finding;
use super::catalogue::Weights;
use crate::mail::Domain;
use crate::reputation::{Proof, Proofs};

/// The field that carries results (RFC 8601 section 2).
pub const FIELD: &str = "Authentication-Results";

/// Whether a field's value names `host` as the server that verified: such a
/// field from outside is forged (RFC 8601 section 5). The authserv-id stands
/// first, behind comments, and may be quoted.
pub fn claims(value: &[u8], host: &str) -> bool {
    let text = String::from_utf8_lossy(&value[..value.len().min(2000)]);
    let mut rest = text.trim_start();
    while rest.starts_with('(') {
        let mut depth = 0_usize;
        let end = rest.find(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some(end) = end else { return false };
        rest = rest[end + 1..].trim_start();
    }
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(|c: char| c == ';' || c == '(' || c.is_whitespace()).next(),
    };
    name.is_some_and(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host))
}

/// RFC 8601 section 2.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Word {
    Pass,
    Fail,
    SoftFail,
    Neutral,
    #[default]
    None,
    TempError,
    PermError,
}

/// Everything that was verified of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    pub spf: Spf,
    pub dkim: Vec<Dkim>,
    pub dmarc: Dmarc,
    pub arc: Arc,
    pub iprev: Iprev,
    /// MAIL FROM passed SPF and is aligned with the author.
    pub spf_aligned: bool,
    /// We read one author; another parser reads someone else.
    pub misread_from: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spf {
    pub word: Word,
    /// Of MAIL FROM, or HELO's argument as sent.
    pub domain: String,
    pub helo: bool,
    /// The record that was found.
    pub record: Option<String>,
}

/// One signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dkim {
    pub word: Word,
    pub domain: Option<Domain>,
    pub selector: String,
    /// The first 8 bytes of `b=`.
    pub signature: u64,
    pub aligned: bool,
}

/// What the author's domain demands for mail that fails DMARC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demand {
    #[default]
    None,
    Quarantine,
    Reject,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmarc {
    pub word: Word,
    pub demand: Demand,
    pub from: Option<Domain>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arc {
    pub word: Word,
    /// Who sealed last, if the whole chain passes.
    pub sealer: Option<Domain>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Iprev {
    pub word: Word,
    pub name: Option<String>,
    pub ip: Option<IpAddr>,
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::None => "none",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl Dkim {
    /// A signature that is malformed or may not count.
    pub fn refused() -> Self {
        Self { word: Word::PermError, ..Self::default() }
    }
}

impl Results {
    /// DNS gave no answers in time.
    pub fn unanswered() -> Self {
        let mut results = Self::default();
        results.spf.word = Word::TempError;
        results.dmarc.word = Word::TempError;
        results
    }

    /// What vouches for the author's address.
    pub fn proofs(&self) -> Proofs {
        let mut proofs = Proofs::NONE;
        if self.spf_aligned {
            proofs = proofs.with(Proof::Spf);
        }
        if self.dkim.iter().any(|one| one.aligned && one.word == Word::Pass) {
            proofs = proofs.with(Proof::Dkim);
        }
        if self.dmarc.word == Word::Pass {
            proofs = proofs.with(Proof::Dmarc);
        }
        proofs
    }

    /// DNS owes an answer that could change what is decided: nothing vouches
    /// for the author yet, and SPF, an aligned signature or DMARC might.
    pub fn is_undecided(&self) -> bool {
        self.proofs().is_empty()
            && (self.spf.word == Word::TempError
                || self.dmarc.word == Word::TempError
                || self.dkim.iter().any(|one| one.aligned && one.word == Word::TempError))
    }

    /// Failed DMARC whose domain asks for refusal.
    pub fn is_impersonation(&self) -> bool {
        self.dmarc.word == Word::Fail && self.dmarc.demand == Demand::Reject
    }

    /// The value of an Authentication-Results field (RFC 8601 section 2.2)
    /// without the authserv-id, folded after each result.
    pub fn header_value(&self) -> String {
        let mut value = format!("spf={}", self.spf.word.as_str());
        if let Ok(domain) = Domain::parse(&self.spf.domain) {
            let property = if self.spf.helo { "smtp.helo" } else { "smtp.mailfrom" };
            let _ = write!(value, " {property}={domain}");
        }
        if self.dkim.is_empty() {
            value.push_str(";\r\n\tdkim=none");
        }
        for one in &self.dkim {
            let _ = write!(value, ";\r\n\tdkim={}", one.word.as_str());
            if let Some(domain) = &one.domain {
                let _ = write!(value, " header.d={domain} header.s={}", one.selector);
            }
        }
        let _ = write!(value, ";\r\n\tdmarc={}", self.dmarc.word.as_str());
        if let Some(from) = &self.dmarc.from {
            let _ = write!(value, " header.from={from}");
        }
        if self.arc.word != Word::None {
            let _ = write!(value, ";\r\n\tarc={}", self.arc.word.as_str());
        }
        if let Some(ip) = self.iprev.ip {
            let _ = write!(value, ";\r\n\tiprev={} policy.iprev={ip}", self.iprev.word.as_str());
        }
        value
    }

    /// What is told of all this. `trusted_seal`: a sealer whom we trust says
    /// that the message was authentic when it reached him.
    pub fn findings(&self, weights: &Weights, trusted_seal: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        let proved = !self.proofs().is_empty();
        let excused = proved || trusted_seal;
        self.spf_findings(weights, excused, &mut found);
        self.dkim_findings(weights, excused, &mut found);
        self.dmarc_findings(weights, trusted_seal, &mut found);
        self.iprev_findings(weights, &mut found);
        if proved {
            found.push(weights.finding("proved"));
        }
        if trusted_seal {
            let sealer = self.arc.sealer.as_ref().map_or("", Domain::as_str);
            found.push(weights.finding("arc-pass").term("domain", sealer));
        }
        found
    }

    fn spf_findings(&self, weights: &Weights, excused: bool, found: &mut Vec<Finding>) {
        let id = match self.spf.word {
            Word::Pass => return,
            Word::None if self.spf.domain.is_empty() => return,
            Word::Fail => "spf-fail",
            Word::SoftFail => "spf-softfail",
            Word::Neutral => "spf-neutral",
            Word::None => "spf-none",
            Word::TempError => "spf-temperror",
            Word::PermError => "spf-permerror",
        };
        let ip = self.iprev.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let finding = if excused { weights.told(id) } else { weights.finding(id) };
        found.push(
            finding
                .term("domain", self.spf.domain.as_str())
                .term("record", self.spf.record.as_deref().unwrap_or_default())
                .term("ip", ip),
        );
    }

    fn dkim_findings(&self, weights: &Weights, excused: bool, found: &mut Vec<Finding>) {
        if self.dkim.iter().any(|one| one.word == Word::Pass) {
            return;
        }
        let Some(worst) = self.dkim.iter().max_by_key(|one| one.aligned) else {
            found.push(if excused {
                weights.told("dkim-none")
            } else {
                weights.finding("dkim-none")
            });
            return;
        };
        let id = if worst.word == Word::TempError { "dkim-temperror" } else { "dkim-fail" };
        let finding = if excused { weights.told(id) } else { weights.finding(id) };
        let domain = worst.domain.as_ref().map_or("", Domain::as_str);
        found.push(finding.term("domain", domain).term("selector", worst.selector.as_str()));
    }

    fn dmarc_findings(&self, weights: &Weights, excused: bool, found: &mut Vec<Finding>) {
        let id = match (self.dmarc.word, self.dmarc.demand) {
            (Word::Pass, _) => return,
            (Word::Fail, Demand::Reject) => "dmarc-reject",
            (Word::Fail, Demand::Quarantine) => "dmarc-quarantine",
            (Word::Fail, Demand::None) => "dmarc-fail",
            (Word::TempError, _) => "dmarc-temperror",
            (Word::None, _) if self.dmarc.from.is_none() => return,
            _ => "dmarc-none",
        };
        let excused = excused || (id == "dmarc-none" && !self.proofs().is_empty());
        let finding = if excused { weights.told(id) } else { weights.finding(id) };
        found.push(finding.term("domain", self.dmarc.from.as_ref().map_or("", Domain::as_str)));
    }

    fn iprev_findings(&self, weights: &Weights, found: &mut Vec<Finding>) {
        let id = match self.iprev.word {
            Word::PermError => "no-ptr",
            Word::Fail => "ptr-mismatch",
            _ => return,
        };
        let ip = self.iprev.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let name = self.iprev.name.as_deref().unwrap_or_default();
        found.push(weights.finding(id).term("ip", ip).term("name", name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_in_our_name_is_known_however_it_is_written() {
        for ours in [
            " mx.ours; spf=pass",
            "MX.Ours ;spf=pass",
            "\r\n\tmx.ours 1; none",
            " mx.ours.;",
            " (a (b) ) mx.ours; dkim=pass",
            " \"mx.ours\"; x",
            "mx.ours",
        ] {
            assert!(claims(ours.as_bytes(), "mx.ours"), "{ours}");
        }
        for other in
            ["mx.other; spf=pass", " xmx.ours;", " mx.ours.evil;", "", "(mx.ours", "; mx.ours"]
        {
            assert!(!claims(other.as_bytes(), "mx.ours"), "{other}");
        }
    }
}
