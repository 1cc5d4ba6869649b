//! One held message as its recipient sees it, and what he decides about it:
//! deliver, always accept, block, report, undo. Reached from his list with a
//! session, or by the digest's link for this one message.
//!
//! A link's page shows first and asks once; a form that comes back within a
//! second of it is a scanner's.

use axum::extract::{Path as Captured, State};
use axum::http::{HeaderMap, StatusCode};
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
use crate::portal::frame::Visitor;
use crate::portal::part::{self, Brand, Icon, Page};
use crate::portal::path::{Deed, Path};
use crate::portal::public::see_other;
use crate::portal::sender::read;
use crate::portal::words::Shown;
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
struct Opened {
    visitor: Visitor,
    entry: Entry,
    held: Held,
    slot: usize,
}

pub async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Captured(name): Captured<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    match Opened::by_session(&app, visitor, &headers, &name).await? {
        Some(opened) => opened.page(&app).await,
        None => Ok(see_other(Path::Me)),
    }
}

pub async fn ask(
    State(app): State<App>,
    visitor: Visitor,
    Captured((name, deed)): Captured<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let deed = Deed::parse(&deed).ok_or(Trouble::NotFound)?;
    match Opened::by_session(&app, visitor, &headers, &name).await? {
        Some(opened) => Ok(opened.question(&app, deed, None).into_response()),
        None => Ok(see_other(Path::Me)),
    }
}

pub async fn act(
    State(app): State<App>,
    visitor: Visitor,
    Captured((name, deed)): Captured<(String, String)>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Trouble> {
    let deed = Deed::parse(&deed).ok_or(Trouble::NotFound)?;
    match Opened::by_session(&app, visitor, &headers, &name).await? {
        Some(opened) => opened.carry_out(&app, deed, &form).await,
        None => Ok(see_other(Path::Me)),
    }
}

pub async fn show_linked(
    State(app): State<App>,
    visitor: Visitor,
    Captured(text): Captured<String>,
) -> Result<Response, Trouble> {
    match Opened::by_link(&app, visitor, text).await? {
        Ok(opened) => opened.page(&app).await,
        Err(visitor) => Ok(gone(&visitor)),
    }
}

pub async fn ask_linked(
    State(app): State<App>,
    visitor: Visitor,
    Captured((text, deed)): Captured<(String, String)>,
) -> Result<Response, Trouble> {
    let deed = Deed::parse(&deed).ok_or(Trouble::NotFound)?;
    match Opened::by_link(&app, visitor, text).await? {
        Ok(opened) => Ok(opened.question(&app, deed, None).into_response()),
        Err(visitor) => Ok(gone(&visitor)),
    }
}

pub async fn act_linked(
    State(app): State<App>,
    visitor: Visitor,
    Captured((text, deed)): Captured<(String, String)>,
    form: Form,
) -> Result<Response, Trouble> {
    let deed = Deed::parse(&deed).ok_or(Trouble::NotFound)?;
    match Opened::by_link(&app, visitor, text).await? {
        Ok(opened) => opened.carry_out(&app, deed, &form).await,
        Err(visitor) => Ok(gone(&visitor)),
    }
}

impl Opened {
    /// `None`: no session, or no message that he may see.
    async fn by_session(
        app: &App,
        mut visitor: Visitor,
        headers: &HeaderMap,
        name: &str,
    ) -> Result<Option<Self>, Trouble> {
        let reader = Reader::of(app, &mut visitor, headers).await?;
        let parts = name.split_once('-');
        let id = parts.and_then(|(id, _)| id.parse::<Uuid>().ok());
        let slot = parts.and_then(|(_, slot)| slot.parse::<usize>().ok());
        let (Some(reader), Some(id), Some(slot)) = (reader, id, slot) else { return Ok(None) };
        let Some(held) = app.releases.held(id).await? else { return Ok(None) };
        let his = held
            .recipients
            .get(slot)
            .is_some_and(|copy| copy.is_shown() && reader.addresses.contains(&copy.address.base()));
        let entry = Entry::Session(Box::new(reader), name.to_owned());
        Ok(his.then_some(Self { visitor, entry, held, slot }))
    }

    /// `Err`: the link has expired, or the message is gone.
    async fn by_link(
        app: &App,
        mut visitor: Visitor,
        text: String,
    ) -> Result<Result<Self, Visitor>, Trouble> {
        let token = read(app, &visitor, Purpose::Message, &text)?;
        let slot = usize::from(token.slot);
        let held = app.releases.held(token.subject).await?;
        let Some(held) = held.filter(|_| !token.has_expired(app.clock.now())) else {
            return Ok(Err(visitor));
        };
        let Some(copy) = held.recipients.get(slot).filter(|copy| copy.is_shown()) else {
            return Ok(Err(visitor));
        };
        if let Some(row) = app.recipients()?.people.find(&copy.address).await? {
            super::reader::speak(app, &mut visitor, &row.record);
        }
        Ok(Ok(Self { visitor, entry: Entry::Link(text), held, slot }))
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

    fn nonce(&self, app: &App, deed: Deed) -> String {
        match &self.entry {
            Entry::Session(reader, name) => {
                reader.nonce(app, &self.visitor, &format!("{name} {}", deed.as_str()))
            }
            Entry::Link(text) => app.nonces.mint_for(&self.visitor.host, text, deed.as_str()),
        }
    }

    fn check(&self, app: &App, deed: Deed, form: &Form) -> bool {
        match &self.entry {
            Entry::Session(reader, name) => {
                reader.check(app, &self.visitor, form, &format!("{name} {}", deed.as_str()))
            }
            Entry::Link(text) => {
                let nonce = form.field("nonce");
                let nonces = &app.nonces;
                let checked = nonces.check_for(&self.visitor.host, text, deed.as_str(), nonce);
                checked.is_ok() && !form.is_cross_site()
            }
        }
    }

    fn shell(&self, app: &App, title: &str, body: Markup) -> Markup {
        let brand = match app.directory.organisation(&self.copy().organisation) {
            Some(organisation) => Brand::from(&*organisation),
            None => self.visitor.brand(),
        };
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
                    pre.letter { (Shown(text)) }
                    @if preview.cut { p.help { (words.say("me-text-cut")) } }
                }
                Some(_) => p.help { (words.say("me-text-none")) },
                None => p.help { (words.say("me-text-unreadable")) },
            }
            p.help { (words.say("me-text-safe")) }
            @if matches!(self.entry, Entry::Session(..)) {
                p { a href=(Path::Me) { (words.say("me-back")) } }
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
        Ok(self.shell(app, title, body).into_response())
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
    fn question(&self, app: &App, deed: Deed, wrong: Option<&str>) -> Markup {
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
                input type="hidden" name="nonce" value=(self.nonce(app, deed));
                button #do type="submit" { (words.say(label(deed))) }
                a.back href=(self.at()) { (words.say("back")) }
            }
        };
        self.shell(app, words.say("me"), body)
    }

    async fn carry_out(self, app: &App, deed: Deed, form: &Form) -> Result<Response, Trouble> {
        if !self.check(app, deed, form) {
            let page = self.question(app, deed, Some("me-again"));
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
        p { a href=(Path::Me) { (words.say("me")) } }
    };
    (StatusCode::GONE, super::shown(visitor, words.say("expired"), body)).into_response()
}
