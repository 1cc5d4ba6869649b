//! DKIM, DMARC, ARC and the client's name, verified by mail-auth; SPF beside.
//!
//! The only home of that crate's verification. RFC 6376, 9989, 8617 and
//! RFC 8601 section 3 (iprev). It is trusted with cryptography and grammar,
//! not with policy: which From counts, which signatures are looked at and what
//! aligns is decided here. A panic inside it makes a message unreadable,
//! never authentic.

mod cache;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::{Canonicalization, Signature};
use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcResult, IprevResult, MessageAuthenticator,
    Parameters, ResolverCache, SpfOutput, SpfResult,
};

use super::dns::{self, Dns, Patience};
use super::results::{Arc as ArcLine, Demand, Dkim, Dmarc, Iprev, Results, Spf, Word};
use super::spf;
use crate::mail::message::FromHeader;
use crate::mail::{Address, Domain, Envelope, Message};

/// How long a domain without a DMARC policy is not asked about again: the
/// walk up its tree asks for each name above it.
const LAWLESS: Duration = Duration::from_mins(1);
/// Signatures of one message that are verified; aligned ones go first.
const SIGNATURES: usize = 6;

/// Verifies. Clones share resolver and caches.
#[derive(Clone)]
pub struct Authn {
    authenticator: MessageAuthenticator,
    dns: Dns,
    caches: Arc<cache::Caches>,
    deadline: Duration,
}

/// The library panicked over the message: nobody can say how others read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message made the authentication library stumble")]
pub struct Stumbled;

impl Authn {
    pub fn new(dns: Dns, patience: &Patience) -> Self {
        Self {
            authenticator: MessageAuthenticator(dns.resolver().clone()),
            dns,
            caches: Arc::default(),
            deadline: patience.message,
        }
    }

    /// Verifies everything that vouches for `message`, whose From was read
    /// strictly as `from`. What DNS does not answer in time is temperror.
    ///
    /// # Errors
    /// [`Stumbled`].
    pub async fn verify(
        &self,
        envelope: &Envelope,
        message: &Message,
        from: &FromHeader,
    ) -> Result<Results, Stumbled> {
        let work = AssertUnwindSafe(self.verify_all(envelope, message, from)).catch_unwind();
        match tokio::time::timeout(self.deadline, work).await {
            Ok(results) => results.map_err(|_| Stumbled),
            Err(_) => Ok(Results::unanswered()),
        }
    }

    async fn verify_all(
        &self,
        envelope: &Envelope,
        message: &Message,
        from: &FromHeader,
    ) -> Results {
        let Some(mut parsed) = AuthenticatedMessage::parse(message.bytes()) else {
            // No header field at all: only the envelope can be checked.
            let ((spf, _), iprev) = futures_util::join!(self.spf(envelope), self.iprev(envelope));
            return Results { spf, iprev, ..Results::default() };
        };
        let author = author(from, &parsed);
        let mut dkim = refuse_signatures(&mut parsed, author);
        mend_relaxed_hashes(&mut parsed);

        let arc = (!parsed.ams_headers.is_empty()).then(|| self.arc(&parsed));
        let ((spf, spf_output), outputs, iprev, arc) = futures_util::join!(
            self.spf(envelope),
            self.authenticator
                .verify_dkim(Parameters::new(&parsed).with_txt_cache(&self.caches.keys)),
            self.iprev(envelope),
            OptionFuture::from(arc),
        );
        dkim.extend(outputs.iter().map(|output| dkim_line(output, author)));
        if dkim.is_empty() && parsed.has_dkim_errors {
            dkim.push(Dkim::refused());
        }
        let dmarc = match author {
            Some(author) => self.dmarc(&parsed, author, &outputs, &spf, &spf_output).await,
            None => Dmarc::default(),
        };
        let spf_aligned = spf.word == Word::Pass
            && envelope.mail_from.address().is_some()
            && author.is_some_and(|author| aligned(&spf.domain, author.domain()));
        Results {
            spf,
            dkim,
            dmarc,
            arc: arc.unwrap_or_default(),
            iprev,
            spf_aligned,
            misread_from: author.is_none() && matches!(from, FromHeader::Single(_)),
        }
    }

    /// MAIL FROM, or HELO for the null path (RFC 7208 section 2.4).
    async fn spf(&self, envelope: &Envelope) -> (Spf, SpfOutput) {
        let client = &envelope.client;
        let ip = client.ip.to_canonical();
        if ip.is_unspecified() {
            return (Spf::default(), SpfOutput::default());
        }
        let path = envelope.mail_from.address();
        let (local, domain) = match path {
            Some(address) => (address.local(), address.domain().as_str()),
            None => ("postmaster", client.helo.as_str()),
        };
        let identity = spf::Identity { ip, helo: &client.helo, local, domain };
        let answer = spf::check(&self.dns, identity).await;
        let output = SpfOutput::new(domain.to_owned()).with_result(spf_result(answer.word));
        let spf = Spf {
            word: answer.word,
            domain: domain.to_owned(),
            helo: path.is_none(),
            record: answer.record,
        };
        (spf, output)
    }

    async fn dmarc(
        &self,
        parsed: &AuthenticatedMessage<'_>,
        author: &Address,
        outputs: &[DkimOutput<'_>],
        spf: &Spf,
        spf_output: &SpfOutput,
    ) -> Dmarc {
        let from = Some(author.domain().clone());
        if self.caches.lawless.get(author.domain().as_str()).is_some() {
            return Dmarc { from, ..Dmarc::default() };
        }
        let parameters = DmarcParameters::new(parsed, outputs, &spf.domain, spf_output);
        let parameters = Parameters::new(parameters)
            .with_txt_cache(&self.caches.dmarc)
            .with_ipv4_cache(&self.caches.ipv4);
        let output = self.authenticator.verify_dmarc(parameters).await;
        if output.dmarc_record().is_none() && output.result() == DmarcResult::None {
            let until = Instant::now() + LAWLESS;
            self.caches.lawless.insert(author.domain().as_str().into(), (), until);
        }
        Dmarc {
            word: match output.result() {
                DmarcResult::Pass => Word::Pass,
                DmarcResult::Fail(_) => Word::Fail,
                DmarcResult::TempError(_) => Word::TempError,
                DmarcResult::PermError(_) => Word::PermError,
                DmarcResult::None => Word::None,
            },
            demand: match output.policy() {
                Policy::Reject => Demand::Reject,
                Policy::Quarantine => Demand::Quarantine,
                Policy::None | Policy::Unspecified => Demand::None,
            },
            from,
        }
    }

    async fn arc(&self, parsed: &AuthenticatedMessage<'_>) -> ArcLine {
        let output = self
            .authenticator
            .verify_arc(Parameters::new(parsed).with_txt_cache(&self.caches.keys))
            .await;
        // RFC 8301 section 3.1: nobody is to believe rsa-sha1 any more.
        let is_weak = |set: &mail_auth::arc::Set<'_>| {
            [set.seal.header.a, set.signature.header.a].contains(&Algorithm::RsaSha1)
        };
        if output.sets().iter().any(is_weak) {
            return ArcLine { word: Word::Fail, sealer: None };
        }
        let sealer = output
            .sets()
            .last()
            .and_then(|set| Domain::parse(&set.seal.header.d).ok())
            .filter(|_| *output.result() == DkimResult::Pass);
        ArcLine { word: dkim_word(output.result()), sealer }
    }

    /// RFC 8601 section 3: does the client's name lead back to it?
    async fn iprev(&self, envelope: &Envelope) -> Iprev {
        let ip: IpAddr = envelope.client.ip.to_canonical();
        if let Some(name) = &envelope.client.name {
            return Iprev { word: Word::Pass, name: Some(name.clone()), ip: Some(ip) };
        }
        if ip.is_unspecified() || (dns::is_private(ip) && !self.dns.is_local()) {
            return Iprev::default();
        }
        let parameters = Parameters::new(ip)
            .with_ptr_cache(&self.caches.ptr)
            .with_ipv4_cache(&self.caches.ipv4)
            .with_ipv6_cache(&self.caches.ipv6);
        let output = self.authenticator.verify_iprev(parameters).await;
        let name = output.ptr.as_ref().and_then(|names| names.first());
        let name = name.map(|name| name.trim_end_matches('.').to_owned());
        let word = match output.result() {
            IprevResult::Pass => Word::Pass,
            // A name that does not exist is no more than one that leads elsewhere.
            IprevResult::PermError(_) if name.is_some() => Word::Fail,
            IprevResult::Fail(_) => Word::Fail,
            IprevResult::TempError(_) => Word::TempError,
            IprevResult::PermError(_) => Word::PermError,
            IprevResult::None => Word::None,
        };
        Iprev { word, name, ip: Some(ip) }
    }
}

/// The author whom everybody reads: our strict reading and the library's must
/// be the same single address (ATTACKS I-06).
fn author<'a>(from: &'a FromHeader, parsed: &AuthenticatedMessage<'_>) -> Option<&'a Address> {
    let FromHeader::Single(address) = from else {
        return None;
    };
    let [theirs] = parsed.from.as_slice() else {
        return None;
    };
    let (local, domain) = theirs.rsplit_once('@')?;
    let same = local.trim_matches('"') == address.local().trim_matches('"').to_lowercase()
        && Domain::parse(domain).as_ref() == Ok(address.domain());
    same.then_some(address)
}

/// Takes away the signatures that must not count, whatever they verify to,
/// and answers one line for each; keeps at most [`SIGNATURES`] of the rest.
fn refuse_signatures(parsed: &mut AuthenticatedMessage<'_>, author: Option<&Address>) -> Vec<Dkim> {
    let all = parsed.dkim_headers.len();
    parsed.dkim_headers.retain(|header| is_sound(&header.header));
    let refused = all - parsed.dkim_headers.len();
    parsed.dkim_headers.sort_by_key(|header| {
        author.is_none_or(|author| !aligned(&header.header.d, author.domain()))
    });
    parsed.dkim_headers.truncate(SIGNATURES);
    for header in &mut parsed.dkim_headers {
        // No failure reports (RFC 6651), no third-party authors (RFC 6541):
        // each would only cost questions.
        header.header.r = false;
        header.header.atps = None;
    }
    vec![Dkim::refused(); refused.min(1)]
}

/// RFC 6376 section 3.5 (`d=` and `s=` are names, ATTACKS S-43; `h=` must
/// name From) and RFC 8301 (rsa-sha1 is no longer valid).
fn is_sound(signature: &Signature) -> bool {
    let selector = !signature.s.is_empty()
        && signature.s.len() <= 253
        && signature.s.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    selector
        && Domain::parse(&signature.d).is_ok()
        && signature.a != Algorithm::RsaSha1
        && signature.h.iter().any(|name| name.trim().eq_ignore_ascii_case("from"))
}

/// mail-auth 0.13.3 keeps lines of white space at the end of a body when it
/// canonicalises relaxed; RFC 6376 section 3.4.4 drops them. The hash of the
/// body without them is the right one. (Mended upstream in 0.15.)
fn mend_relaxed_hashes(parsed: &mut AuthenticatedMessage<'_>) {
    let body = parsed.raw_message.get(parsed.body_offset as usize..).unwrap_or_default();
    let text = body.trim_ascii_end();
    if !body[text.len()..].iter().any(|b| matches!(b, b' ' | b'\t')) {
        return;
    }
    for (canonicalization, algorithm, length, hash) in &mut parsed.body_hashes {
        if *canonicalization == Canonicalization::Relaxed && *length == 0 {
            *hash = algorithm.hash(canonicalization.canonical_body(text, 0)).as_ref().to_vec();
        }
    }
}

/// Relaxed alignment: the same organisational domain (RFC 7489 section 3.1).
fn aligned(domain: &str, author: &Domain) -> bool {
    Domain::parse(domain)
        .is_ok_and(|domain| domain == *author || domain.organisational() == author.organisational())
}

fn dkim_line(output: &DkimOutput<'_>, author: Option<&Address>) -> Dkim {
    let Some(signature) = output.signature() else {
        return Dkim::refused();
    };
    let aligned = author.is_some_and(|author| aligned(&signature.d, author.domain()));
    Dkim {
        word: dkim_word(output.result()),
        domain: Domain::parse(&signature.d).ok(),
        selector: signature.s.clone(),
        // Identifies the signed message wherever it is replayed to.
        signature: signature.b.iter().take(8).fold(0, |sum, b| sum << 8 | u64::from(*b)),
        aligned,
    }
}

fn dkim_word(result: &DkimResult) -> Word {
    match result {
        DkimResult::Pass => Word::Pass,
        DkimResult::Neutral(_) => Word::Neutral,
        DkimResult::Fail(_) => Word::Fail,
        DkimResult::PermError(_) => Word::PermError,
        DkimResult::TempError(_) => Word::TempError,
        DkimResult::None => Word::None,
    }
}

fn spf_result(word: Word) -> SpfResult {
    match word {
        Word::Pass => SpfResult::Pass,
        Word::Fail => SpfResult::Fail,
        Word::SoftFail => SpfResult::SoftFail,
        Word::Neutral => SpfResult::Neutral,
        Word::TempError => SpfResult::TempError,
        Word::PermError => SpfResult::PermError,
        Word::None => SpfResult::None,
    }
}

#[cfg(test)]
mod arc_tests;
#[cfg(test)]
mod tests;
