//! One held message as its recipient sees it, and what he decides about it:
//! deliver, always accept, block, report, undo. Reached from his list with a
//! session, or by the digest's link for this one message.
//!
//! A link's page shows first and asks once; a form that comes back within a
//! second of it is a scanner's.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use uuid::Uuid;

use super::list::{is_bulk, label, subject, why};
use super::reader::Reader;
use crate::directory::{OrganisationId, Pattern, RuleAction};
use crate::filter::preview::{Preview, preview};
use crate::link::Purpose;
use crate::mail::Address;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::{Visitor, captured};
use crate::portal::part::{self, Icon, Page};
use crate::portal::path::{Deed, Path};
use crate::portal::public::see_other;
use crate::portal::sender::read;
use crate::portal::words::{Lines, Shown};
use crate::quarantine::{Held, HeldRecipient, State as Copy, Telling, stored};
use crate::release::{Denied, Way};
use crate::reputation::{Flag, FlagBy, FlagError, flag};

/// How he came here.
enum Entry {
    /// His session; the message's name in addresses.
    Session(Box<Reader>, String),
    /// The digest's token.
    Link(String),
}

/// A message that its reader may see.
pub struct Opened {
    visitor: Visitor,
    entry: Entry,
    held: Held,
    slot: usize,
}

/// Why it is not opened.
enum Closed {
    /// Nobody is signed in, or he may see no such message.
    Session,
    /// The link has expired, or the message is gone.
    Link(Box<Visitor>),
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for Closed {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

impl FromRequestParts<App> for Opened {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Self::load(parts, app).await.map_err(|closed| match closed {
            Closed::Session => see_other(Path::Me),
            Closed::Link(visitor) => gone(&visitor),
            Closed::Trouble(trouble) => trouble.into_response(),
        })
    }
}

impl FromRequestParts<App> for Deed {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Trouble> {
        let word = captured(parts, app, "deed").await?;
        word.and_then(|word| Self::parse(&word)).ok_or(Trouble::NotFound)
    }
}

pub async fn show(State(app): State<App>, opened: Opened) -> Result<Response, Trouble> {
    opened.page(&app).await
}

pub async fn ask(deed: Deed, opened: Opened) -> Markup {
    opened.question(deed, None)
}

pub async fn act(
    State(app): State<App>,
    deed: Deed,
    opened: Opened,
    form: Form,
) -> Result<Response, Trouble> {
    opened.carry_out(&app, deed, &form).await
}

impl Opened {
    async fn load(parts: &mut Parts, app: &App) -> Result<Self, Closed> {
        if let Some(text) = captured(parts, app, "token").await? {
            let visitor = Visitor::from_request_parts(parts, app).await?;
            return Self::by_link(visitor, text).await;
        }
        let reader = <Option<Reader>>::from_request_parts(parts, app).await?;
        let name = captured(parts, app, "name").await?;
        let (Some(reader), Some(name)) = (reader, name) else { return Err(Closed::Session) };
        Self::by_session(reader, name).await
    }

    async fn by_session(reader: Reader, name: String) -> Result<Self, Closed> {
        let parts = name.split_once('-');
        let id = parts.and_then(|(id, _)| id.parse::<Uuid>().ok());
        let slot = parts.and_then(|(_, slot)| slot.parse::<usize>().ok());
        let (Some(id), Some(slot)) = (id, slot) else { return Err(Closed::Session) };
        let held = reader.visitor.app().releases.held(id).await?.ok_or(Closed::Session)?;
        let his = held
            .recipients
            .get(slot)
            .is_some_and(|copy| copy.is_shown() && reader.addresses.contains(&copy.address.base()));
        if !his {
            return Err(Closed::Session);
        }
        let visitor = reader.visitor.clone();
        Ok(Self { visitor, entry: Entry::Session(Box::new(reader), name), held, slot })
    }

    async fn by_link(mut visitor: Visitor, text: String) -> Result<Self, Closed> {
        let app = visitor.app().clone();
        let token = read(&app, &visitor, Purpose::Message, &text)?;
        let slot = usize::from(token.slot);
        let held = app.releases.held(token.subject).await?;
        let held = held.filter(|held| {
            let shown = held.recipients.get(slot).is_some_and(HeldRecipient::is_shown);
            shown && !token.has_expired(app.clock.now())
        });
        let Some(held) = held else { return Err(Closed::Link(Box::new(visitor))) };
        let address = &held.recipients[slot].address;
        if let Some(row) = app.recipients()?.people.find(address).await? {
            super::reader::speak(&app, &mut visitor, &row.record);
        }
        Ok(Self { visitor, entry: Entry::Link(text), held, slot })
    }

    fn copy(&self) -> &HeldRecipient {
        &self.held.recipients[self.slot]
    }

    fn at(&self) -> Path<'_> {
        match &self.entry {
            Entry::Session(_, name) => Path::MeHeld(name),
            Entry::Link(text) => Path::Message(text),
        }
    }

    fn deed(&self, deed: Deed) -> Path<'_> {
        match &self.entry {
            Entry::Session(_, name) => Path::MeDeed(name, deed.as_str()),
            Entry::Link(text) => Path::MessageDeed(text, deed.as_str()),
        }
    }

    fn nonce(&self, deed: Deed) -> String {
        match &self.entry {
            Entry::Session(reader, name) => reader.nonce(&format!("{name} {}", deed.as_str())),
            Entry::Link(text) => self.visitor.nonce(text, deed.as_str()),
        }
    }

    fn check(&self, deed: Deed, form: &Form) -> bool {
        match &self.entry {
            Entry::Session(reader, name) => {
                reader.check(form, &format!("{name} {}", deed.as_str()))
            }
            Entry::Link(text) => self.visitor.check(text, deed.as_str(), form).is_ok(),
        }
    }

    fn shell(&self, title: &str, body: Markup) -> Markup {
        let brand = self.visitor.brand_of(&self.copy().organisation);
        let page = Page { brand: &brand, at: self.at(), title, refresh: None, body };
        part::page(&self.visitor, &page)
    }

    async fn page(self, app: &App) -> Result<Response, Trouble> {
        let services = app.recipients()?;
        let copy = self.copy();
        let sender = self.held.sender();
        let flag = services.flags.find(&sender, &copy.organisation, &copy.address);
        let flag = flag.await?.filter(Flag::stands);
        let preview = match services.store.body(self.held.id).await? {
            Some(body) => stored::read(&body).map(|(_, message)| preview(&message))?,
            None => Preview::default(),
        };
        let blocked = self.rule(app) == Some(RuleAction::Block);
        let words = self.visitor.words();
        let now = app.clock.now();
        let (icon, state) = heading(copy.state, blocked);
        let body = html! {
            h1 { (icon) (words.say(state)) }
            @if flag.is_some() { p { (words.say("me-flagged")) } }
            @if blocked && copy.state == Copy::Held { p { (words.say("me-blocked-text")) } }
            (self.details(now))
            (self.deeds(flag.as_ref(), blocked, now))
            h2 { (words.say("me-text")) }
            @match &preview.text {
                Some(text) if !text.is_empty() => {
                    pre.letter { (Lines(text)) }
                    @if preview.cut { p.help { (words.say("me-text-cut")) } }
                }
                Some(_) => p.help { (words.say("me-text-none")) },
                None => p.help { (words.say("me-text-unreadable")) },
            }
            p.help { (words.say("me-text-safe")) }
            @if matches!(self.entry, Entry::Session(..)) {
                p.next-step { a href=(Path::Me) { (words.say("me-back")) } }
            }
            @if !preview.attachments.is_empty() {
                h2 { (words.say("me-attachments")) }
                ul.plain {
                    @for one in &preview.attachments {
                        li {
                            @if one.name.is_empty() { (words.say("me-attachment")) }
                            @else { (Shown(&one.name)) }
                            " · " (Shown(&one.media)) " · " (part::size(words, one.size))
                        }
                    }
                }
            }
        };
        // Not the subject: titles are shown by chat programs.
        let title = words.say("me");
        Ok(self.shell(title, body).into_response())
    }

    fn details(&self, now: crate::clock::Timestamp) -> Markup {
        let words = self.visitor.words();
        let held = &self.held;
        let told = match held.telling {
            Telling::Untold => "me-told-not",
            Telling::Reply => "me-told-reply",
            Telling::Letter => "me-told-letter",
        };
        html! {
            dl.details {
                div { dt { (words.say("me-from")) } dd { (Shown(&held.from_text)) } }
                div { dt { (words.say("subject")) } dd { (subject(words, held)) } }
                div { dt { (words.say("me-to")) } dd { (part::AddressShown(&self.copy().address)) } }
                div { dt { (words.say("sent")) } dd { (part::moment(words, held.received_at, now)) } }
                div { dt { (words.say("me-why")) } dd { (words.say(why(self.copy().class))) } }
                div {
                    dt { (words.say("me-proof")) }
                    dd {
                        (words.say(if held.sender().is_proved() { "me-proof-yes" } else { "me-proof-no" }))
                    }
                }
                div { dt { (words.say("me-told")) } dd { (words.say(told)) } }
                div {
                    dt { (words.say("reference")) }
                    dd { span.reference { (held.reference.to_string()) } }
                }
            }
        }
    }

    /// What may be done now; each leads to a page that asks once.
    fn deeds(&self, flag: Option<&Flag>, blocked: bool, now: crate::clock::Timestamp) -> Markup {
        let words = self.visitor.words();
        let waits = self.copy().state == Copy::Held;
        let mut deeds = Vec::new();
        if waits && !blocked {
            deeds.push(Deed::Deliver);
        }
        if waits {
            deeds.push(Deed::Accept);
        }
        if waits && !blocked {
            deeds.push(Deed::Block);
        }
        match flag {
            Some(flag) if flag.may_be_undone(now) => deeds.push(Deed::Undo),
            Some(_) => {}
            None => deeds.push(Deed::Spam),
        }
        html! {
            p.deeds {
                @for (place, deed) in deeds.into_iter().enumerate() {
                    a.first[place == 0] id=(deed.as_str()) href=(self.deed(deed)) {
                        (words.say(label(deed)))
                    }
                }
            }
        }
    }

    /// Asks once.
    fn question(&self, deed: Deed, wrong: Option<&str>) -> Markup {
        let words = self.visitor.words();
        let (heading, text) = match deed {
            Deed::Deliver => ("me-deliver-ask", "me-deliver-text"),
            Deed::Accept => ("me-accept-ask", "me-accept-text"),
            Deed::Block => ("me-block-ask", "me-block-text"),
            Deed::Spam => ("me-spam-ask", "me-spam-text"),
            Deed::Undo => ("me-undo-ask", "me-undo-text"),
        };
        let risky = deed == Deed::Deliver && !is_bulk(self.copy().class);
        let body = html! {
            h1 { (Icon::Question) (words.say(heading)) }
            dl.details {
                div { dt { (words.say("me-from")) } dd { (Shown(&self.held.from_text)) } }
                div { dt { (words.say("subject")) } dd { (subject(words, &self.held)) } }
            }
            p { (words.say(text)) }
            @if risky && !self.held.sender().is_proved() { p { (words.say("me-deliver-careful")) } }
            form method="post" action=(self.deed(deed)) {
                @if let Some(wrong) = wrong { p.wrong role="alert" { (words.say(wrong)) } }
                input type="hidden" name="nonce" value=(self.nonce(deed));
                button #do type="submit" { (words.say(label(deed))) }
                a.back href=(self.at()) { (words.say("back")) }
            }
        };
        self.shell(words.say("me"), body)
    }

    async fn carry_out(self, app: &App, deed: Deed, form: &Form) -> Result<Response, Trouble> {
        if !self.check(deed, form) {
            let page = self.question(deed, Some("me-again"));
            return Ok((StatusCode::FORBIDDEN, page).into_response());
        }
        let services = app.recipients()?;
        let copy = self.copy();
        let (organisation, recipient) = (&copy.organisation, &copy.address);
        let sender = self.held.sender();
        match deed {
            Deed::Deliver => self.deliver(app).await?,
            Deed::Accept => {
                self.welcome(app, organisation, recipient).await?;
                self.deliver(app).await?;
            }
            Deed::Block => {
                if let Some(address) = self.held.senders().first() {
                    let pattern = Pattern::Address((*address).clone());
                    let block = RuleAction::Block;
                    services.people.set_rule(organisation, Some(recipient), pattern, block).await?;
                }
            }
            Deed::Spam => {
                let about = Some(self.held.id);
                let flags = &services.flags;
                let by = FlagBy::Person;
                settled(flags.flag(&sender, organisation, recipient, by, about).await)?;
            }
            Deed::Undo => {
                settled(services.flags.undo(&sender, organisation, recipient).await)?;
            }
        }
        Ok(see_other(self.at()))
    }

    /// A message that cannot be delivered any more has a page that says so.
    async fn deliver(&self, app: &App) -> Result<(), Trouble> {
        match app.releases.release_by_recipient(self.held.id, self.slot).await {
            Ok(_) | Err(Denied::Now(Way::Over | Way::RecipientRefuses) | Denied::Unknown) => Ok(()),
            Err(denied) => Err(denied.into()),
        }
    }

    /// His own blocks and flag of this sender end, and he is allowed.
    async fn welcome(
        &self,
        app: &App,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<(), Trouble> {
        let services = app.recipients()?;
        let (sender, senders) = (self.held.sender(), self.held.senders());
        settled(services.flags.undo(&sender, organisation, recipient).await)?;
        let claim = sender.claim(&senders);
        for rule in services.people.rules(organisation, Some(recipient), 1000).await? {
            if rule.action == RuleAction::Block && rule.sender.matches(&claim) {
                services.people.remove_rule(&rule).await?;
            }
        }
        if let Some(address) = &sender.address {
            let pattern = flag::pattern(&sender, address);
            let allow = RuleAction::Allow;
            services.people.set_rule(organisation, Some(recipient), pattern, allow).await?;
        }
        Ok(())
    }

    fn rule(&self, app: &App) -> Option<RuleAction> {
        let (sender, senders) = (self.held.sender(), self.held.senders());
        let organisation = app.directory.organisation(&self.copy().organisation)?;
        app.directory.rule(&organisation, &self.copy().address, &sender.claim(&senders))
    }
}

/// A flag that is gone, or a sender nobody can name, is no error of the page.
pub fn settled(flagged: Result<Flag, FlagError>) -> Result<(), Trouble> {
    match flagged {
        Err(FlagError::Store(fault)) => Err(fault.into()),
        Ok(_) | Err(FlagError::Nobody | FlagError::Gone) => Ok(()),
    }
}

fn heading(state: Copy, blocked: bool) -> (Icon, &'static str) {
    match state {
        Copy::Held if blocked => (Icon::Stopped, "me-blocked"),
        Copy::Held => (Icon::Waiting, "me-held"),
        Copy::Releasing | Copy::Released => (Icon::Moving, "moving"),
        Copy::Delivered => (Icon::Done, "delivered"),
        Copy::Failed => (Icon::Stopped, "failed"),
        Copy::Expired => (Icon::Stopped, "expired"),
        Copy::Disowned | Copy::Withdrawn | Copy::Refused => (Icon::Stopped, "withdrawn"),
    }
}

fn gone(visitor: &Visitor) -> Response {
    let words = visitor.words();
    let body = html! {
        h1 { (Icon::Stopped) (words.say("expired")) }
        p { (words.say("me-gone")) }
        p.next-step { a href=(Path::Me) { (words.say("me")) } }
    };
    (StatusCode::GONE, super::shown(visitor, words.say("expired"), body)).into_response()
}
