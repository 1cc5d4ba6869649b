//! Recipients: found by a part of an address; one of them with his aliases,
//! shared mailbox, digest, held mail, rules and sessions.
//!
//! Most are learned from mail that the next hop took for them. What they chose
//! themselves is shown; what an administrator changes here is recorded.

use axum::extract::Path as Captured;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::organisations::{chips, counted};
use super::rules::rule_rows;
use super::table::{self, Column, ROWS};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::directory::search::Wanted;
use crate::directory::{Frequency, Recipient, StoredRule};
use crate::mail::Address;
use crate::portal::decisions::Declined;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::recipient::{DAYS, frequency_word};
use crate::portal::words::{Shown, Words};
use crate::quarantine::{State, mailbox};

/// Messages and rules of one recipient that are looked at.
const LOOKED_AT: usize = 500;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route {
            path: Place::Recipients.to_string(),
            get: Some(Power::See),
            post: Some(Power::Decide),
            to: get(list).post(add),
        },
        Route {
            path: Place::Recipient(id).to_string(),
            get: Some(Power::See),
            post: Some(Power::Decide),
            to: get(show).post(change),
        },
        Route::act(&Place::RecipientDigest(id), Power::Decide, post(digest)),
        Route::act(&Place::RecipientSessions(id), Power::Decide, post(end_sessions)),
    ]
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    list_page(&admin, &asked, None).await
}

async fn list_page(
    admin: &Admin,
    asked: &Asked,
    wrong: Option<(&str, &'static str)>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let now = admin.app().clock.now();
    let text: String = asked.field("q").trim().chars().take(200).collect();
    let named = asked.field("organisation");
    let after = asked.after();
    let order = table::order_of(asked.field("sort"));
    let organisations = admin.decider().bounds(named);
    let wanted = Wanted { text: text.clone(), organisations, facts: 0, order };
    let page = admin.console().recipients.find(&wanted, after.as_deref(), ROWS).await?;
    let here = table::Address::new(Place::Recipients)
        .with("q", &text)
        .with("organisation", named)
        .with("sort", table::order_word(order));
    let sorted = table::Sorted::by(&here, order);
    let rows = html! {
        @for one in &page.found {
            @let id = one.id.to_string();
            tr {
                td.main {
                    a.row href=(Place::Recipient(&id)) { (part::AddressShown(&one.address)) }
                    @for alias in &one.aliases { br; span.soft { (part::AddressShown(alias)) } }
                }
                td { (one.organisation) }
                td { @if one.members.is_empty() { (words.say("recipient-personal")) } @else { (words.say("recipient-shared")) } }
                td { (words.say(rhythm(admin, one).0)) }
                td.time { (table::ago(words, one.since, now)) }
            }
        }
    };
    let columns = [
        Column::Name("admin-address"),
        Column::Text("admin-organisation"),
        Column::Text("recipient-kind"),
        Column::Text("recipient-digest"),
        Column::Time("recipient-since"),
    ];
    let rows = table::sorted_rows(words, "admin-recipients", &columns, Some(sorted), &rows);
    let found = table::Found {
        rows: (!page.found.is_empty()).then_some(&rows),
        unreadable: &page.unreadable,
        paged: after.is_some(),
        next: page.next.as_deref(),
    };
    let body = html! {
        (table::search(words, &here, words.say("recipients-search"), &text))
        (chips(admin, &here, named))
        (table::found(words, &here, "admin-nothing-found", &found))
        @if admin.may(Power::Decide) {
            h2 { (words.say("recipient-add")) }
            form.narrow method="post" action=(Place::Recipients) {
                (admin.token_field())
                label for="address" { (words.say("admin-address")) }
                @if let Some((_, word)) = wrong { p.wrong #wrong role="alert" { (words.say(word)) } }
                input #address name="address" type="email" required maxlength="254" value=[wrong.map(|(typed, _)| typed)]
                    aria-describedby=(if wrong.is_some() { "wrong add-help" } else { "add-help" }) autofocus[wrong.is_some()];
                p.help #add-help { (words.say("recipient-add-help")) }
                button type="submit" { (words.say("recipient-add")) }
            }
        }
    };
    let title = words.say("admin-recipients");
    Ok(admin.page(&Sheet { section: Section::Recipients, title, notice: None, body }))
}

/// The word of his digest's frequency, and its hour; his own or the
/// organisation's.
fn rhythm(admin: &Admin, recipient: &Recipient) -> (&'static str, u8, u8) {
    let organisation = admin.app().directory.organisation(&recipient.organisation);
    let theirs = organisation.map(|one| one.digest.rhythm).unwrap_or_default();
    let rhythm = recipient.rhythm(theirs);
    (frequency_word(rhythm.frequency), rhythm.hour, rhythm.weekday)
}

async fn add(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let typed = form.field("address");
    let added = admin.decider().add_recipient(typed).await;
    match added {
        Ok(one) => {
            Ok(Redirect::to(&Place::Recipient(&one.id.to_string()).to_string()).into_response())
        }
        Err(Declined::Wrong(wrong)) => {
            let wrong = wrong.first().map(|(_, word)| (typed, *word));
            let page = list_page(&admin, &Asked::default(), wrong).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(declined) => Err(admin.declined(declined).await?),
    }
}

/// What is said above the page, or beside a field.
#[derive(Default)]
struct Said<'a> {
    notice: Option<&'static str>,
    wrong: Option<(&'static str, &'static str)>,
    typed: &'a str,
}

async fn show(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let notice = match asked.field("done") {
        "digest" => Some("recipient-digest-sent"),
        "nothing" => Some("recipient-digest-nothing"),
        "sessions" => Some("recipient-sessions-ended"),
        "saved" => Some("recipient-saved"),
        _ => None,
    };
    page(&admin, &id, &Said { notice, ..Said::default() }).await
}

async fn page(admin: &Admin, id: &str, said: &Said<'_>) -> Result<Markup, Trouble> {
    let found = admin.decider().recipient(id).await;
    let one = match found {
        Ok(one) => one,
        Err(declined) => return Err(admin.declined(declined).await?),
    };
    let words = admin.words();
    let services = admin.app().recipients()?;
    let addresses: Vec<Address> = one.addresses().cloned().collect();
    let store = &admin.console().store;
    let messages = mailbox::messages(store, &addresses, Timestamp::UNIX_EPOCH, LOOKED_AT).await?;
    let waits = |held: &&crate::quarantine::Held| {
        held.recipients
            .iter()
            .any(|copy| copy.state == State::Held && addresses.contains(&copy.address.base()))
    };
    let held = messages.iter().filter(waits).count();
    let rules = services.people.rules(&one.organisation, Some(&one.address), LOOKED_AT).await?;
    let sessions = services.sessions.of(one.id).await?.len();
    let may = admin.may(Power::Decide);
    let body = html! {
        (facts(admin, &one, held, sessions))
        @if may { (deeds(admin, id)) }
        (addresses_card(admin, &one, said))
        @if may { (settings(admin, &one)) }
        (rules_card(admin, &one, &rules))
    };
    let notice = said.notice.map(|word| html! { (words.say(word)) });
    let title = words.say("admin-recipient");
    Ok(admin.page(&Sheet { section: Section::Recipients, title, notice, body }))
}

fn facts(admin: &Admin, one: &Recipient, held: usize, sessions: usize) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    let (frequency, hour, _) = rhythm(admin, one);
    let address = one.address.display();
    html! {
        div.card {
            dl.facts {
                div { dt { (words.say("admin-address")) } dd { strong { (part::AddressShown(&one.address)) } } }
                div { dt { (words.say("admin-organisation")) } dd { a href=(Place::Organisation(one.organisation.as_str())) { (one.organisation) } } }
                div {
                    dt { (words.say("recipient-since")) }
                    dd {
                        (table::ago(words, one.since, now)) ", "
                        @match &one.by {
                            Some(by) => { (words.say("recipient-by")) " " (Shown(by)) }
                            None => (words.say("recipient-learned")),
                        }
                    }
                }
                div {
                    dt { (words.say("recipient-held")) }
                    dd {
                        a href=(table::Address::new(Place::Quarantine).with("q", &address)) { (counted(words, "recipient-held-count", held)) }
                        @if held == LOOKED_AT { " +" }
                    }
                }
                div {
                    dt { (words.say("recipient-digest")) }
                    dd {
                        (words.say(frequency)) ", " (format!("{hour:02}:00"))
                        @if one.frequency.is_none() { " " span.soft { (words.say("recipient-theirs")) } }
                        @if let Some(at) = one.digest_at { br; (words.say("recipient-next")) " " (table::ago(words, at, now)) }
                    }
                }
                div { dt { (words.say("recipient-sessions")) } dd { (sessions) } }
            }
        }
    }
}

fn deeds(admin: &Admin, id: &str) -> Markup {
    let words = admin.words();
    html! {
        div.actions {
            form method="post" action=(Place::RecipientDigest(id)) {
                (admin.token_field())
                button.quiet type="submit" { (words.say("recipient-send-digest")) }
            }
            form method="post" action=(Place::RecipientSessions(id)) {
                (admin.token_field())
                button.danger type="submit" { (words.say("recipient-end-sessions")) }
            }
        }
    }
}

fn addresses_card(admin: &Admin, one: &Recipient, said: &Said<'_>) -> Markup {
    let words = admin.words();
    let id = one.id.to_string();
    let lists = [
        (
            "aliases",
            "recipient-aliases",
            "recipient-aliases-help",
            &one.aliases,
            "add_alias",
            "remove_alias",
        ),
        (
            "members",
            "recipient-members",
            "recipient-members-help",
            &one.members,
            "add_member",
            "remove_member",
        ),
    ];
    html! {
        div.split {
            @for (part_id, heading, help, list, add, remove) in lists {
                section.card aria-labelledby=(part_id) {
                    h2 id=(part_id) { (words.say(heading)) }
                    p.help { (words.say(help)) }
                    ul.plain {
                        @for address in list {
                            li {
                                (part::AddressShown(address)) " "
                                @if admin.may(Power::Decide) {
                                    form.inline method="post" action=(Place::Recipient(&id)) {
                                        (admin.token_field())
                                        input type="hidden" name=(remove) value=(address.to_string());
                                        button.quiet type="submit" { (words.say("recipient-remove")) span.hidden { " " (address.display()) } }
                                    }
                                }
                            }
                        }
                    }
                    @if admin.may(Power::Decide) {
                        @let wrong = said.wrong.filter(|(field, _)| *field == add).map(|(_, word)| word);
                        form.actions method="post" action=(Place::Recipient(&id)) {
                            (admin.token_field())
                            label.hidden for=(add) { (words.say("admin-address")) }
                            @if let Some(wrong) = wrong { p.wrong #wrong role="alert" { (words.say(wrong)) } }
                            input id=(add) type="email" name=(add) required maxlength="254" placeholder=(words.say("admin-address"))
                                value=[wrong.map(|_| said.typed)] aria-describedby=[wrong.map(|_| "wrong")] autofocus[wrong.is_some()];
                            button.quiet type="submit" { (words.say("recipient-add-address")) }
                        }
                    }
                }
            }
        }
    }
}

fn settings(admin: &Admin, one: &Recipient) -> Markup {
    let words = admin.words();
    let (frequency, hour, weekday) = rhythm(admin, one);
    let organisation = admin.app().directory.organisation(&one.organisation);
    let theirs = organisation.map(|one| one.language.clone()).unwrap_or_default();
    let language = one.language.as_deref().unwrap_or(&theirs);
    html! {
        section.card aria-labelledby="settings" {
            h2 #settings { (words.say("recipient-settings")) }
            form.narrow method="post" action=(Place::Recipient(&one.id.to_string())) {
                (admin.token_field())
                label for="digest" { (words.say("recipient-digest")) }
                select #digest name="digest" {
                    @for one in Frequency::ALL {
                        @let id = frequency_word(one);
                        option value=(one.as_str()) selected[id == frequency] { (words.say(id)) }
                    }
                }
                label for="hour" { (words.say("recipient-hour")) }
                select #hour name="hour" {
                    @for one in 0..24u8 { option value=(one) selected[one == hour] { (format!("{one:02}:00")) } }
                }
                label for="weekday" { (words.say("me-digest-weekday")) }
                select #weekday name="weekday" {
                    @for (day, id) in (0u8..).zip(DAYS) { option value=(day) selected[day == weekday] { (words.say(id)) } }
                }
                label for="language" { (words.say("setting-language")) }
                select #language name="language" {
                    @for known in admin.app().languages.all() {
                        option value=(known.tag()) lang=(known.tag()) selected[known.tag() == language] { (known.say("language-name")) }
                    }
                }
                button type="submit" { (words.say("admin-save")) }
            }
        }
    }
}

fn rules_card(admin: &Admin, one: &Recipient, rules: &[StoredRule]) -> Markup {
    let words: &Words = admin.words();
    let address = one.address.to_string();
    html! {
        h2 { (words.say("recipient-rules")) }
        @if rules.is_empty() { (table::empty(words.say("recipient-no-rules"))) }
        @else { (rule_rows(admin, None, rules)) }
        @if admin.may(Power::Decide) {
            p { a href=(table::Address::new(Place::Rules).with("recipient", &address)) { (words.say("rule-add")) } }
        }
    }
}

async fn change(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let field = |name: &str| form.field(name).to_owned();
    let changed = admin.decider().change_recipient(&id, &field).await;
    match changed {
        Ok(_) => Ok(done(&id, "saved")),
        Err(Declined::Wrong(wrong)) => {
            let wrong = wrong.first().copied();
            let typed = wrong.map_or("", |(name, _)| form.field(name));
            let notice = Some("form-wrong");
            let page = page(&admin, &id, &Said { notice, wrong, typed }).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(declined) => Err(admin.declined(declined).await?),
    }
}

fn done(id: &str, word: &str) -> Response {
    let place = table::Address::new(Place::Recipient(id)).with("done", word);
    Redirect::to(&place.to_string()).into_response()
}

async fn digest(
    admin: Admin,
    Captured(id): Captured<String>,
    _: Acted,
) -> Result<Response, Trouble> {
    match admin.decider().send_digest(&id).await {
        Ok(true) => Ok(done(&id, "digest")),
        Ok(false) => Ok(done(&id, "nothing")),
        Err(declined) => Err(admin.declined(declined).await?),
    }
}

async fn end_sessions(
    admin: Admin,
    Captured(id): Captured<String>,
    _: Acted,
) -> Result<Response, Trouble> {
    match admin.decider().end_sessions(&id).await {
        Ok(()) => Ok(done(&id, "sessions")),
        Err(declined) => Err(admin.declined(declined).await?),
    }
}
