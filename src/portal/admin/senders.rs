//! Senders: who earned or lost standing, and what an operator makes of it.

use axum::extract::Path as Captured;
use axum::response::Redirect;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maud::{Markup, html};

use super::quarantine::{state_mark as state_of, subject};
use super::table::{self, Address, Column, Found, ROWS, Sorted};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::Words;
use crate::quarantine::{Held, HeldRecipient, State};
use crate::reputation::{Flag, Proof, Scope, Standing, StandingState};
use crate::store::{Batch, Index, Row, Toward};

/// Flags of a sender that are shown.
const FLAGS: usize = 100;
/// His latest messages that are looked at, and those of them that are shown
/// because somebody freed them.
const LOOKED_AT: usize = 200;
const FREED: usize = 30;

const STATES: [(StandingState, &str); 4] = [
    (StandingState::Probation, "standing-probation"),
    (StandingState::Trusted, "standing-trusted"),
    (StandingState::Revoked, "standing-revoked"),
    (StandingState::Barred, "standing-barred"),
];

/// What an operator may decide, with its button.
const DECISIONS: [(StandingState, &str); 3] = [
    (StandingState::Trusted, "admin-trust"),
    (StandingState::Revoked, "admin-revoke"),
    (StandingState::Barred, "admin-bar"),
];

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Senders, Power::SeeAll, get(list)),
        Route::page(&Place::Sender(id), Power::SeeAll, get(show)),
        Route::act(&Place::Decide(id), Power::Operate, post(decide)),
    ]
}

fn state_mark(words: &Words, state: StandingState) -> Markup {
    let (kind, mark) = match state {
        StandingState::Probation => ("move", "→"),
        StandingState::Trusted => ("done", "✓"),
        StandingState::Revoked => ("wait", "●"),
        StandingState::Barred => ("stop", "✕"),
    };
    let word =
        STATES.iter().find(|(one, _)| *one == state).map_or("standing-probation", |one| one.1);
    html! { span class={ "state " (kind) } { span aria-hidden="true" { (mark) " " } (words.say(word)) } }
}

/// "SPF, DKIM", or that it is the network alone.
fn proofs(words: &Words, standing: &Standing) -> Markup {
    let all = [(Proof::Dmarc, "DMARC"), (Proof::Dkim, "DKIM"), (Proof::Spf, "SPF")];
    let names: Vec<&str> = all
        .iter()
        .filter(|(one, _)| standing.proofs.contains(*one))
        .map(|(_, name)| *name)
        .collect();
    html! {
        @match &standing.scope {
            Scope::Everywhere => (names.join(", ")),
            Scope::Within { organisation, network } => {
                (words.say("admin-network")) " " code { (network) } " · " (organisation)
            }
        }
    }
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let text: String = asked.field("q").trim().chars().take(200).collect();
    let state = StandingState::parse(asked.field("state"));
    let after = asked.after();
    let search = &admin.console().senders;
    let order = table::order_of(asked.field("sort"));
    let page = search.find(&text, state, order, (after.as_deref(), ROWS)).await?;
    let now_state = state.map_or("", StandingState::as_str);
    let address = Address::new(Place::Senders)
        .with("q", &text)
        .with("state", now_state)
        .with("sort", table::order_word(order));
    let sorted = Sorted::by(&address, order);
    let mut states = vec![("", words.say("admin-all"))];
    states.extend(STATES.iter().map(|(state, word)| (state.as_str(), words.say(word))));
    let rows = (!page.senders.is_empty()).then(|| rows(&admin, sorted, &page.senders));
    let found = Found {
        rows: rows.as_ref(),
        unreadable: &page.unreadable,
        paged: after.is_some(),
        next: page.next.as_deref(),
    };
    let body = html! {
        (table::search(words, &address, words.say("admin-search-senders"), &text))
        (table::chips(words.say("admin-standing"), &address, "state", now_state, &states))
        (table::found(words, &address, "admin-nothing-found", &found))
    };
    let title = words.say("admin-senders");
    Ok(admin.page(&Sheet { section: Section::Senders, title, notice: None, body }))
}

fn rows(admin: &Admin, sorted: Sorted<'_>, all: &[Standing]) -> Markup {
    const COLUMNS: [Column; 6] = [
        Column::Name("admin-address"),
        Column::Text("admin-proof"),
        Column::Text("admin-standing"),
        Column::Number("admin-releases"),
        Column::Number("admin-revocations"),
        Column::Time("admin-last-seen"),
    ];
    let words = admin.words();
    let now = admin.app().clock.now();
    let body = html! {
        @for one in all {
            tr {
                td.main { a.row href=(Place::Sender(&URL_SAFE_NO_PAD.encode(one.id()))) { (part::AddressShown(&one.address)) } }
                td { (proofs(words, one)) }
                td { (state_mark(words, one.state)) }
                td.number { (one.releases) }
                td.number { (one.revocations) }
                td.time { (table::ago(words, one.last_seen, now)) }
            }
        }
    };
    table::sorted_rows(words, "admin-senders", &COLUMNS, Some(sorted), &body)
}

async fn found(admin: &Admin, id: &str) -> Result<Standing, Trouble> {
    let key = URL_SAFE_NO_PAD.decode(id).map_err(|_| Trouble::NotFound)?;
    let standing = admin.console().reputation.standing_of(&key).await?;
    standing.ok_or(Trouble::NotFound)
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let standing = found(&admin, &id).await?;
    let words = admin.words();
    let now = admin.app().clock.now();
    let flags = admin.console().flags.against(&standing.address, &standing.scope).await?;
    let freed = freed(&admin, &standing).await?;
    let body = html! {
        div.card {
            dl.facts {
                div { dt { (words.say("admin-address")) } dd { strong { (part::AddressShown(&standing.address)) } } }
                div { dt { (words.say("admin-proof")) } dd { (proofs(words, &standing)) } }
                div { dt { (words.say("admin-standing")) } dd { (state_mark(words, standing.state)) ", " (words.say("admin-since")) " " (table::ago(words, standing.since, now)) } }
                div { dt { (words.say("admin-releases")) } dd { (standing.releases) } }
                div { dt { (words.say("admin-clean-days")) } dd { (standing.clean_days) } }
                div { dt { (words.say("admin-revocations")) } dd { (standing.revocations) } }
                div { dt { (words.say("admin-last-seen")) } dd { (table::ago(words, standing.last_seen, now)) } }
            }
        }
        @if admin.may(Power::Operate) {
            form.actions method="post" action=(Place::Decide(&id)) {
                (admin.token_field())
                label.hidden for="why" { (words.say("admin-why")) }
                input #why type="text" name="why" required maxlength="300" placeholder=(words.say("admin-why"));
                @for (state, word) in DECISIONS {
                    @if state != standing.state {
                        button type="submit" name="state" value=(state.as_str()) class=(if state == StandingState::Trusted { "quiet" } else { "danger" }) data-key=[(state == StandingState::Barred).then_some("b")] {
                            (words.say(word))
                        }
                    }
                }
            }
        }
        h2 { (words.say("admin-flags")) }
        @if flags.is_empty() { (table::empty(words.say("admin-no-flags"))) }
        @else { (flag_rows(words, &flags, now)) }
        @if !freed.is_empty() {
            h2 { (words.say("admin-releases")) }
            (freed_rows(words, &freed, now))
        }
        p { a href=(Address::new(Place::Quarantine).with("q", &standing.address.to_string()).with("state", "all")) { (words.say("admin-his-mail")) } }
    };
    let title = words.say("admin-sender");
    Ok(admin.page(&Sheet { section: Section::Senders, title, notice: None, body }))
}

fn flag_rows(words: &Words, flags: &[Row<Flag>], now: Timestamp) -> Markup {
    const COLUMNS: [Column; 3] =
        [Column::Text("admin-when"), Column::Text("admin-organisation"), Column::Text("admin-to")];
    let body = html! {
        @for flag in flags.iter().take(FLAGS) {
            tr {
                td.time { (table::ago(words, flag.record.at, now)) }
                td { (flag.record.organisation) }
                td.main { (part::AddressShown(&flag.record.recipient)) }
            }
        }
    };
    table::rows(words, "admin-flags", &COLUMNS, &body)
}

/// What somebody freed of his mail, the latest first. Of who is not proved the
/// store keeps no such list.
async fn freed(admin: &Admin, standing: &Standing) -> Result<Vec<Held>, Trouble> {
    let mut from = standing.address.base().to_string().into_bytes();
    from.push(0);
    let mut end = from.clone();
    end.extend_from_slice(&[0xff; 17]);
    let (store, range) = (&admin.console().store, (from.as_slice(), end.as_slice()));
    let latest =
        store.references(Index::HeldBySender, range, Toward::First, (&[], LOOKED_AT)).await?;
    let mut freed = Vec::new();
    for one in latest {
        let held = store.find::<Held>(&one.key).await?.map(|row| row.record);
        freed.extend(held.filter(|held| held.recipients.iter().any(is_freed)));
        if freed.len() == FREED {
            break;
        }
    }
    Ok(freed)
}

fn is_freed(copy: &HeldRecipient) -> bool {
    use State::{Delivered, Failed, Released, Releasing};
    matches!(copy.state, Releasing | Released | Delivered | Failed)
}

fn freed_rows(words: &Words, freed: &[Held], now: Timestamp) -> Markup {
    const COLUMNS: [Column; 4] = [
        Column::Text("admin-received"),
        Column::Text("admin-subject"),
        Column::Text("admin-to"),
        Column::Text("admin-state"),
    ];
    let body = html! {
        @for held in freed {
            @if let Some(copy) = held.recipients.iter().find(|one| is_freed(one)) {
                tr {
                    td.time { (table::ago(words, held.received_at, now)) }
                    td.main { a.row href=(Place::Held(&held.id.to_string())) { (subject(words, &held.subject)) } }
                    td { (part::AddressShown(&copy.address)) }
                    td { (state_of(words, copy.state)) }
                }
            }
        }
    };
    table::rows(words, "admin-releases", &COLUMNS, &body)
}

async fn decide(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Redirect, Trouble> {
    let standing = found(&admin, &id).await?;
    let state = DECISIONS.iter().map(|(state, _)| *state);
    let state = state.into_iter().find(|one| one.as_str() == form.field("state"));
    let state = state.ok_or(Trouble::BadForm)?;
    let audit = admin.console().accounts.audit();
    let also = |batch: &mut Batch, before: &Standing, after: &Standing| {
        let entry = admin.entry("decide-sender").about("sender", &after.address.display());
        let entry = entry.why(form.field("why"));
        audit.record(batch, entry.before(before.state.as_str()).after(after.state.as_str()));
    };
    admin.console().reputation.decide(&standing.id(), state, &also).await?;
    Ok(Redirect::to(&Place::Sender(&id).to_string()))
}
