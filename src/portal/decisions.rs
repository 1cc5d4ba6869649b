//! What console and API decide about organisations, recipients and rules: one
//! piece for both, so that neither can do more than the other.
//!
//! It trusts nobody's word for what belongs to whom: each decision looks
//! whether the role covers the organisation, and goes with its audit entry
//! into one batch. What is refused names the field and the sentence.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::admin::Console;
use super::asset::Colour;
use super::error::Trouble;
use super::recipient::{DAYS, pattern};
use super::{App, Recipients};
use crate::account::{Entry, Role};
use crate::clock::Timestamp;
use crate::directory::overlay::{Logo, Setting, Unfit};
use crate::directory::{
    Frequency, Organisation, OrganisationId, Pattern, PeopleError, Recipient, RuleAction,
    StoredRule,
};
use crate::mail::Address;
use crate::store::{Batch, Fault, Record};

/// Characters of a reason.
const WHY: usize = 300;

/// Why nothing was decided.
#[derive(Debug, PartialEq, Eq)]
pub enum Declined {
    NotFound,
    /// It belongs to an organisation that is not his.
    Foreign(String),
    /// Fields, and the sentence about each.
    Wrong(Vec<(&'static str, &'static str)>),
    Store(Fault),
}

impl Declined {
    fn wrong(field: &'static str, word: &'static str) -> Self {
        Self::Wrong(vec![(field, word)])
    }
}

impl From<Fault> for Declined {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

/// What a form or a body says under a name; empty if it says nothing.
pub type Field<'a> = &'a (dyn Fn(&str) -> String + Sync);
type Decided<T> = Result<T, Declined>;

/// Somebody with a role who decides.
pub struct Decider {
    pub app: App,
    pub role: Role,
    pub login: String,
    /// How the audit names him.
    pub who: String,
    pub client: IpAddr,
}

/// What is to happen to an organisation's logo.
pub enum Picture {
    Stays,
    Goes,
    Is(Vec<u8>),
}

impl Decider {
    fn entry(&self, what: &str) -> Entry {
        Entry::new(&self.who, what).from(self.client)
    }

    fn console(&self) -> Decided<&Console> {
        self.app.console.as_ref().ok_or(Declined::NotFound)
    }

    fn recipients(&self) -> Decided<&Recipients> {
        self.app.recipients.as_ref().ok_or(Declined::NotFound)
    }

    /// The organisations that he sees.
    pub fn organisations(&self) -> Vec<Arc<Organisation>> {
        let mut all = self.app.directory.organisations();
        all.retain(|one| self.role.covers(&one.id));
        all
    }

    /// The organisations that bound a list: the named one, or all that he
    /// sees; `None`: no bounds.
    pub fn bounds(&self, named: &str) -> Option<Vec<OrganisationId>> {
        match OrganisationId::new(named) {
            Some(id) if self.role.covers(&id) => Some(vec![id]),
            Some(_) => Some(Vec::new()),
            None => self.role.organisations().map(<[_]>::to_vec),
        }
    }

    /// The organisation of this name, if it is his to see.
    pub fn organisation(&self, id: &str) -> Decided<Arc<Organisation>> {
        let id = OrganisationId::new(id).ok_or(Declined::NotFound)?;
        let found = self.app.directory.organisation(&id).ok_or(Declined::NotFound)?;
        self.covered(&id, "organisation")?;
        Ok(found)
    }

    fn covered(&self, id: &OrganisationId, what: &str) -> Decided<()> {
        if self.role.covers(id) {
            Ok(())
        } else {
            Err(Declined::Foreign(format!("{what} of {id}")))
        }
    }

    /// Changes settings of an organisation: those of `values` that differ from
    /// what counts now, those of `back` to the file's value.
    pub async fn change_organisation(
        &self,
        id: &str,
        values: &[(String, String)],
        back: &[String],
        picture: Picture,
        why: &str,
    ) -> Decided<()> {
        let organisation = self.organisation(id)?;
        let mut wrong = Vec::new();
        let mut changed = Vec::new();
        for (name, text) in values {
            let Some(setting) = Setting::named(name) else {
                return Err(Declined::wrong("values", "wrong-setting"));
            };
            if text.trim() == setting.of(&organisation) {
                continue;
            }
            match self.fits(setting, &organisation, text) {
                Ok(text) => changed.push((setting.name, text)),
                Err(word) => wrong.push((setting.name, word)),
            }
        }
        let logo = match picture {
            Picture::Stays => None,
            Picture::Goes => Some(None),
            Picture::Is(bytes) => match Logo::new(bytes) {
                Ok(logo) => Some(Some(logo)),
                Err(unfit) => {
                    wrong.push(("logo", unfit_word(unfit)));
                    None
                }
            },
        };
        if !wrong.is_empty() {
            return Err(Declined::Wrong(wrong));
        }
        let console = self.console()?;
        let change = |overlay: &mut crate::directory::Overlay| {
            for name in back {
                overlay.take(name);
            }
            for (name, text) in &changed {
                overlay.put(name, text);
            }
            if let Some(logo) = &logo {
                overlay.logo.clone_from(logo);
            }
        };
        let audit = console.accounts.audit();
        console
            .overlays
            .change(&organisation.id, change, &|batch, before, after| {
                let entry = self.entry("change-organisation").about("organisation", id);
                let entry = entry.why(why).of(vec![organisation.id.clone()]);
                audit.record(batch, entry.before(before.shown()).after(after.shown()));
            })
            .await?;
        Ok(())
    }

    /// The value as it is kept, or the sentence about it.
    fn fits(
        &self,
        setting: &Setting,
        organisation: &Organisation,
        text: &str,
    ) -> Result<String, &'static str> {
        let mut trial = organisation.clone();
        setting.set(&mut trial, text).map_err(unfit_word)?;
        if setting.name == "colour"
            && trial.colour.as_deref().and_then(Colour::parse).is_some_and(|one| !one.is_readable())
        {
            return Err("wrong-colour-pale");
        }
        if setting.name == "language" && self.app.languages.find(&trial.language).is_none() {
            return Err("wrong-language");
        }
        Ok(setting.of(&trial))
    }

    /// The recipient of this id, if he is his to see.
    pub async fn recipient(&self, id: &str) -> Decided<Recipient> {
        let id: Uuid = id.parse().map_err(|_| Declined::NotFound)?;
        let found = self.recipients()?.people.by_id(id).await?.ok_or(Declined::NotFound)?;
        self.covered(&found.record.organisation, "recipient")?;
        Ok(found.record)
    }

    /// Makes a recipient known before any mail came for him.
    pub async fn add_recipient(&self, address: &str) -> Decided<Recipient> {
        let address = mailbox(address, "address")?;
        let organisation = self.app.directory.organisation_of(address.domain());
        let organisation = organisation.filter(|one| self.role.covers(&one.id));
        let organisation = organisation.ok_or(Declined::wrong("address", "wrong-domain"))?;
        let people = &self.recipients()?.people;
        if let Some(known) = people.known(&address).await? {
            return Ok(known);
        }
        let console = self.console()?;
        let entry = |batch: &mut Batch, _: Option<&Recipient>, after: Option<&Recipient>| {
            if let Some(after) = after {
                console.accounts.audit().record(batch, self.about("add-recipient", after));
            }
        };
        Ok(people.make(&address, &organisation.id, Some(&self.login), &entry).await?)
    }

    fn about(&self, what: &str, recipient: &Recipient) -> Entry {
        let entry = self.entry(what).about("recipient", &recipient.address.display());
        entry.of(vec![recipient.organisation.clone()])
    }

    /// Changes what the fields name: `add_alias`, `remove_alias`,
    /// `add_member`, `remove_member`, `digest`, `hour`, `weekday`, `language`.
    pub async fn change_recipient(&self, id: &str, field: Field<'_>) -> Decided<Recipient> {
        let recipient = self.recipient(id).await?;
        let address = |name: &'static str| {
            let text = field(name);
            if text.trim().is_empty() { Ok(None) } else { mailbox(&text, name).map(Some) }
        };
        let (add_alias, remove_alias) = (address("add_alias")?, address("remove_alias")?);
        let (add_member, remove_member) = (address("add_member")?, address("remove_member")?);
        let chosen = |name: &'static str, fits: bool| {
            if field(name).is_empty() || fits {
                Ok(())
            } else {
                Err(Declined::wrong(name, "wrong-choice"))
            }
        };
        let digest = field("digest");
        let frequency = Frequency::parse(&digest);
        chosen("digest", frequency.is_some())?;
        let number = |name: &str, below: usize| {
            let number: Option<u8> = field(name).parse().ok();
            number.filter(|number| usize::from(*number) < below)
        };
        let (hour, weekday) = (number("hour", 24), number("weekday", DAYS.len()));
        chosen("hour", hour.is_some())?;
        chosen("weekday", weekday.is_some())?;
        let tag = field("language");
        let language = self.app.languages.find(&tag).map(|words| words.tag().to_owned());
        chosen("language", language.is_some())?;
        let organisation = self.app.directory.organisation(&recipient.organisation);
        let theirs = organisation.map(|one| one.digest.rhythm).unwrap_or_default();
        let named = if add_alias.is_some() { "add_alias" } else { "add_member" };
        let change = |one: &mut Recipient| {
            change_list(&mut one.aliases, add_alias.as_ref(), remove_alias.as_ref());
            change_list(&mut one.members, add_member.as_ref(), remove_member.as_ref());
            one.choose(theirs, (frequency, hour, weekday));
            if language.is_some() {
                one.language.clone_from(&language);
            }
        };
        let console = self.console()?;
        let also = |batch: &mut Batch, before: Option<&Recipient>, after: Option<&Recipient>| {
            let (Some(before), Some(after)) = (before, after) else { return };
            let entry = self.about("change-recipient", after);
            let entry = entry.before(settings_shown(before)).after(settings_shown(after));
            console.accounts.audit().record(batch, entry);
        };
        let people = &self.recipients()?.people;
        people.decide(&recipient.address, change, &also).await.map_err(people_word(named))
    }

    /// Ends every session on his own page.
    pub async fn end_sessions(&self, id: &str) -> Decided<()> {
        let recipient = self.recipient(id).await?;
        let console = self.console()?;
        let entry = self.about("end-recipient-sessions", &recipient);
        let also = |batch: &mut Batch| console.accounts.audit().record(batch, entry.clone());
        Ok(self.recipients()?.sessions.end(recipient.id, None, &also).await?)
    }

    /// Sends his digest now; `false`: there is nothing to tell.
    pub async fn send_digest(&self, id: &str) -> Decided<bool> {
        let recipient = self.recipient(id).await?;
        let entry = self.about("send-digest", &recipient);
        Ok((self.console()?.digest)(recipient.address, entry).await?)
    }

    /// Makes a rule of the fields `organisation`, `recipient` (empty: all of
    /// the organisation), `sender` (address or domain), `proved` (the address
    /// only where it is proved), `action`, `why` and `until` (a day).
    pub async fn make_rule(&self, field: Field<'_>) -> Decided<StoredRule> {
        let typed = field("sender");
        let sender = pattern(&typed).ok_or(Declined::wrong("sender", "wrong-sender"))?;
        let sender = match (sender, field("proved").as_str()) {
            (Pattern::Address(address), "yes" | "true") => Pattern::Proved(address),
            (Pattern::Domain(_), "yes" | "true") => {
                return Err(Declined::wrong("sender", "wrong-proved"));
            }
            (sender, _) => sender,
        };
        self.make_rule_about(sender, field).await
    }

    /// The same with the sender given.
    pub async fn make_rule_about(&self, sender: Pattern, field: Field<'_>) -> Decided<StoredRule> {
        let (named, typed) = (field("organisation"), field("recipient"));
        let recipient = match typed.trim() {
            "" => None,
            text => Some(mailbox(text, "recipient")?),
        };
        let organisation = match (&recipient, named.trim()) {
            (Some(one), _) => self.app.directory.organisation_of(one.domain()),
            (None, "") => None,
            (None, id) => {
                OrganisationId::new(id).and_then(|id| self.app.directory.organisation(&id))
            }
        };
        let place = if recipient.is_some() { "recipient" } else { "organisation" };
        let word = if recipient.is_some() { "wrong-domain" } else { "wrong-organisation" };
        let organisation = organisation.ok_or(Declined::wrong(place, word))?;
        self.covered(&organisation.id, "rule")?;
        let action = match field("action").as_str() {
            "block" => RuleAction::Block,
            "allow" => RuleAction::Allow,
            _ => return Err(Declined::wrong("action", "wrong-choice")),
        };
        let until = match field("until").trim() {
            "" => None,
            day => Some(self.end_of(day, &organisation)?),
        };
        let people = &self.recipients()?.people;
        let rule = people.rule(&organisation.id, recipient.as_ref(), sender, action);
        let why: String = field("why").trim().chars().take(WHY).collect();
        let rule = StoredRule {
            why: (!why.is_empty()).then_some(why),
            until,
            by: Some(self.login.clone()),
            ..rule
        };
        let what = if action == RuleAction::Block { "block-sender" } else { "allow-sender" };
        people.make_rule(&rule, &self.recorded(what)?).await?;
        Ok(rule)
    }

    /// The end of a day in the organisation's time, if it is still to come.
    fn end_of(&self, day: &str, organisation: &Organisation) -> Decided<Timestamp> {
        let wrong = || Declined::wrong("until", "wrong-until");
        let day: jiff::civil::Date = day.parse().map_err(|_| wrong())?;
        let behind = day.tomorrow().map_err(|_| wrong())?;
        let end = behind.to_zoned(organisation.digest.zone()).map_err(|_| wrong())?.timestamp();
        if end > self.app.clock.now() { Ok(end) } else { Err(wrong()) }
    }

    /// Ends a rule by its name.
    pub async fn end_rule(&self, name: &str) -> Decided<StoredRule> {
        let key = URL_SAFE_NO_PAD.decode(name).map_err(|_| Declined::NotFound)?;
        let people = &self.recipients()?.people;
        let rule = people.rule_under(&key).await?.ok_or(Declined::NotFound)?;
        self.covered(&rule.organisation, "rule")?;
        let ended = people.end_rule(&key, &self.recorded("end-rule")?).await?;
        if ended { Ok(rule) } else { Err(Declined::NotFound) }
    }

    /// Writes a change of a rule into the audit.
    fn recorded(
        &self,
        what: &'static str,
    ) -> Decided<impl Fn(&mut Batch, Option<&StoredRule>, Option<&StoredRule>) + Sync> {
        let audit = self.console()?.accounts.audit();
        Ok(move |batch: &mut Batch, before: Option<&StoredRule>, after: Option<&StoredRule>| {
            let Some(rule) = after.or(before) else { return };
            let entry = self.entry(what).about("sender", &rule.sender.to_string());
            let entry = entry.why(rule.why.as_deref().unwrap_or_default());
            let shown = |rule: Option<&StoredRule>| rule.map(rule_shown).unwrap_or_default();
            let entry = entry.before(shown(before)).after(shown(after));
            audit.record(batch, entry.of(vec![rule.organisation.clone()]));
        })
    }
}

/// What names a rule in forms and in the API.
pub fn rule_name(rule: &StoredRule) -> String {
    URL_SAFE_NO_PAD.encode(rule.key())
}

/// The word of an action in the audit and the API.
pub fn action_word(action: RuleAction) -> &'static str {
    match action {
        RuleAction::Block => "block",
        RuleAction::Allow => "allow",
    }
}

fn rule_shown(rule: &StoredRule) -> String {
    let whom = rule.recipient.as_ref().map_or_else(
        || format!("organisation {}", rule.organisation),
        super::super::mail::address::Address::display,
    );
    let until = rule.until.map(|until| format!(" until {until}")).unwrap_or_default();
    format!("{} for {whom}{until}", action_word(rule.action))
}

fn settings_shown(recipient: &Recipient) -> String {
    let list = |all: &[Address]| all.iter().map(Address::display).collect::<Vec<_>>().join(" ");
    format!(
        "aliases: {}; members: {}; digest: {} {}:00; language: {}",
        list(&recipient.aliases),
        list(&recipient.members),
        recipient.frequency.map_or("organisation's", Frequency::as_str),
        recipient.hour.map_or_else(|| "organisation's".to_owned(), |hour| hour.to_string()),
        recipient.language.as_deref().unwrap_or("organisation's"),
    )
}

fn change_list(list: &mut Vec<Address>, add: Option<&Address>, remove: Option<&Address>) {
    if let Some(add) = add.map(Address::base)
        && !list.contains(&add)
    {
        list.push(add);
    }
    if let Some(remove) = remove {
        list.retain(|one| *one != remove.base());
    }
}

fn mailbox(text: &str, field: &'static str) -> Decided<Address> {
    Address::parse_utf8(text.trim()).map_err(|_| Declined::wrong(field, "wrong-address"))
}

fn people_word(field: &'static str) -> impl Fn(PeopleError) -> Declined {
    move |error| match error {
        PeopleError::Unknown => Declined::NotFound,
        PeopleError::Taken(_) => Declined::wrong(field, "wrong-taken"),
        PeopleError::Foreign(_) => Declined::wrong(field, "wrong-domain"),
        PeopleError::Store(fault) => fault.into(),
    }
}

fn unfit_word(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Empty => "wrong-empty",
        Unfit::Long => "wrong-long",
        Unfit::Invisible => "wrong-invisible",
        Unfit::Choice => "wrong-choice",
        Unfit::Days => "wrong-days",
        Unfit::Hour => "wrong-hour",
        Unfit::Zone => "wrong-zone",
        Unfit::Colour => "wrong-colour",
        Unfit::Address => "wrong-address",
        Unfit::Language => "wrong-language",
        Unfit::Picture => "wrong-picture",
    }
}

impl From<Declined> for Trouble {
    /// For what no form explains.
    fn from(declined: Declined) -> Self {
        match declined {
            Declined::NotFound => Self::NotFound,
            Declined::Foreign(_) => Self::Forbidden,
            Declined::Wrong(_) => Self::BadForm,
            Declined::Store(fault) => fault.into(),
        }
    }
}
