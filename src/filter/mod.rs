//! The filter: checks find, policy decides.
//!
//! [`Filter::examine`] runs every check once per message and gathers their
//! [`Finding`]s; [`policy::decide`] is a pure function from these and one
//! recipient's view to a [`Judgement`]. A check that cannot answer (a scanner
//! that is configured and silent) means defer, never accept. What trips a
//! limit of the pre-scan is never parsed.

pub mod attachment;
mod authn;
mod bulk;
pub mod catalogue;
pub mod content;
pub mod demotion;
pub mod dns;
pub mod engine;
pub mod finding;
mod inside;
mod links;
pub mod lists;
mod lookalike;
mod parsed;
mod phishing;
pub mod policy;
pub mod preview;
pub mod results;
pub mod similar;
mod spf;
pub mod verdict;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::{SignedDuration, Timestamp};

pub use finding::{Examination, Finding};
pub use verdict::{Class, Judgement, Verdict};

use crate::clock::Clock;
use crate::directory::Directory;
use crate::mail::message::FromHeader;
use crate::mail::{Address, Domain, Envelope, Limits, Message, Scan, prescan};
use crate::reputation::{History, Network, Proofs, Sender};
use catalogue::Weights;
use inside::Inside;
use results::{Results, Word};

/// Messages above this size are taken apart on a thread that may block.
const LARGE: usize = 256 << 10;

/// From so many messages on (or their worth) a history tells something.
const TELLING: f64 = 10.0;

/// How old the served names may be that look-alikes are compared with.
const SERVED: SignedDuration = SignedDuration::from_secs(60);

/// What the filter is told. Every part has a default.
#[derive(Clone, Debug)]
pub struct Settings {
    pub limits: Limits,
    pub archives: attachment::Limits,
    /// Programs beside the filter that are asked too.
    pub engines: engine::Settings,
    pub dns: dns::Source,
    /// Lists in DNS that are asked; none by default.
    pub lists: Vec<lists::List>,
    pub patience: dns::Patience,
    pub weights: Weights,
    /// What content is compared with.
    pub model: content::Current,
    /// Ask DNS who may send. Without it a message is judged by itself alone:
    /// nothing is proved, and nothing is held against it for that.
    pub authenticate: bool,
    /// Whose ARC seals excuse a broken DMARC (RFC 8617 section 7.2).
    pub trusted_sealers: Vec<Domain>,
    /// Defer what DNS cannot vouch for at the moment, instead of judging it
    /// without.
    pub defer_temperror: bool,
    /// Nearly the same text to this many recipients is mass mail.
    pub mass: similar::Settings,
    /// The same DKIM signature to this many recipients, not by its signer's
    /// own servers, is a replay.
    pub replay: similar::Settings,
}

/// Runs the checks. Clones share resolver, caches and windows.
#[derive(Clone)]
pub struct Filter {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    directory: Directory,
    clock: Clock,
    authn: authn::Authn,
    dns: dns::Dns,
    /// What came from networks and domains before, once somebody remembers it.
    history: OnceLock<History>,
    /// The served names, as they were when they were last looked at.
    served: Mutex<Option<(Timestamp, Arc<lookalike::Served>)>>,
    engines: engine::Engines,
    mass: similar::Window,
    replay: similar::Window,
}

/// A check that must answer could not (a scanner is silent, DNS of a policy
/// failed for the time being): the message is deferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undecided(pub String);

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            archives: attachment::Limits::default(),
            engines: engine::Settings::default(),
            dns: dns::Source::default(),
            lists: Vec::new(),
            patience: dns::Patience::default(),
            weights: Weights::default(),
            model: content::Model::starter().into(),
            authenticate: true,
            trusted_sealers: Vec::new(),
            defer_temperror: true,
            mass: similar::Settings {
                recipients: 30,
                window: SignedDuration::from_hours(1),
                texts: 50_000,
            },
            replay: similar::Settings {
                recipients: 21,
                window: SignedDuration::from_mins(10),
                texts: 50_000,
            },
        }
    }
}

/// What is gathered while the checks run.
#[derive(Default)]
struct Draft {
    findings: Vec<Finding>,
    classes: Vec<Class>,
    attachments: u16,
    spam_probability: Option<f32>,
}

impl Filter {
    /// Needs a tokio runtime around it if a zone file answers DNS.
    ///
    /// # Errors
    /// [`dns::DnsError`] if there is no resolver.
    pub fn new(
        settings: Settings,
        directory: Directory,
        clock: Clock,
    ) -> Result<Self, dns::DnsError> {
        let dns = dns::Dns::new(&settings.dns, &settings.patience)?;
        Ok(Self::with_dns(settings, dns, directory, clock))
    }

    /// As [`Filter::new`], with a resolver that stands already.
    pub fn with_dns(settings: Settings, dns: dns::Dns, directory: Directory, clock: Clock) -> Self {
        let inner = Inner {
            authn: authn::Authn::new(dns.clone(), &settings.patience),
            dns,
            history: OnceLock::new(),
            served: Mutex::default(),
            engines: engine::Engines::new(&settings.engines),
            mass: similar::Window::new(settings.mass),
            replay: similar::Window::new(settings.replay),
            settings,
            directory,
            clock,
        };
        Self { inner: Arc::new(inner) }
    }

    /// From now on the history of the sender's network and domain counts too.
    pub fn remember(&self, history: History) {
        // The first one stays.
        let _ = self.inner.history.set(history);
    }

    /// Runs every check on a message that the pre-scan has let through to
    /// parsers, or only those that need none if it tripped a limit.
    /// `outgoing`: malware only.
    ///
    /// # Errors
    /// [`Undecided`]: answer 451 4.7.1.
    pub async fn examine(
        &self,
        envelope: &Envelope,
        message: &Message,
        outgoing: bool,
    ) -> Result<Examination, Undecided> {
        let settings = &self.inner.settings;
        let engines = &self.inner.engines;
        let scan = prescan::scan(message.bytes(), &settings.limits);
        if scan.tripped.is_some() {
            let mut draft = Draft::default();
            draft.told(engines.scan(message, &settings.weights).await?);
            draft.add(settings.weights.finding("too-complex"), Some(Class::Unscannable));
            return Ok(draft.finish(scan, sender(envelope, None, Proofs::NONE)));
        }
        let from = message.from();
        if outgoing {
            let mut draft = Draft::default();
            let (inside, scanned) = futures_util::join!(
                self.look_inside(message, true),
                engines.scan(message, &settings.weights),
            );
            draft.take(inside);
            draft.told(scanned?);
            draft.only(Class::Malware);
            return Ok(draft.finish(scan, sender(envelope, single(&from), Proofs::NONE)));
        }
        let verify = async {
            if settings.authenticate {
                self.inner.authn.verify(envelope, message, &from).await
            } else {
                Ok(Results::default())
            }
        };
        let looked = async {
            let inside = self.look_inside(message, false).await;
            let listed = self.ask_lists(envelope, single(&from), &inside.links).await;
            (inside, listed)
        };
        let ((inside, listed), verified, scanned, weighed) = futures_util::join!(
            looked,
            verify,
            engines.scan(message, &settings.weights),
            engines.weigh(envelope, message, &settings.weights),
        );
        let mut draft = Draft::default();
        draft.told(scanned?);
        draft.told(weighed?);
        draft.findings.extend(listed);
        self.judge(envelope, message, &from, draft, scan, inside, verified)
    }

    /// Puts together what the checks found.
    #[expect(clippy::too_many_arguments, reason = "one for each check")]
    fn judge(
        &self,
        envelope: &Envelope,
        message: &Message,
        from: &FromHeader,
        mut draft: Draft,
        scan: Scan,
        mut inside: Inside,
        verified: Result<Results, authn::Stumbled>,
    ) -> Result<Examination, Undecided> {
        let settings = &self.inner.settings;
        let weights = &settings.weights;
        let (digest, links) = (inside.digest, std::mem::take(&mut inside.links));
        draft.take(inside);
        let results = verified.unwrap_or_else(|authn::Stumbled| {
            draft.add(weights.finding("unreadable"), Some(Class::Unscannable));
            Results::default()
        });
        // Malware is refused whatever DNS would say.
        let refused = draft.classes.contains(&Class::Malware);
        if settings.defer_temperror && results.is_undecided() && !refused {
            return Err(Undecided("the sender's domain gives no answer in DNS".into()));
        }
        let author = single(from).filter(|_| !results.misread_from);
        let proofs = results.proofs();
        draft.findings.extend(self.author_findings(envelope, from, &results));

        let bulk = bulk::check(envelope, message, author, &results, weights);
        let sealed = results
            .arc
            .sealer
            .as_ref()
            .is_some_and(|sealer| settings.trusted_sealers.contains(sealer));
        if settings.authenticate {
            draft.findings.extend(results.findings(weights, sealed));
        }
        if results.is_impersonation() {
            draft.classes.push(Class::Impersonated);
        }
        let poses = phishing::check(
            message,
            author,
            !proofs.is_empty(),
            bulk.discussion_list,
            &links,
            (&self.inner.directory, &*self.served()),
            weights,
        );
        draft.told(poses);
        draft.findings.extend(bulk.findings);
        draft.classes.extend(bulk.classes);
        self.count(envelope, &results, digest, &mut draft);

        let sender = sender(envelope, author, proofs);
        draft.findings.extend(self.past(&sender));
        let mut examination = draft.finish(scan, sender);
        examination.authentication = results.header_value();
        examination.automatic = bulk.automatic;
        examination.discussion_list = bulk.discussion_list;
        Ok(examination)
    }

    async fn look_inside(&self, message: &Message, outgoing: bool) -> Inside {
        let settings = &self.inner.settings;
        if message.bytes().len() <= LARGE {
            return inside::look(message, outgoing, settings);
        }
        let (message, inner) = (message.clone(), Arc::clone(&self.inner));
        let look =
            tokio::task::spawn_blocking(move || inside::look(&message, outgoing, &inner.settings));
        look.await.unwrap_or_else(|_| Inside::unreadable(&settings.weights))
    }

    /// What the sender's network or domain sent before, where it tells enough.
    fn past(&self, sender: &Sender) -> Option<Finding> {
        let past = self.inner.history.get()?.past(sender);
        let weights = &self.inner.settings.weights;
        let bad = past.bad / past.count().max(1.0);
        if past.count() >= TELLING && bad >= 0.8 {
            Some(weights.finding("history-bad"))
        } else if past.count() >= 2.0 * TELLING && bad <= 0.05 {
            Some(weights.finding("history-good"))
        } else {
            None
        }
    }

    /// What lists in DNS say of the client, the senders and the links.
    async fn ask_lists(
        &self,
        envelope: &Envelope,
        author: Option<&Address>,
        links: &[links::Link],
    ) -> Vec<Finding> {
        let Inner { settings, dns, .. } = &*self.inner;
        if settings.lists.is_empty() {
            return Vec::new();
        }
        let mut senders: Vec<Domain> =
            author.into_iter().chain(envelope.mail_from.address()).map(organisational).collect();
        senders.dedup();
        let senders: Vec<&Domain> = senders.iter().collect();
        let (patience, client) = (settings.patience.message, envelope.client.ip);
        let weights = &settings.weights;
        lists::check(&settings.lists, dns, patience, client, &senders, links, weights).await
    }

    /// The served names, looked at again once a minute.
    fn served(&self) -> Arc<lookalike::Served> {
        let now = self.inner.clock.now();
        let mut served = self.inner.served.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = &*served
            && now.duration_since(*at).abs() < SERVED
        {
            return Arc::clone(known);
        }
        let fresh = Arc::new(lookalike::Served::new(&self.inner.directory.organisations()));
        *served = Some((now, Arc::clone(&fresh)));
        fresh
    }

    /// What the author's address alone tells.
    fn author_findings(
        &self,
        envelope: &Envelope,
        from: &FromHeader,
        results: &Results,
    ) -> Vec<Finding> {
        let weights = &self.inner.settings.weights;
        let mut found = Vec::new();
        match from {
            FromHeader::Missing => found.push(weights.finding("from-missing")),
            FromHeader::Ambiguous => found.push(weights.finding("from-ambiguous")),
            FromHeader::Single(_) if results.misread_from => {
                found.push(weights.finding("from-ambiguous"));
            }
            FromHeader::Single(_) => {}
        }
        if results.proofs().is_empty() {
            let path = envelope.mail_from.address();
            let ours = [single(from), path]
                .into_iter()
                .flatten()
                .find(|address| self.inner.directory.serves(address.domain()));
            if let Some(ours) = ours {
                let domain = ours.domain().as_str();
                found.push(weights.finding("served-domain-in-from").term("domain", domain));
            }
        }
        found
    }

    /// Counts recipients of the same text and of the same signature.
    fn count(
        &self,
        envelope: &Envelope,
        results: &Results,
        digest: Option<(u64, bool)>,
        draft: &mut Draft,
    ) {
        let inner = &self.inner;
        let now = inner.clock.now();
        let recipients = || envelope.rcpt_to.iter().map(|recipient| &recipient.address);
        let mut mass = None;
        if let Some((digest, near)) = digest
            && inner.mass.is_many(inner.mass.count(digest, near, recipients(), now))
        {
            mass = Some("mass");
        }
        // Signed once, sent by others to many (ATTACKS I-15).
        let signed = results.dkim.iter().find(|one| one.aligned && one.word == Word::Pass);
        if let Some(signed) = signed.filter(|_| !results.spf_aligned)
            && inner.replay.is_many(inner.replay.count(signed.signature, false, recipients(), now))
        {
            mass = Some("replayed");
        }
        if let Some(id) = mass {
            draft.add(inner.settings.weights.finding(id), Some(Class::Mass));
        }
    }
}

impl Draft {
    fn add(&mut self, finding: Finding, class: Option<Class>) {
        self.findings.push(finding);
        self.classes.extend(class);
    }

    /// What the engines said.
    fn told(&mut self, found: engine::Found) {
        for (finding, class) in found {
            self.add(finding, class);
        }
    }

    /// Forgets every class but one, and what was found beside it.
    fn only(&mut self, class: Class) {
        self.classes.retain(|one| *one == class);
        if self.classes.is_empty() {
            self.findings.clear();
        }
    }

    fn take(&mut self, inside: Inside) {
        self.attachments = inside.attachments;
        self.spam_probability = inside.spam_probability;
        for (finding, class) in inside.found {
            self.add(finding, class);
        }
    }

    /// The strongest class first, the heaviest finding first.
    fn finish(mut self, scan: Scan, sender: Sender) -> Examination {
        self.classes.sort_unstable();
        self.classes.dedup();
        self.findings.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        Examination {
            scan,
            score: self.findings.iter().map(|finding| finding.weight).sum(),
            findings: self.findings,
            sender,
            classes: self.classes,
            authentication: Results::default().header_value(),
            automatic: false,
            attachments: self.attachments,
            spam_probability: self.spam_probability,
            discussion_list: false,
        }
    }
}

fn organisational(address: &Address) -> Domain {
    address.domain().organisational()
}

fn single(from: &FromHeader) -> Option<&Address> {
    match from {
        FromHeader::Single(address) => Some(address),
        FromHeader::Missing | FromHeader::Ambiguous => None,
    }
}

fn sender(envelope: &Envelope, author: Option<&Address>, proofs: Proofs) -> Sender {
    Sender { address: author.cloned(), proofs, network: Network::of(envelope.client.ip) }
}

#[cfg(test)]
#[path = "examine_tests.rs"]
mod tests;
