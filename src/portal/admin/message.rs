//! One held message: why it is held, what it says, and what to do with it.
//!
//! An organisation's administrator sees and decides about the copies of his
//! organisations; a message without any of those is not his to see. A body is
//! read for a reason, which is recorded before anything is shown.

use axum::extract::Path as Captured;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use uuid::Uuid;

use super::quarantine::{class_word, state_mark, subject};
use super::{Acted, Admin, Place, Route, Section, Sheet, table};
use crate::account::{Entry, Power, Role};
use crate::directory::Pattern;
use crate::filter::preview::{Preview, preview};
use crate::mail::Message;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::{Lines, Shown, Words};
use crate::quarantine::{Held, HeldRecipient, State, Telling, stored};
use crate::release::{Denied, Way};
use crate::reputation::Vote;
use crate::reputation::flag::pattern;
use crate::store::Batch;

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

/// What the stored bytes show without their text.
#[derive(Default)]
struct Seen {
    fields: Vec<(String, String)>,
    preview: Preview,
}

/// Reads the stored message beside the runtime: a large one takes a while.
async fn look(case: &Case) -> Result<Seen, Trouble> {
    let Some(bytes) = case.admin.console().store.body(case.held.id).await? else {
        return Ok(Seen::default());
    };
    let (_, message) = stored::read(&bytes)?;
    let seen = tokio::task::spawn_blocking(move || Seen {
        fields: fields(&message),
        preview: preview(&message),
    });
    seen.await.map_err(|_| Trouble::Broken)
}

fn fields(message: &Message) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = message.fields().take(FIELDS);
    all.map(|field| (text(field.name), text(field.value))).collect()
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let case = Case::open(admin, &id).await?;
    let seen = look(&case).await?;
    Ok(case.page(None, &ask_to_read(&case), &seen))
}

async fn read(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let case = Case::open(admin, &id).await?;
    let why = form.field("why").trim();
    let seen = look(&case).await?;
    if why.is_empty() {
        return Ok(case.page(Some("admin-reason-needed"), &ask_to_read(&case), &seen));
    }
    let entry = note(case.admin.entry("read-body"), &case.held).why(why);
    case.admin.console().accounts.audit().note(entry).await?;
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
    let entry = |what: &str, held: &Held| note(admin.entry(what), held).why(form.field("why"));
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
            let seen = look(&case).await?;
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
    let (admin, console) = (&case.admin, case.admin.console());
    let login = admin.account.login.as_str();
    let vote = Vote::by_administrator(case.held.id, login, spam, admin.app().clock.now());
    let what = if spam { "train-as-spam" } else { "train-as-wanted" };
    let mut batch = Batch::new();
    batch.insert(&vote);
    console.accounts.audit().record(&mut batch, note(admin.entry(what), &case.held));
    let written = console.store.commit(batch).await;
    written.map_err(|refusal| Trouble::Unavailable(refusal.to_string()))?;
    let seen = look(&case).await?;
    Ok(case.page(Some("admin-trained"), &ask_to_read(&case), &seen).into_response())
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
    let seen = look(&case).await?;
    Ok(case.page(Some(notice), &ask_to_read(&case), &seen).into_response())
}

/// An entry of the audit about a held message.
pub fn note(entry: Entry, held: &Held) -> Entry {
    let about = format!("{} {}", held.reference, held.from_text);
    let mut of: Vec<_> = held.recipients.iter().map(|one| one.organisation.clone()).collect();
    of.dedup();
    entry.about("held", &about).of(of)
}

fn facts(case: &Case) -> Markup {
    let words = case.admin.words();
    let held = &case.held;
    let now = case.admin.app().clock.now();
    let told = match held.telling {
        Telling::Untold => "admin-told-not",
        Telling::Reply => "admin-told-reply",
        Telling::Letter => "admin-told-letter",
    };
    html! {
        div.card {
            dl.facts {
                div { dt { (words.say("admin-subject")) } dd { strong { (subject(words, &held.subject)) } } }
                div { dt { (words.say("admin-from")) } dd { (Shown(&held.from_text)) } }
                div { dt { (words.say("admin-mail-from")) } dd { code { (Shown(&held.rfc5321_mail_from.to_string())) } } }
                @for one in case.own() {
                    div {
                        dt { (words.say("admin-to")) }
                        dd {
                            (part::AddressShown(&one.address)) " · " (class_word(words, one.class)) " · " (state_mark(words, one.state))
                            @if let Some(outcome) = &one.outcome { br; span.soft { (Shown(&outcome.server)) ": " (Shown(&outcome.reply)) } }
                        }
                    }
                }
                div { dt { (words.say("admin-received")) } dd { (table::ago(words, held.received_at, now)) ", " (words.say("admin-until")) " " (table::ago(words, held.expires_at, now)) } }
                div { dt { (words.say("admin-reference")) } dd { code { (held.reference) } } }
                div { dt { (words.say("admin-client")) } dd { code { (held.client) } " · " (part::size(words, held.size)) " · " (words.say(told)) } }
            }
        }
    }
}

fn actions(case: &Case) -> Markup {
    let words = case.admin.words();
    let id = case.held.id.to_string();
    let waits = case.own().any(|one| one.state == State::Held);
    html! {
        div.actions {
            @if waits {
                form method="post" action=(Place::Release(&id)) {
                    (case.admin.token_field())
                    label.hidden for="why-release" { (words.say("admin-why")) }
                    input #why-release type="text" name="why" maxlength="300" placeholder=(words.say("admin-why"));
                    button #release type="submit" data-key="r" { (words.say("admin-release")) }
                }
            }
            (block_form(case))
            @if !case.held.erased {
                form method="post" action=(Place::Train(&id)) {
                    (case.admin.token_field())
                    button.quiet type="submit" name="as" value="spam" { (words.say("admin-train-spam")) }
                    button.quiet type="submit" name="as" value="wanted" { (words.say("admin-train-wanted")) }
                }
            }
            @if waits {
                details {
                    summary { (words.say("admin-delete")) }
                    form method="post" action=(Place::Delete(&id)) {
                        (case.admin.token_field())
                        label.hidden for="why-delete" { (words.say("admin-why")) }
                        input #why-delete type="text" name="why" maxlength="300" placeholder=(words.say("admin-why"));
                        button.danger type="submit" { (words.say("admin-delete-for-good")) }
                    }
                }
            }
        }
    }
}

fn block_form(case: &Case) -> Markup {
    let words = case.admin.words();
    let patterns = patterns(&case.held);
    let mut organisations: Vec<_> = case.own().map(|one| &one.organisation).collect();
    organisations.dedup();
    html! {
        @if !patterns.is_empty() {
            details {
                summary data-key="b" { (words.say("admin-block")) }
                form method="post" action=(Place::Block(&case.held.id.to_string())) {
                    (case.admin.token_field())
                    label.hidden for="block-what" { (words.say("rule-sender")) }
                    select #block-what name="what" {
                        @for (word, id, pattern) in &patterns { option value=(word) { (words.say(id)) ": " (pattern) } }
                    }
                    label.hidden for="block-for" { (words.say("rule-for")) }
                    select #block-for name="for" {
                        @for one in case.own() { option value={ "recipient " (one.address.base()) } { (one.address.display()) } }
                        @for one in &organisations { option value={ "organisation " (one) } { (words.say("rule-all-of")) " " (one) } }
                    }
                    label.hidden for="why-block" { (words.say("admin-why")) }
                    input #why-block type="text" name="why" maxlength="300" placeholder=(words.say("admin-why"));
                    button.danger type="submit" { (words.say("admin-block-now")) }
                }
            }
        }
    }
}

fn findings(words: &Words, held: &Held) -> Markup {
    let mut all: Vec<_> = held.findings.iter().collect();
    all.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    html! {
        section.card aria-labelledby="findings" {
            h2 #findings { (words.say("admin-findings")) }
            table {
                thead { tr {
                    th.number scope="col" { (words.say("admin-weight")) }
                    th scope="col" { (words.say("admin-finding")) }
                } }
                tbody {
                    @for one in all {
                        @let terms = one.terms.iter().map(|term| (term.name.as_str(), term.text.as_str()));
                        tr {
                            td class={ "number " (if one.weight > 0.0 { "bad" } else { "good" }) } { (format!("{:+.1}", one.weight)) }
                            td {
                                code { (one.id) }
                                @if let Some(said) = words.finding(&format!("finding-{}", one.id), terms) { br; (said) }
                            }
                        }
                    }
                    tr {
                        td.number { strong { (format!("{:.1}", held.score)) } }
                        td { strong { (words.say("admin-score")) } }
                    }
                }
            }
        }
    }
}

/// The results of RFC 8601 as they will stand in front of the message.
pub(super) fn authentication(words: &Words, held: &Held) -> Markup {
    let line = held.trace.strip_prefix("Authentication-Results:");
    let line = line.map(|rest| match rest.find("\r\nReceived:") {
        Some(end) => &rest[..end],
        None => rest,
    });
    let results = line.into_iter().flat_map(|line| line.split(';').skip(1));
    let results: Vec<(&str, &str)> = results
        .filter_map(|one| one.trim().split_once('='))
        .map(|(method, rest)| (method, rest.trim()))
        .collect();
    html! {
        section.card aria-labelledby="authentication" {
            h2 #authentication { (words.say("admin-authentication")) }
            @if results.is_empty() { p.soft { (words.say("admin-authentication-none")) } }
            @else {
                table {
                    thead { tr {
                        th scope="col" { (words.say("admin-method")) }
                        th scope="col" { (words.say("admin-result")) }
                        th scope="col" { (words.say("admin-details")) }
                    } }
                    tbody {
                        @for (method, rest) in results {
                            @let (result, details) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                            tr {
                                td { code { (Shown(method)) } }
                                td class=(if result == "pass" { "good" } else if result == "fail" { "bad" } else { "soft" }) { (Shown(result)) }
                                td { (Shown(details)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn headers(words: &Words, seen: &Seen) -> Markup {
    html! {
        @if !seen.fields.is_empty() {
            details.card {
                summary { (words.say("admin-headers")) }
                dl.facts {
                    @for (name, value) in &seen.fields {
                        div { dt { (Shown(name)) } dd { code { (Shown(value)) } } }
                    }
                }
            }
        }
    }
}

fn attachments(words: &Words, seen: &Seen) -> Markup {
    html! {
        @if !seen.preview.attachments.is_empty() {
            section.card aria-labelledby="attachments" {
                h2 #attachments { (words.say("admin-attachments")) }
                table {
                    tbody {
                        @for one in &seen.preview.attachments {
                            tr {
                                td { (Shown(&one.name)) }
                                td { code { (Shown(&one.media)) } }
                                td.number { (part::size(words, one.size)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// From arrival to now.
fn story(case: &Case) -> Markup {
    let words = case.admin.words();
    let now = case.admin.app().clock.now();
    let told = match case.held.telling {
        Telling::Untold => "admin-told-not",
        Telling::Reply => "admin-told-reply",
        Telling::Letter => "admin-told-letter",
    };
    let mut moves: Vec<&HeldRecipient> =
        case.own().filter(|one| one.state != State::Held).collect();
    moves.sort_by_key(|one| one.changed_at);
    html! {
        section.card aria-labelledby="story" {
            h2 #story { (words.say("admin-story")) }
            ol.story {
                li { (table::ago(words, case.held.received_at, now)) " · " (words.say("admin-received")) }
                li { (words.say(told)) }
                @for one in moves {
                    li {
                        (table::ago(words, one.changed_at, now)) " · " (part::AddressShown(&one.address)) " " (state_mark(words, one.state))
                        @if let Some(outcome) = &one.outcome { br; span.soft { (Shown(&outcome.reply)) } }
                    }
                }
                @if case.held.erased { li { (words.say("admin-erased")) } }
            }
        }
    }
}

fn ask_to_read(case: &Case) -> Markup {
    let words = case.admin.words();
    let id = case.held.id.to_string();
    html! {
        @if case.admin.may(Power::Read) && !case.held.erased {
            section.card aria-labelledby="text" {
                h2 #text { (words.say("admin-text")) }
                p.soft { (words.say("admin-read-help")) }
                form.actions method="post" action=(Place::Read(&id)) {
                    (case.admin.token_field())
                    label.hidden for="why-read" { (words.say("admin-reason")) }
                    input #why-read type="text" name="why" required maxlength="300" placeholder=(words.say("admin-reason"));
                    button.quiet type="submit" { (words.say("admin-read")) }
                }
            }
        }
    }
}
