//! The mark of a message that was freed: a field that lets it pass the filter
//! once, whatever way it takes back.
//!
//! `Reprieve-Released: i=<item>; g=<attempt>; x=<expires>; t=<tags>`. Each
//! recipient has a tag of its own: 128 bits of HMAC-SHA-256, with a key of the
//! ring and a label of its own, over item, attempt, expiry, the message and
//! that recipient. So a mark lets through this message to these people only;
//! forged or altered it is nothing. That it passes once is for the store to
//! say ([`Tag::name`]). A field can come from anybody: reading is bounded.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::KeyRing;
use crate::clock::Timestamp;
use crate::mail::{Address, Message};

/// The field's name.
pub const FIELD: &str = "Reprieve-Released";

/// Separates marks from everything else that the same keys sign.
const LABEL: &str = "reprieve released mark v1";
/// Bytes of a field that are read.
const FIELD_BYTES: usize = 128 << 10;
/// Tags that are read.
const TAGS: usize = 2000;
/// Tags that are tried for one recipient: the selectors of honest tags differ
/// but by chance.
const TRIED: usize = 8;
/// A tag in bytes: selector, key, 128 bits.
const TAG_BYTES: usize = 2 + 2 + 16;

/// A mark that was read; only its tags say whether it is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    attempt: Attempt,
    tags: Vec<[u8; TAG_BYTES]>,
}

/// What a mark is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The queue item.
    pub item: Uuid,
    /// Which of its attempts: each has marks of its own, so that an attempt
    /// that was cut short does not use up the next one's.
    pub generation: u32,
    /// Whole seconds.
    pub expires: Timestamp,
}

/// A recipient's tag that was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    bytes: [u8; TAG_BYTES],
    pub expires: Timestamp,
}

impl Tag {
    /// The name under which it is noted that this tag was used.
    pub fn name(&self) -> String {
        format!("mark {}", URL_SAFE_NO_PAD.encode(self.bytes))
    }
}

/// The field for these recipients, CRLF ended.
pub fn field<'a>(
    ring: &KeyRing,
    attempt: &Attempt,
    message: &Message,
    recipients: impl Iterator<Item = &'a Address>,
) -> String {
    let digest = digest(message);
    let Attempt { item, generation, expires } = attempt;
    let mut field =
        format!("{FIELD}: i={}; g={generation}; x={};\r\n\tt=", item.simple(), expires.as_second());
    for (at, recipient) in recipients.enumerate() {
        if at > 0 {
            field.push_str(",\r\n\t");
        }
        field.push_str(&URL_SAFE_NO_PAD.encode(tag(ring, attempt, &digest, recipient)));
    }
    field.push_str("\r\n");
    field
}

impl Mark {
    /// Reads a field's value; `None` if it has not this form.
    pub fn read(value: &[u8]) -> Option<Self> {
        let value = value.get(..value.len().min(FIELD_BYTES))?;
        let text: String =
            std::str::from_utf8(value).ok()?.chars().filter(|c| !c.is_whitespace()).collect();
        let mut parts = text.split(';');
        let mut part = |name: &str| parts.next()?.strip_prefix(name);
        let item = Uuid::try_parse(part("i=")?).ok()?;
        let generation = part("g=")?.parse().ok()?;
        let expires = Timestamp::from_second(part("x=")?.parse().ok()?).ok()?;
        let tags = part("t=")?.split(',').take(TAGS).map(|tag| {
            let mut bytes = [0; TAG_BYTES];
            let length = URL_SAFE_NO_PAD.decode_slice(tag, &mut bytes).ok()?;
            (length == TAG_BYTES).then_some(bytes)
        });
        let tags = tags.collect::<Option<_>>()?;
        Some(Self { attempt: Attempt { item, generation, expires }, tags })
    }

    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.attempt.expires
    }

    /// One tag for each recipient, if every one has a right one.
    pub fn covers<'a>(
        &self,
        ring: &KeyRing,
        message: &Message,
        recipients: impl Iterator<Item = &'a Address>,
    ) -> Option<Vec<Tag>> {
        let digest = digest(message);
        recipients.map(|recipient| self.tag_of(ring, &digest, recipient)).collect()
    }

    fn tag_of(&self, ring: &KeyRing, digest: &[u8; 32], recipient: &Address) -> Option<Tag> {
        let canonical = recipient.canonical().to_string();
        let selector = selector(&self.attempt, &canonical);
        let candidates = self.tags.iter().filter(|tag| tag[..2] == selector).take(TRIED);
        let expires = self.attempt.expires;
        candidates.copied().map(|bytes| Tag { bytes, expires }).find(|Tag { bytes, .. }| {
            let key = u16::from_be_bytes([bytes[2], bytes[3]]);
            let parts = Parts::of(&self.attempt);
            ring.unseals(LABEL, &parts.with(digest, &canonical), key, &bytes[4..])
        })
    }
}

fn tag(
    ring: &KeyRing,
    attempt: &Attempt,
    digest: &[u8; 32],
    recipient: &Address,
) -> [u8; TAG_BYTES] {
    let canonical = recipient.canonical().to_string();
    let (key, seal) = ring.seal(LABEL, &Parts::of(attempt).with(digest, &canonical));
    let mut tag = [0; TAG_BYTES];
    tag[..2].copy_from_slice(&selector(attempt, &canonical));
    tag[2..4].copy_from_slice(&key.to_be_bytes());
    tag[4..].copy_from_slice(&seal);
    tag
}

/// Two bytes that say for whom a tag may be, and to others nothing: a hidden
/// recipient stays hidden.
fn selector(attempt: &Attempt, canonical: &str) -> [u8; 2] {
    let mut hash = Sha256::new();
    hash.update(attempt.item.as_bytes());
    hash.update(canonical.as_bytes());
    let hash = hash.finalize();
    [hash[0], hash[1]]
}

/// What is sealed of an attempt.
struct Parts {
    item: [u8; 16],
    generation: [u8; 4],
    expires: [u8; 8],
}

impl Parts {
    fn of(attempt: &Attempt) -> Self {
        Self {
            item: *attempt.item.as_bytes(),
            generation: attempt.generation.to_be_bytes(),
            expires: attempt.expires.as_second().to_be_bytes(),
        }
    }

    fn with<'a>(&'a self, digest: &'a [u8; 32], recipient: &'a str) -> [&'a [u8]; 5] {
        [&self.item, &self.generation, &self.expires, digest, recipient.as_bytes()]
    }
}

/// What makes the message this one and no other: the body, and the fields
/// that say from whom, what, and how it is read. Servers on the way add fields
/// and fold lines anew, so white space counts as none.
fn digest(message: &Message) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in
        ["From", "Subject", "Message-ID", "Date", "Content-Type", "Content-Transfer-Encoding"]
    {
        for value in message.all(name) {
            let bare: Vec<u8> =
                value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            hash.update(bare.len().to_be_bytes());
            hash.update(bare);
        }
        hash.update([0xff; 9]);
    }
    hash.update(message.body_hash());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "From: bo@far.example\r\nSubject: a long\r\n subject\r\n\r\nbody\r\n";

    fn message(text: &str) -> Message {
        Message::new(text.to_owned().into_bytes().into())
    }

    fn attempt() -> Attempt {
        Attempt {
            item: Uuid::from_u128(7),
            generation: 3,
            expires: Timestamp::from_second(2_000_000_000).unwrap(),
        }
    }

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| Address::parse(text).unwrap()).collect()
    }

    fn read(field: &str) -> Option<Mark> {
        Mark::read(field.split_once(':').unwrap().1.as_bytes())
    }

    #[test]
    fn a_mark_covers_its_message_and_its_recipients_only() {
        let ring = KeyRing::ephemeral();
        let to = addresses(&["anna@ours.example", "bo@ours.example"]);
        let field = field(&ring, &attempt(), &message(TEXT), to.iter());
        assert!(field.lines().all(|line| line.len() <= 998 && line.is_ascii()));
        let mark = read(&field).unwrap();
        let covers = |ring: &KeyRing, text: &str, to: &[&str]| {
            mark.covers(ring, &message(text), addresses(to).iter()).map(|tags| tags.len())
        };
        assert_eq!(covers(&ring, TEXT, &["ANNA@ours.example", "bo@ours.example"]), Some(2));
        assert_eq!(covers(&ring, TEXT, &["bo@ours.example"]), Some(1));
        let grown = format!("Received: by a\r\n{}", TEXT.replace("\r\n s", " \r\n\ts"));
        assert_eq!(covers(&ring, &grown, &["bo@ours.example"]), Some(1), "trace and folds");
        assert_eq!(covers(&ring, TEXT, &["bo@ours.example", "eva@ours.example"]), None);
        for (was, is) in [("body", "Body"), ("long", "short"), ("bo@", "bo2@")] {
            assert_eq!(covers(&ring, &TEXT.replace(was, is), &["bo@ours.example"]), None, "{is}");
        }
        let typed = TEXT.replace("\r\n\r\n", "\r\nContent-Type: text/html\r\n\r\n");
        assert_eq!(covers(&ring, &typed, &["bo@ours.example"]), None);
        assert_eq!(covers(&KeyRing::ephemeral(), TEXT, &["bo@ours.example"]), None);
    }

    #[test]
    fn every_part_of_a_mark_is_sealed() {
        let ring = KeyRing::ephemeral();
        let to = addresses(&["anna@ours.example"]);
        let field = field(&ring, &attempt(), &message(TEXT), to.iter());
        for (was, is) in [("g=3", "g=4"), ("x=2000000000", "x=2000000001"), ("0007;", "0008;")] {
            assert!(field.contains(was));
            let mark = read(&field.replace(was, is)).unwrap();
            assert_eq!(mark.covers(&ring, &message(TEXT), to.iter()), None, "{is}");
        }
        let mark = read(&field).unwrap();
        let at = |second| mark.has_expired(Timestamp::from_second(second).unwrap());
        assert!(!at(1_999_999_999) && at(2_000_000_000));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".{0,200}|i=[0-9a-f]{32};g=[0-9]{1,12};x=-?[0-9]{1,20};t=[A-Za-z0-9,_-]{0,80}") {
            if let Some(mark) = Mark::read(text.as_bytes()) {
                let to = addresses(&["anna@ours.example"]);
                prop_assert_eq!(mark.covers(&KeyRing::ephemeral(), &message(TEXT), to.iter()), None);
            }
        }
    }
}
