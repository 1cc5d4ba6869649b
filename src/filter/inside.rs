//! What stands inside a message: one parse, then every check of its parts.
//!
//! Pure and without I/O, so that a large message can be taken apart on a
//! thread of its own.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::catalogue::Weights;
use super::parsed::Parsed;
use super::{Class, Finding, Settings, attachment, content, links, phishing, similar};
use crate::mail::Message;

/// The string that every filter calls unwanted (GTUBE).
const GTUBE: &[u8] = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

static GTUBE_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(GTUBE));

/// What was found, each with the class that it alone decides.
#[derive(Debug, Default)]
pub struct Inside {
    pub found: Vec<(Finding, Option<Class>)>,
    /// The text's digest, and whether it may be compared by likeness.
    pub digest: Option<(u64, bool)>,
    pub attachments: u16,
    /// Where its links lead.
    pub links: Vec<links::Link>,
    /// That it is spam, by its content; between 0 and 1.
    pub spam_probability: Option<f32>,
}

impl Inside {
    /// Nobody can say what it holds.
    pub fn unreadable(weights: &Weights) -> Self {
        let unreadable = weights.finding("unreadable");
        Self { found: vec![(unreadable, Some(Class::Unscannable))], ..Self::default() }
    }
}

/// Parses and looks. `outgoing`: only for malware.
pub fn look(message: &Message, outgoing: bool, settings: &Settings) -> Inside {
    let weights = &settings.weights;
    let Some(parsed) = Parsed::read(message) else {
        return Inside::unreadable(weights);
    };
    let parts = parsed.parts();
    let mut inside = Inside { attachments: parsed.attachments(), ..Inside::default() };
    let attachments = attachment::check(&parts, &settings.archives, weights);
    inside.found.extend(attachments.into_iter().map(|(finding, class)| (finding, Some(class))));
    if outgoing {
        inside.found.retain(|(_, class)| *class == Some(Class::Malware));
        return inside;
    }
    let gtube =
        parts.iter().any(|part| part.text.is_some() && GTUBE_FINDER.find(part.content).is_some());
    if gtube {
        inside.found.push((weights.finding("gtube"), None));
    }
    phishing::look(&parts, &mut inside, weights);
    inside.links = links::find(&parts);
    let subject = message.text("Subject").unwrap_or_default();
    let read = content::look(message, &subject, &parts, &settings.model.model(), weights);
    inside.found.extend(read.findings.into_iter().map(|finding| (finding, None)));
    inside.spam_probability = Some(read.probability);
    inside.digest = similar::digest(&parts, || subject);
    inside
}
