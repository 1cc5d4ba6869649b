//! Phishing: mail that poses as somebody whom we serve, or asks for secrets.
//!
//! What decides the class alone is rare in honest mail: a look-alike of a
//! served domain in From, Reply-To or a link; a file with a form for a
//! password; and, from somebody who proves nothing, a link that shows a served
//! host and leads elsewhere, or a display name that is a served address.
//! Proved senders do the last two for honest reasons (scanners rewrite the
//! links of quoted mail, services write in a customer's name): there it only
//! weighs, as a link does that shows any other host than its own.

use super::catalogue::Weights;
use super::inside::Inside;
use super::links::Link;
use super::lookalike::Served;
use super::parsed::Part;
use super::{Class, Finding};
use crate::directory::Directory;
use crate::mail::{Address, Domain, Message, mailbox};

/// Bytes of a file in which a form is looked for.
const FORM: usize = 1 << 20;
/// Addresses of Reply-To that are read.
const REPLIES: usize = 10;

/// Scanners that put themselves before every link.
const REWRITERS: &[&str] = &[
    "safelinks.protection.outlook.com",
    "urldefense.com",
    "urldefense.proofpoint.com",
    "linkprotect.cudasvc.com",
    "mimecast.com",
    "mimecastprotect.com",
    "secure-web.cisco.com",
    "clicktime.symantec.com",
    "trendmicro.com",
    "sophos.com",
    "checkpoint.com",
    "fortimail.com",
    "fireeye.com",
    "trellix.com",
    "deref-gmx.net",
    "deref-web.de",
    "hornetsecurity.com",
];

/// A file that shows a form for a password when it is opened.
pub fn has_form(part: &Part<'_>) -> bool {
    let name = part.name.unwrap_or_default().to_ascii_lowercase();
    let page = [".htm", ".html", ".shtml", ".xhtml", ".svg"].iter().any(|end| name.ends_with(end))
        || part.media == "text/html"
        || part.media == "image/svg+xml";
    if part.text.is_some() || !page {
        return false;
    }
    let content = part.content[..part.content.len().min(FORM)].to_ascii_lowercase();
    let has = |word: &str| memchr::memmem::find(&content, word.as_bytes()).is_some();
    let secret = has("type=\"password\"") || has("type='password'") || has("type=password");
    // A page that writes itself hides the form until it is opened.
    let hidden = has("<script") && (has("atob(") || has("unescape(")) && has("document.write");
    secret || hidden
}

/// What poses as somebody we serve. `author` as far as it was read, `proved`:
/// something vouches for it; `list`: a discussion list, which writes its
/// members' names in front of its own address.
pub fn check(
    message: &Message,
    author: Option<&Address>,
    proved: bool,
    list: bool,
    links: &[Link],
    (directory, served): (&Directory, &Served),
    weights: &Weights,
) -> Vec<(Finding, Option<Class>)> {
    let mut found = Vec::new();
    let ours =
        |domain: &Domain| directory.serves(domain) || directory.serves(&domain.organisational());
    if proved && author.is_some_and(|author| ours(author.domain())) {
        // One of us writes about us.
        return found;
    }
    let replies = message.all("Reply-To").next().map(|value| mailbox::list(value, REPLIES));
    let replies: Vec<Domain> = replies
        .unwrap_or_default()
        .iter()
        .filter_map(|shown| Address::parse_utf8(&shown.address).ok())
        .map(|address| address.domain().clone())
        .collect();
    let links_to = links.iter().filter_map(|link| link.to.name());
    let names = author.map(Address::domain).into_iter().chain(&replies).chain(links_to);
    if let Some((name, imitated)) =
        names.filter(|name| !ours(name)).find_map(|name| Some((name, served.imitated(name)?)))
    {
        let finding = weights.finding("look-alike");
        let finding = finding.term("domain", name.display()).term("served", imitated.display());
        found.push((finding, Some(Class::Phishing)));
    }
    let class = (!proved).then_some(Class::Phishing);
    found.extend(link_texts(links, ours, class, weights));
    if !list && let Some(posed) = posed(message, author, ours) {
        let author = author.map(ToString::to_string).unwrap_or_default();
        let finding = weights.finding("name-imitates").term("name", posed).term("address", author);
        found.push((finding, class));
    }
    found
}

/// The worst that a link's text does: it shows a served host, or any other
/// than its own.
fn link_texts(
    links: &[Link],
    ours: impl Fn(&Domain) -> bool,
    class: Option<Class>,
    weights: &Weights,
) -> Option<(Finding, Option<Class>)> {
    let mut lies = links.iter().filter_map(|link| {
        let shows = link.shows.as_ref()?;
        let elsewhere = link
            .to
            .name()
            .is_none_or(|to| to.organisational() != shows.organisational() && !rewrites(to));
        elsewhere.then_some((shows, &link.to))
    });
    let mut worst = lies.next()?;
    if !ours(worst.0) {
        worst = lies.find(|(shows, _)| ours(shows)).unwrap_or(worst);
    }
    let (shows, to) = worst;
    // From one of our hosts to another is nobody's trick.
    let (id, class) = if ours(shows) && !to.name().is_some_and(&ours) {
        ("link-poses", class)
    } else {
        ("link-differs", None)
    };
    let finding = weights.finding(id).term("shown", shows.display()).term("target", to.to_string());
    Some((finding, class))
}

/// Whether a host belongs to a scanner that rewrites the links of what it lets
/// through: answers quote them.
fn rewrites(host: &Domain) -> bool {
    REWRITERS.iter().any(|known| {
        let front = host.as_str().strip_suffix(known);
        front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
    })
}

/// The served address that the author's display name shows, though he writes
/// from elsewhere.
fn posed(
    message: &Message,
    author: Option<&Address>,
    ours: impl Fn(&Domain) -> bool,
) -> Option<String> {
    let author = author.filter(|author| !ours(author.domain()))?;
    let name = message.from_display()?.name?;
    let word = |c: char| c.is_whitespace() || "<>\"'()[],;:".contains(c);
    name.split(word)
        .filter(|word| word.contains('@'))
        .filter_map(|word| Address::parse_utf8(word).ok())
        .find(|shown| ours(shown.domain()) && shown.base() != author.base())
        .map(|shown| shown.to_string())
}

/// Adds what files within show.
pub fn look(parts: &[Part<'_>], inside: &mut Inside, weights: &Weights) {
    if let Some(part) = parts.iter().find(|part| has_form(part)) {
        let name = crate::mail::display::visible(part.name.unwrap_or_default());
        let finding = weights.finding("credential-form").term("name", name);
        inside.found.push((finding, Some(Class::Phishing)));
    }
}

#[cfg(test)]
#[path = "phishing_tests.rs"]
mod tests;
