//! What the console changed about an organisation: an overlay on the
//! configuration file.
//!
//! The file says which organisations and domains there are, because whoever
//! installs the gateway answers for those; the console keeps, for each
//! organisation, only the settings that somebody changed there, as one record.
//! An overlaid setting counts at once, without a restart, and goes on counting
//! when the file is read again; taken away, the file's value is back. One
//! table, [`SETTINGS`], says what may be changed, how it is written and what
//! is refused; pages, API and audit read it.

use std::fmt::Write as _;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{Choice, Directory, Organisation, OrganisationId, Told};
use crate::mail::{Address, display};
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// Bytes of a logo.
pub const LOGO: usize = 64 * 1024;
/// How often a decision is made again when another came first.
const TRIES: usize = 8;

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it may not be empty")]
    Empty,
    #[error("it is too long")]
    Long,
    #[error("it has characters that cannot be seen")]
    Invisible,
    #[error("it is none of the choices")]
    Choice,
    #[error("it is not a whole number of days from 1 to 90")]
    Days,
    #[error("it is not a colour such as #0b6e4f")]
    Colour,
    #[error("it is not an address")]
    Address,
    #[error("it is not a language tag")]
    Language,
    #[error("it is not a PNG, JPEG or WebP picture")]
    Picture,
}

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line of at most so many characters.
    Line(usize),
    /// One of these words.
    Words(&'static [&'static str]),
    Days,
    Colour,
    Address,
    Language,
}

/// A setting that the console may change, with the name it has in the file.
pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    show: fn(&Organisation) -> String,
    set: fn(&mut Organisation, &str) -> Result<(), Unfit>,
}

/// A picture that leads the organisation's pages.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Logo {
    #[n(0)]
    pub kind: Picture,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// Another one for other bytes: 20 hexadecimal digits of their SHA-256.
    #[n(2)]
    pub version: String,
}

/// The numbers stand on disk. No SVG: it may hold scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Picture {
    #[n(0)]
    Png,
    #[n(1)]
    Jpeg,
    #[n(2)]
    Webp,
}

/// What the console changed about one organisation.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Overlay {
    #[n(0)]
    pub organisation: OrganisationId,
    /// Names of settings, sorted, and the values written over the file's.
    #[n(1)]
    values: Vec<(String, String)>,
    #[n(2)]
    pub logo: Option<Logo>,
}

/// Keeps the overlays. Clones share everything.
#[derive(Clone)]
pub struct Overlays {
    store: Store,
    directory: Directory,
    /// The directory changes in the order of the commits.
    writing: Arc<Mutex<()>>,
}

const CHOICES: Kind = Kind::Words(&["deliver", "hold", "reject"]);

/// Everything that the console may change, in the order of its page.
pub static SETTINGS: [Setting; 15] = [
    Setting {
        name: "name",
        kind: Kind::Line(100),
        show: |one| one.name.clone(),
        set: |one, text| line(text, 100).and_then(needed).map(|text| one.name = text),
    },
    Setting {
        name: "colour",
        kind: Kind::Colour,
        show: |one| one.colour.clone().unwrap_or_default(),
        set: |one, text| colour(text).map(|colour| one.colour = colour),
    },
    Setting {
        name: "language",
        kind: Kind::Language,
        show: |one| one.language.clone(),
        set: |one, text| language(text).map(|tag| one.language = tag),
    },
    Setting {
        name: "sentence",
        kind: Kind::Line(300),
        show: |one| one.sentence.clone().unwrap_or_default(),
        set: |one, text| line(text, 300).map(|text| one.sentence = text),
    },
    Setting {
        name: "postmaster",
        kind: Kind::Address,
        show: |one| one.contact.postmaster.display(),
        set: |one, text| {
            let address = Address::parse_utf8(text.trim()).map_err(|_| Unfit::Address)?;
            one.contact.postmaster = address;
            Ok(())
        },
    },
    Setting {
        name: "telephone",
        kind: Kind::Line(60),
        show: |one| one.contact.telephone.clone().unwrap_or_default(),
        set: |one, text| line(text, 60).map(|text| one.contact.telephone = text),
    },
    Setting {
        name: "hours",
        kind: Kind::Line(100),
        show: |one| one.contact.hours.clone().unwrap_or_default(),
        set: |one, text| line(text, 100).map(|text| one.contact.hours = text),
    },
    Setting {
        name: "marketing",
        kind: CHOICES,
        show: |one| one.marketing.as_str().to_owned(),
        set: |one, text| choice(text).map(|choice| one.marketing = choice),
    },
    Setting {
        name: "poll",
        kind: CHOICES,
        show: |one| one.poll.as_str().to_owned(),
        set: |one, text| choice(text).map(|choice| one.poll = choice),
    },
    Setting {
        name: "social",
        kind: CHOICES,
        show: |one| one.social.as_str().to_owned(),
        set: |one, text| choice(text).map(|choice| one.social = choice),
    },
    Setting {
        name: "mass",
        kind: CHOICES,
        show: |one| one.mass.as_str().to_owned(),
        set: |one, text| choice(text).map(|choice| one.mass = choice),
    },
    Setting {
        name: "people_choose",
        kind: Kind::Words(&["true", "false"]),
        show: |one| one.people_choose.to_string(),
        set: |one, text| {
            one.people_choose = text.parse().map_err(|_| Unfit::Choice)?;
            Ok(())
        },
    },
    Setting {
        name: "first_contact",
        kind: Kind::Words(&["deliver", "hold"]),
        show: |one| if one.hold_first_contact { "hold" } else { "deliver" }.to_owned(),
        set: |one, text| {
            one.hold_first_contact = match text {
                "hold" => true,
                "deliver" => false,
                _ => return Err(Unfit::Choice),
            };
            Ok(())
        },
    },
    Setting {
        name: "told",
        kind: Kind::Words(&["letter", "reply", "defer"]),
        show: |one| one.told.as_str().to_owned(),
        set: |one, text| {
            one.told = Told::parse(text).ok_or(Unfit::Choice)?;
            Ok(())
        },
    },
    Setting {
        name: "retention",
        kind: Kind::Days,
        show: |one| one.retention_days.to_string(),
        set: |one, text| {
            let days = text.trim().parse().ok().filter(|days| (1..=90).contains(days));
            one.retention_days = days.ok_or(Unfit::Days)?;
            Ok(())
        },
    },
];

impl Setting {
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Its value as it is written.
    pub fn of(&self, organisation: &Organisation) -> String {
        (self.show)(organisation)
    }

    /// # Errors
    /// [`Unfit`]; nothing is changed then.
    pub fn set(&self, organisation: &mut Organisation, text: &str) -> Result<(), Unfit> {
        (self.set)(organisation, text)
    }
}

/// `None` for an empty one.
fn line(text: &str, most: usize) -> Result<Option<String>, Unfit> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(Unfit::Long);
    }
    if text.chars().any(display::is_invisible) {
        return Err(Unfit::Invisible);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn needed(text: Option<String>) -> Result<String, Unfit> {
    text.ok_or(Unfit::Empty)
}

fn colour(text: &str) -> Result<Option<String>, Unfit> {
    let text = text.trim().to_ascii_lowercase();
    match text.strip_prefix('#') {
        None if text.is_empty() => Ok(None),
        Some(digits) if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(Some(text))
        }
        _ => Err(Unfit::Colour),
    }
}

fn language(text: &str) -> Result<String, Unfit> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = plain && (2..=12).contains(&text.len());
    if fits { Ok(text.to_owned()) } else { Err(Unfit::Language) }
}

fn choice(text: &str) -> Result<Choice, Unfit> {
    Choice::parse(text).ok_or(Unfit::Choice)
}

impl Picture {
    /// By the first bytes, never by what somebody says of them.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

impl Logo {
    /// # Errors
    /// [`Unfit`] for what is larger than [`LOGO`] or no picture.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Unfit> {
        if bytes.len() > LOGO {
            return Err(Unfit::Long);
        }
        let kind = Picture::of(&bytes).ok_or(Unfit::Picture)?;
        let mut version = String::new();
        for byte in &Sha256::digest(&bytes)[..10] {
            let _ = write!(version, "{byte:02x}");
        }
        Ok(Self { kind, bytes, version })
    }
}

impl std::fmt::Debug for Logo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "logo {:?} {}", self.kind, self.version)
    }
}

impl Record for Overlay {
    const TABLE: Table = Table::Overlay;

    fn key(&self) -> Vec<u8> {
        self.organisation.as_str().as_bytes().to_vec()
    }
}

impl Overlay {
    /// One that changes nothing.
    pub fn new(organisation: OrganisationId) -> Self {
        Self { organisation, values: Vec::new(), logo: None }
    }

    /// The value that stands over the file's.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Puts a value over the file's.
    pub fn put(&mut self, name: &str, value: &str) {
        self.take(name);
        let at = self.values.partition_point(|(other, _)| other.as_str() < name);
        self.values.insert(at, (name.to_owned(), value.to_owned()));
    }

    /// Back to the file's value.
    pub fn take(&mut self, name: &str) {
        self.values.retain(|(other, _)| other != name);
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.logo.is_none()
    }

    /// The organisation as it counts. A value that does not fit (a newer
    /// program wrote it) leaves the file's.
    pub fn over(&self, written: &Organisation) -> Organisation {
        let mut organisation = written.clone();
        for (name, value) in &self.values {
            if let Some(setting) = Setting::named(name) {
                let _ = setting.set(&mut organisation, value);
            }
        }
        organisation.logo = self.logo.clone().map(Arc::new);
        organisation
    }

    /// In one line, for the audit.
    pub fn shown(&self) -> String {
        let mut all: Vec<String> =
            self.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        all.extend(self.logo.as_ref().map(|logo| format!("{logo:?}")));
        all.join(", ")
    }
}

impl Overlays {
    /// Reads every overlay and lays it over the directory; needed once, before
    /// mail is taken.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn open(store: Store, directory: Directory) -> Result<Self, Fault> {
        store.each(|row: Row<Overlay>| directory.lay(row.record)).await?;
        Ok(Self { store, directory, writing: Arc::default() })
    }

    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn of(&self, id: &OrganisationId) -> Result<Overlay, Fault> {
        let row = self.row(id).await?;
        Ok(row.map_or_else(|| Overlay::new(id.clone()), |row| row.record))
    }

    async fn row(&self, id: &OrganisationId) -> Result<Option<Row<Overlay>>, Fault> {
        self.store.find(id.as_str().as_bytes()).await
    }

    /// Changes an organisation's overlay in one batch with what `also` adds:
    /// the overlay before and after. It counts at once.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn change(
        &self,
        id: &OrganisationId,
        change: impl Fn(&mut Overlay),
        also: &(dyn Fn(&mut Batch, &Overlay, &Overlay) + Sync),
    ) -> Result<Overlay, Fault> {
        let _writing = self.writing.lock().await;
        for _ in 0..TRIES {
            let row = self.row(id).await?;
            let empty = Overlay::new(id.clone());
            let before = row.as_ref().map_or(&empty, |row| &row.record);
            let mut after = before.clone();
            change(&mut after);
            if after == *before {
                return Ok(after);
            }
            let mut batch = Batch::new();
            batch.upsert(row.as_ref(), &after);
            also(&mut batch, before, &after);
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.directory.lay(after.clone());
                    return Ok(after);
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the organisation changes too fast; try again".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::sample;

    fn ours() -> OrganisationId {
        OrganisationId::new("ours").unwrap()
    }

    #[test]
    fn every_setting_takes_what_it_shows() {
        let mut organisation = sample::organisation("ours");
        for setting in &SETTINGS {
            let shown = setting.of(&organisation);
            assert_eq!(setting.set(&mut organisation, &shown), Ok(()), "{}", setting.name);
            assert_eq!(setting.of(&organisation), shown, "{}", setting.name);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let long = "x".repeat(400);
        let cases = [
            ("name", " ", Unfit::Empty),
            ("name", long.as_str(), Unfit::Long),
            ("name", "a\u{202e}b", Unfit::Invisible),
            ("sentence", "one\r\ntwo", Unfit::Invisible),
            ("colour", "red", Unfit::Colour),
            ("colour", "#12345g", Unfit::Colour),
            ("language", "<b>", Unfit::Language),
            ("postmaster", "nobody", Unfit::Address),
            ("marketing", "maybe", Unfit::Choice),
            ("mass", "", Unfit::Choice),
            ("people_choose", "yes", Unfit::Choice),
            ("first_contact", "reject", Unfit::Choice),
            ("told", "shout", Unfit::Choice),
            ("retention", "0", Unfit::Days),
            ("retention", "91", Unfit::Days),
        ];
        for (name, text, wrong) in cases {
            let mut organisation = sample::organisation("ours");
            let setting = Setting::named(name).unwrap();
            let before = setting.of(&organisation);
            assert_eq!(setting.set(&mut organisation, text), Err(wrong), "{name} {text:?}");
            assert_eq!(setting.of(&organisation), before, "{name} {text:?}");
        }
        assert!(Setting::named("domains").is_none(), "the file's alone");
    }

    #[test]
    fn only_pictures_become_logos() {
        let png = b"\x89PNG\r\n\x1a\nrest".to_vec();
        assert_eq!(Logo::new(png).unwrap().kind, Picture::Png);
        assert_eq!(Logo::new(b"\xff\xd8\xff\xe0".to_vec()).unwrap().kind, Picture::Jpeg);
        assert_eq!(Logo::new(b"RIFF0000WEBPVP8 ".to_vec()).unwrap().kind, Picture::Webp);
        for bad in [&b"<svg onload=alert(1)>"[..], b"GIF89a", b"", b"\x89PNG", b"RIFF0000WAVE"] {
            assert_eq!(Logo::new(bad.to_vec()), Err(Unfit::Picture));
        }
        let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
        large.resize(LOGO + 1, 0);
        assert_eq!(Logo::new(large), Err(Unfit::Long));
    }

    #[tokio::test]
    async fn an_overlay_counts_at_once_outlives_restart_and_reload_and_ends() {
        let store = Store::in_memory();
        let directory = sample::directory(Vec::new());
        let overlays = Overlays::open(store.clone(), directory.clone()).await.unwrap();
        let change = |overlay: &mut Overlay| {
            overlay.put("telephone", "+358 1");
            overlay.put("marketing", "hold");
        };
        overlays.change(&ours(), change, &|_, _, _| {}).await.unwrap();
        let check = |directory: &Directory| {
            let organisation = directory.organisation(&ours()).unwrap();
            assert_eq!(organisation.contact.telephone.as_deref(), Some("+358 1"));
            assert_eq!(organisation.marketing, Choice::Hold);
            assert_eq!(directory.written(&ours()).unwrap().contact.telephone, None);
        };
        check(&directory);
        let again = sample::directory(Vec::new());
        Overlays::open(store, again.clone()).await.unwrap();
        check(&again);
        // SIGHUP: the file says another name.
        let ours_now = Organisation { name: "New".to_owned(), ..sample::organisation("ours") };
        directory.replace(vec![ours_now]).unwrap();
        check(&directory);
        assert_eq!(directory.organisation(&ours()).unwrap().name, "New");
        overlays.change(&ours(), |overlay| overlay.take("telephone"), &|_, _, _| {}).await.unwrap();
        let organisation = directory.organisation(&ours()).unwrap();
        assert_eq!(organisation.contact.telephone, None, "the file's value is back");
        assert_eq!(organisation.marketing, Choice::Hold);
    }
}
