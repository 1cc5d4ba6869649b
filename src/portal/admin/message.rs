//! One held message: why it is held, what it says, and what to do with it.
//!
//! An organisation's administrator sees and decides about the copies of his
//! organisations; a message without any of those is not his to see. A body is
//! read for a reason, which is recorded before anything is shown.

mod shown;

use axum::extract::Path as Captured;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use uuid::Uuid;

pub(super) use shown::authentication;
use shown::{actions, ask_to_read, attachments, facts, findings, headers, story};

use super::{Acted, Admin, Console, Place, Route, Section, Sheet};
use crate::account::{Entry, Power, Role};
use crate::directory::Pattern;
use crate::filter::preview::{Preview, preview};
use crate::mail::Message;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::words::Lines;
use crate::quarantine::{Held, HeldRecipient, stored};
use crate::release::{Denied, Way};
use crate::reputation::Vote;
use crate::reputation::flag::pattern;
use crate::store::{Batch, Fault};

/// Header fields that are shown.
const FIELDS: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Held(id), Power::See, get(show)),
        Route::act(&Place::Release(id), Power::Decide, post(release)),
        Route::act(&Place::Delete(id), Power::Decide, post(delete)),
        Route::act(&Place::Read(id), Power::Read, post(read)),
        Route::act(&Place::Block(id), Power::Decide, post(block)),
        Route::act(&Place::Train(id), Power::Decide, post(train)),
    ]
}

/// What one needs to decide about a message of this id.
struct Case {
    admin: Admin,
    held: Held,
}

impl Case {
    /// # Errors
    /// [`Trouble::NotFound`], or [`Trouble::Forbidden`] for a message that
    /// has no copy of his organisations; that is recorded.
    async fn open(admin: Admin, id: &str) -> Result<Self, Trouble> {
        let id: Uuid = id.parse().map_err(|_| Trouble::NotFound)?;
        let held = admin.app().releases.held(id).await?.ok_or(Trouble::NotFound)?;
        let case = Self { admin, held };
        if case.own().next().is_none() {
            case.admin.refused(&format!("held {id}")).await?;
            return Err(Trouble::Forbidden);
        }
        Ok(case)
    }

    /// The copies that are his to see.
    fn own(&self) -> impl Iterator<Item = &HeldRecipient> {
        let role = &self.admin.account.role;
        self.held.recipients.iter().filter(|one| role.covers(&one.organisation))
    }

    fn page(&self, notice: Option<&str>, body: &Markup, seen: &Seen) -> Markup {
        let words = self.admin.words();
        let view = html! {
            (facts(self))
            @if self.admin.may(Power::Decide) {
                (actions(self))
            }
            div.split {
                div { (findings(words, &self.held)) (body) (headers(words, seen)) }
                div {
                    (authentication(words, &self.held))
                    (attachments(words, seen))
                    (story(self))
                }
            }
        };
        let notice = notice.map(|id| html! { (words.say(id)) });
        let title = words.say("admin-held-message");
        self.admin.page(&Sheet { section: Section::Quarantine, title, notice, body: view })
    }
}

/// What the stored bytes show.
#[derive(Default)]
pub struct Seen {
    pub fields: Vec<(String, String)>,
    pub preview: Preview,
}

/// Reads the stored message beside the runtime: a large one takes a while.
async fn look(console: &Console, held: &Held) -> Result<Seen, Fault> {
    let Some(bytes) = console.store.body(held.id).await? else {
        return Ok(Seen::default());
    };
    let (_, message) = stored::read(&bytes)?;
    let seen = tokio::task::spawn_blocking(move || Seen {
        fields: fields(&message),
        preview: preview(&message),
    });
    seen.await.map_err(|error| Fault::Damaged(error.to_string()))
}

/// What a message says, once the audit has `entry`: who reads it, and why.
///
/// # Errors
/// [`Fault`] if the audit does not take it, or the store cannot read.
pub async fn read_body(console: &Console, entry: Entry, held: &Held) -> Result<Seen, Fault> {
    console.accounts.audit().note(about_held(entry, held)).await?;
    look(console, held).await
}

fn fields(message: &Message) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = message.fields().take(FIELDS);
    all.map(|field| (text(field.name), text(field.value))).collect()
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let case = Case::open(admin, &id).await?;
    let seen = look(case.admin.console(), &case.held).await?;
    Ok(case.page(None, &ask_to_read(&case), &seen))
}

async fn read(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let case = Case::open(admin, &id).await?;
    let why = form.field("why").trim();
    let console = case.admin.console();
    if why.is_empty() {
        let seen = look(console, &case.held).await?;
        return Ok(case.page(Some("admin-reason-needed"), &ask_to_read(&case), &seen));
    }
    let entry = case.admin.entry("read-body").why(why);
    let seen = read_body(console, entry, &case.held).await?;
    let words = case.admin.words();
    let body = html! {
        section.card aria-labelledby="text" {
            h2 #text { (words.say("admin-text")) }
            @match &seen.preview.text {
                Some(text) => {
                    div.letter tabindex="0" role="region" aria-labelledby="text" {
                        (Lines(text))
                    }
                    @if seen.preview.cut { p.help { (words.say("admin-text-cut")) } }
                }
                None => p { (words.say("admin-text-none")) },
            }
        }
    };
    Ok(case.page(None, &body, &seen))
}

/// What is done with the copies that still wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Release,
    Delete,
}

impl Act {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Delete => "delete",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Release, Self::Delete].into_iter().find(|act| act.as_str() == word)
    }

    /// Decides about the copies that the role covers; `entry` begins the
    /// audit's entry, which is written in the same batch.
    pub async fn carry_out(
        self,
        app: &App,
        role: &Role,
        id: Uuid,
        entry: &(dyn Fn(&str, &Held) -> Entry + Sync),
    ) -> Result<Held, Denied> {
        let audit = app.console.as_ref().ok_or(Denied::Unknown)?.accounts.audit();
        let also = |batch: &mut Batch, before: &Held, after: &Held| {
            let entry = entry(self.as_str(), after);
            audit.record(batch, entry.before(before.states()).after(after.states()));
        };
        let his = |one: &HeldRecipient| role.covers(&one.organisation);
        match self {
            Self::Release => app.releases.release_copies(id, &his, &also).await,
            Self::Delete => app.releases.delete_copies(id, &his, &also).await,
        }
    }
}

async fn release(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    act(admin, &id, Act::Release, &form).await
}

async fn delete(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    act(admin, &id, Act::Delete, &form).await
}

async fn act(admin: Admin, id: &str, act: Act, form: &Acted) -> Result<Response, Trouble> {
    let case = Case::open(admin, id).await?;
    let admin = &case.admin;
    let entry =
        |what: &str, held: &Held| about_held(admin.entry(what), held).why(form.field("why"));
    let done = act.carry_out(admin.app(), &admin.account.role, case.held.id, &entry).await;
    ended(case, done).await
}

/// Blocks the sender, for one of the recipients or for an organisation.
async fn block(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let case = Case::open(admin, &id).await?;
    let sender = patterns(&case.held).into_iter().find(|(word, ..)| *word == form.field("what"));
    let (.., sender) = sender.ok_or(Trouble::BadForm)?;
    let (whose, which) = form.field("for").split_once(' ').ok_or(Trouble::BadForm)?;
    let field = |name: &str| match name {
        "action" => "block".to_owned(),
        "why" => form.field("why").to_owned(),
        name if name == whose => which.to_owned(),
        _ => String::new(),
    };
    match case.admin.decider().make_rule_about(sender, &field).await {
        Ok(_) => {
            let seen = look(case.admin.console(), &case.held).await?;
            Ok(case.page(Some("admin-blocked"), &ask_to_read(&case), &seen).into_response())
        }
        Err(declined) => Err(case.admin.declined(declined).await?),
    }
}

/// His word about what the message is, for the content model: a vote, written
/// with its audit entry. The model hears it with those of others.
async fn train(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let case = Case::open(admin, &id).await?;
    let spam = match form.field("as") {
        "spam" => true,
        "wanted" => false,
        _ => return Err(Trouble::BadForm),
    };
    let admin = &case.admin;
    let (login, now) = (admin.account.login.as_str(), admin.app().clock.now());
    let vote = Vote::by_administrator(case.held.id, login, spam, now);
    teach(admin.console(), &|what| about_held(admin.entry(what), &case.held), (&vote, spam))
        .await?;
    let seen = look(case.admin.console(), &case.held).await?;
    Ok(case.page(Some("admin-trained"), &ask_to_read(&case), &seen).into_response())
}

/// Casts the vote, with the audit entry that `entry` makes.
///
/// # Errors
/// [`Fault`] if the store cannot write.
pub async fn teach(
    console: &Console,
    entry: &(dyn Fn(&str) -> Entry + Sync),
    (vote, spam): (&Vote, bool),
) -> Result<(), Fault> {
    let mut batch = Batch::new();
    batch.insert(vote);
    let what = if spam { "train-as-spam" } else { "train-as-wanted" };
    console.accounts.audit().record(&mut batch, entry(what));
    let written = console.store.commit(batch).await;
    written.map(|_| ()).map_err(|refusal| Fault::Unavailable(refusal.to_string()))
}

/// What may be blocked of a message's sender, the narrowest first: a word, its
/// sentence, and the pattern.
fn patterns(held: &Held) -> Vec<(&'static str, &'static str, Pattern)> {
    let sender = held.sender();
    let path = held.rfc5321_mail_from.address();
    let Some(address) = sender.address.as_ref().or(path) else { return Vec::new() };
    let mut all = Vec::new();
    if sender.address.is_some() {
        all.push(("identity", "block-identity", pattern(&sender, address)));
    }
    all.push(("address", "block-address", Pattern::Address(address.clone())));
    all.push(("domain", "block-domain", Pattern::Domain(address.domain().clone())));
    all
}

/// Back to the message, which shows what became of it; or why nothing did.
async fn ended(mut case: Case, done: Result<Held, Denied>) -> Result<Response, Trouble> {
    let notice = match done {
        Ok(held) => {
            let id = held.id.to_string();
            return Ok(Redirect::to(&Place::Held(&id).to_string()).into_response());
        }
        Err(Denied::Now(Way::RecipientRefuses)) => "admin-recipient-refuses",
        Err(Denied::Now(_)) => "admin-decided-already",
        Err(denied) => return Err(denied.into()),
    };
    case.held = case.admin.app().releases.held(case.held.id).await?.ok_or(Trouble::NotFound)?;
    let seen = look(case.admin.console(), &case.held).await?;
    Ok(case.page(Some(notice), &ask_to_read(&case), &seen).into_response())
}

/// An entry of the audit about a held message.
pub fn about_held(entry: Entry, held: &Held) -> Entry {
    let about = format!("{} {}", held.reference, held.from_text);
    let mut of: Vec<_> = held.recipients.iter().map(|one| one.organisation.clone()).collect();
    of.dedup();
    entry.about("held", &about).of(of)
}
