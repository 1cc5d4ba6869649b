//! Organisations: whom we serve, and how each wants its mail treated.
//!
//! The configuration file says which organisations and domains there are;
//! what may be changed here lies over the file (see
//! [`overlay`](crate::directory::overlay)). Each value says where it comes
//! from and goes back to the file's with one button. A change counts for the
//! next mail. Who saves a page that somebody else has changed meanwhile is
//! shown how it stands instead.

use axum::extract::Path as Captured;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use sha2::{Digest, Sha256};

use super::table::{self, Address, Column, ROWS};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::directory::overlay::{Kind, SETTINGS, Setting};
use crate::directory::{Organisation, Overlay, RuleAction};
use crate::portal::decisions::{Declined, Picture};
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::path::Path;
use crate::portal::words::{Arguments, Shown, Words};

/// The words about each setting: its label, and what it does.
const WORDS: [(&str, &str, &str); SETTINGS.len()] = [
    ("name", "setting-name", "setting-name-help"),
    ("colour", "setting-colour", "setting-colour-help"),
    ("language", "setting-language", "setting-language-help"),
    ("sentence", "setting-sentence", "setting-sentence-help"),
    ("postmaster", "setting-postmaster", "setting-postmaster-help"),
    ("telephone", "setting-telephone", "setting-telephone-help"),
    ("hours", "setting-hours", "setting-hours-help"),
    ("marketing", "setting-marketing", "setting-marketing-help"),
    ("poll", "setting-poll", "setting-poll-help"),
    ("social", "setting-social", "setting-social-help"),
    ("mass", "setting-mass", "setting-mass-help"),
    ("people_choose", "setting-people-choose", "setting-people-choose-help"),
    ("first_contact", "setting-first-contact", "setting-first-contact-help"),
    ("told", "setting-told", "setting-told-help"),
    ("digest", "setting-digest", "setting-digest-help"),
    ("digest_hour", "setting-digest-hour", "setting-digest-hour-help"),
    ("time_zone", "setting-time-zone", "setting-time-zone-help"),
    ("retention", "setting-retention", "setting-retention-help"),
];

/// The words of choices.
const CHOICES: [(&str, &str); 12] = [
    ("deliver", "choice-deliver"),
    ("hold", "choice-hold"),
    ("reject", "choice-reject"),
    ("true", "choice-yes"),
    ("false", "choice-no"),
    ("letter", "choice-letter"),
    ("reply", "choice-reply"),
    ("defer", "choice-defer"),
    ("off", "me-digest-off"),
    ("hourly", "me-digest-hourly"),
    ("daily", "me-digest-daily"),
    ("weekly", "me-digest-weekly"),
];

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Organisations, Power::See, get(list)),
        Route {
            path: Place::Organisation(id).to_string(),
            get: Some(Power::See),
            post: Some(Power::Decide),
            to: get(show).post(save),
        },
        Route::act(&Place::OrganisationBack(id), Power::Decide, post(back)),
        Route::act(&Place::OrganisationLogo(id), Power::Decide, post(logo)),
    ]
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let part = asked.field("q").trim().to_lowercase();
    let mut all = admin.decider().organisations();
    all.retain(|one| {
        let domains = one.domains.iter().map(|domain| domain.as_str().to_owned());
        let mut texts = domains.chain([one.id.to_string(), one.name.to_lowercase()]);
        texts.any(|text| text.contains(&part))
    });
    let after = asked.after().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.retain(|one| after.as_deref().is_none_or(|after| one.id.as_str() > after));
    let more = all.len() > ROWS;
    all.truncate(ROWS);
    let next = all.last().filter(|_| more).map(|one| one.id.as_str().as_bytes());
    let here = Address::new(Place::Organisations).with("q", &part);
    let rows = html! {
        @for one in &all {
            tr {
                td.main { a.row href=(Place::Organisation(one.id.as_str())) { (one.name) } }
                td { code { (one.id) } }
                td.main { (domains(one)) }
                td.number { (one.retention_days) }
            }
        }
    };
    let columns = [
        Column::Text("setting-name"),
        Column::Text("organisation-id"),
        Column::Text("organisation-domains"),
        Column::Number("setting-retention"),
    ];
    let body = html! {
        p.soft { (words.say("organisations-help")) }
        (table::search(words, &here, words.say("organisations-search"), &part))
        @if all.is_empty() { (table::empty(words.say("admin-nothing-found"))) }
        @else { (table::rows(words, "admin-organisations-rail", &columns, &rows)) }
        (table::pager(words, &here, after.is_some(), next))
    };
    let title = words.say("admin-organisations-rail");
    Ok(admin.page(&Sheet { section: Section::Organisations, title, notice: None, body }))
}

fn domains(organisation: &Organisation) -> Markup {
    let all: Vec<String> = organisation.domains.iter().map(crate::mail::Domain::display).collect();
    html! { (Shown(&all.join(", "))) }
}

/// What a form typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    values: Vec<(String, String)>,
    wrong: Vec<(&'static str, &'static str)>,
    notice: Option<&'static str>,
}

impl Typed {
    fn wrong(&self, name: &str) -> Option<&'static str> {
        self.wrong.iter().find(|(other, _)| *other == name).map(|(_, word)| *word)
    }
}

async fn show(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let saved = !asked.field("saved").is_empty();
    let notice = saved.then_some("organisation-saved");
    page(&admin, &id, &Typed { notice, ..Typed::default() }).await
}

async fn page(admin: &Admin, id: &str, typed: &Typed) -> Result<Markup, Trouble> {
    let organisation = match admin.decider().organisation(id) {
        Ok(organisation) => organisation,
        Err(declined) => return Err(admin.declined(declined).await?),
    };
    let written = admin.app().directory.written(&organisation.id).ok_or(Trouble::NotFound)?;
    let overlay = admin.console().overlays.of(&organisation.id).await?;
    let words = admin.words();
    let body = html! {
        (facts(words, &organisation))
        @if admin.may(Power::Decide) {
            (form(admin, (&organisation, &written, &overlay), typed))
            (picture(admin, &organisation, typed))
        } @else {
            dl.facts.card {
                @for (setting, (_, label, _)) in SETTINGS.iter().zip(WORDS) {
                    div { dt { (words.say(label)) } dd { (value_shown(words, setting, &setting.of(&organisation))) } }
                }
            }
        }
        (written_rules(words, &organisation))
    };
    let notice = typed.notice.map(|word| html! { (words.say(word)) });
    let title = words.say("organisation");
    Ok(admin.page(&Sheet { section: Section::Organisations, title, notice, body }))
}

/// What only the file says, and where to go on.
fn facts(words: &Words, organisation: &Organisation) -> Markup {
    let id = organisation.id.as_str();
    html! {
        div.card {
            dl.facts {
                div { dt { (words.say("setting-name")) } dd { strong { (organisation.name) } } }
                div { dt { (words.say("organisation-id")) } dd { code { (organisation.id) } } }
                div { dt { (words.say("organisation-domains")) } dd { (domains(organisation)) } }
                @if let Some(host) = &organisation.host {
                    div { dt { (words.say("organisation-host")) } dd { code { (host) } } }
                }
            }
            p.help { (words.say("organisation-file-help")) }
            p {
                a href=(Address::new(Place::Recipients).with("organisation", id)) { (words.say("admin-recipients")) } " · "
                a href=(Address::new(Place::Rules).with("organisation", id)) { (words.say("admin-rules")) }
            }
        }
    }
}

/// Changes with every change of what the page shows.
fn fingerprint(organisation: &Organisation) -> String {
    let mut hash = Sha256::new();
    for setting in &SETTINGS {
        hash.update(setting.of(organisation).as_bytes());
        hash.update([0]);
    }
    let start = hash.finalize().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(start))
}

fn form(
    admin: &Admin,
    (organisation, written, overlay): (&Organisation, &Organisation, &Overlay),
    typed: &Typed,
) -> Markup {
    let words = admin.words();
    let id = organisation.id.as_str();
    let first = typed.wrong.first().map(|(name, _)| *name);
    html! {
        h2 { (words.say("organisation-settings")) }
        p.soft { (words.say("organisation-settings-help")) }
        form #back method="post" action=(Place::OrganisationBack(id)) { (admin.token_field()) }
        form.narrow method="post" action=(Place::Organisation(id)) {
            (admin.token_field())
            input type="hidden" name="seen" value=(fingerprint(organisation));
            @for (setting, (name, label, help)) in SETTINGS.iter().zip(WORDS) {
                @let wrong = typed.wrong(name);
                @let kept = typed.values.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
                @let value = kept.unwrap_or_else(|| setting.of(organisation));
                div.setting {
                    label for=(name) { (words.say(label)) }
                    @if let Some(wrong) = wrong { p.wrong id={ "wrong-" (name) } role="alert" { (words.say(wrong)) } }
                    (input(admin, setting, &value, wrong.is_some(), first == Some(name)))
                    p.help id={ "help-" (name) } { (words.say(help)) }
                    (source(words, setting, written, overlay))
                }
            }
            label for="why" { (words.say("admin-why")) }
            input #why name="why" type="text" maxlength="300";
            button #save type="submit" { (words.say("admin-save")) }
        }
    }
}

fn input(admin: &Admin, setting: &Setting, value: &str, wrong: bool, focus: bool) -> Markup {
    let words = admin.words();
    let name = setting.name;
    let about = if wrong { format!("wrong-{name} help-{name}") } else { format!("help-{name}") };
    let invalid = wrong.then_some("true");
    html! {
        @match setting.kind {
            Kind::Words(all) => {
                select id=(name) name=(name) aria-describedby=(about) aria-invalid=[invalid] autofocus[focus] {
                    @for one in all { option value=(one) selected[*one == value] { (choice_word(words, one)) } }
                }
            }
            Kind::Language => {
                select id=(name) name=(name) aria-describedby=(about) aria-invalid=[invalid] autofocus[focus] {
                    @let known = admin.app().languages.all();
                    @if !known.iter().any(|one| one.tag() == value) { option value=(value) selected { (value) } }
                    @for one in known { option value=(one.tag()) lang=(one.tag()) selected[one.tag() == value] { (one.say("language-name")) } }
                }
            }
            Kind::Days => {
                input id=(name) name=(name) type="number" min="1" max="90" required value=(value)
                    aria-describedby=(about) aria-invalid=[invalid] autofocus[focus];
            }
            Kind::Hour => {
                select id=(name) name=(name) aria-describedby=(about) aria-invalid=[invalid] autofocus[focus] {
                    @for hour in 0..24u8 { option value=(hour) selected[hour.to_string() == value] { (format!("{hour:02}:00")) } }
                }
            }
            Kind::Address => {
                input id=(name) name=(name) type="email" required maxlength="254" value=(value)
                    aria-describedby=(about) aria-invalid=[invalid] autofocus[focus];
            }
            Kind::Colour => {
                input id=(name) name=(name) type="text" maxlength="7" placeholder="#0b6e4f" spellcheck="false" value=(value)
                    aria-describedby=(about) aria-invalid=[invalid] autofocus[focus];
            }
            Kind::Zone => {
                input id=(name) name=(name) type="text" required maxlength="60" placeholder="Europe/Helsinki" spellcheck="false"
                    autocapitalize="off" value=(value) aria-describedby=(about) aria-invalid=[invalid] autofocus[focus];
            }
            Kind::Line(most) => {
                input id=(name) name=(name) type="text" maxlength=(most) value=(value)
                    aria-describedby=(about) aria-invalid=[invalid] autofocus[focus];
            }
        }
    }
}

/// Where the value comes from, and the way back to the file's.
fn source(words: &Words, setting: &Setting, written: &Organisation, overlay: &Overlay) -> Markup {
    let theirs = setting.of(written);
    html! {
        @if overlay.value(setting.name).is_some() {
            p.source {
                strong { (words.say("source-console")) } " "
                (words.say("source-file-says")) " "
                @if theirs.is_empty() { (words.say("source-nothing")) } @else { (value_shown(words, setting, &theirs)) }
                " "
                button.quiet type="submit" form="back" name="setting" value=(setting.name) {
                    (words.say("source-back")) span.hidden { ": " (setting.name) }
                }
            }
        } @else { p.source.soft { (words.say("source-file")) } }
    }
}

fn value_shown(words: &Words, setting: &Setting, value: &str) -> Markup {
    match setting.kind {
        Kind::Words(_) => html! { (choice_word(words, value)) },
        Kind::Hour => html! { (value) ":00" },
        _ => html! { (Shown(value)) },
    }
}

fn choice_word<'w>(words: &'w Words, value: &str) -> &'w str {
    let found = CHOICES.iter().find(|(word, _)| *word == value);
    found.map_or("", |(_, id)| &**words.say(id))
}

fn picture(admin: &Admin, organisation: &Organisation, typed: &Typed) -> Markup {
    let words = admin.words();
    let id = organisation.id.as_str();
    html! {
        h2 { (words.say("setting-logo")) }
        @if let Some(logo) = part::logo_name(organisation) {
            p { img.logo src=(Path::Logo(&logo)) alt=(words.say("setting-logo")); }
        }
        form.narrow method="post" action=(Place::OrganisationLogo(id)) enctype="multipart/form-data" {
            (admin.token_field())
            label for="logo" { (words.say("logo-file")) }
            @if let Some(wrong) = typed.wrong("logo") { p.wrong #wrong-logo role="alert" { (words.say(wrong)) } }
            input #logo name="logo" type="file" accept="image/png,image/jpeg,image/webp" required
                aria-describedby="help-logo" autofocus[typed.wrong("logo").is_some()];
            p.help #help-logo { (words.say("setting-logo-help")) }
            button type="submit" { (words.say("logo-send")) }
        }
        @if organisation.logo.is_some() {
            form method="post" action=(Place::OrganisationLogo(id)) {
                (admin.token_field())
                input type="hidden" name="remove" value="yes";
                button.quiet type="submit" { (words.say("logo-remove")) }
            }
        }
    }
}

/// The rules that stand in the file: they are changed there.
fn written_rules(words: &Words, organisation: &Organisation) -> Markup {
    html! {
        @if !organisation.rules.is_empty() {
            h2 { (words.say("organisation-file-rules")) }
            p.soft { (words.say("organisation-file-rules-help")) }
            ul {
                @for rule in &organisation.rules {
                    li {
                        (words.say(if rule.action == RuleAction::Block { "rule-block" } else { "rule-allow" })) ": "
                        (Shown(&rule.sender.to_string()))
                        @if let Some(one) = &rule.recipient { " → " (Shown(&one.display())) }
                    }
                }
            }
        }
    }
}

async fn save(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let values: Vec<(String, String)> = SETTINGS
        .iter()
        .filter(|setting| form.has(setting.name))
        .map(|setting| (setting.name.to_owned(), form.field(setting.name).to_owned()))
        .collect();
    if let Ok(now) = admin.decider().organisation(&id)
        && fingerprint(&now) != form.field("seen")
    {
        let typed = Typed { notice: Some("organisation-changed"), ..Typed::default() };
        return Ok((StatusCode::CONFLICT, page(&admin, &id, &typed).await?).into_response());
    }
    change(&admin, &id, values, &[], Picture::Stays, form.field("why")).await
}

async fn back(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let name = [form.field("setting").to_owned()];
    change(&admin, &id, Vec::new(), &name, Picture::Stays, "").await
}

async fn logo(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let picture = match form.file("logo") {
        Some(bytes) => Picture::Is(bytes.to_vec()),
        None if form.field("remove").is_empty() => Picture::Stays,
        None => Picture::Goes,
    };
    change(&admin, &id, Vec::new(), &[], picture, "").await
}

async fn change(
    admin: &Admin,
    id: &str,
    values: Vec<(String, String)>,
    back: &[String],
    picture: Picture,
    why: &str,
) -> Result<Response, Trouble> {
    let decided = admin.decider().change_organisation(id, &values, back, picture, why).await;
    match decided {
        Ok(()) => {
            let place = Address::new(Place::Organisation(id)).with("saved", "yes");
            Ok(Redirect::to(&place.to_string()).into_response())
        }
        Err(Declined::Wrong(wrong)) => {
            let typed = Typed { values, wrong, notice: Some("form-wrong") };
            let page = page(admin, id, &typed).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(declined) => Err(admin.declined(declined).await?),
    }
}

/// A choice of one of his organisations, for lists; nothing where there is
/// but one.
pub(super) fn chips(admin: &Admin, address: &Address<'_>, now: &str) -> Markup {
    let words = admin.words();
    let all = admin.decider().organisations();
    let mut named = vec![("", &**words.say("admin-all"))];
    named.extend(all.iter().map(|one| (one.id.as_str(), one.name.as_str())));
    html! {
        @if all.len() > 1 {
            (table::chips(words.say("admin-organisation"), address, "organisation", now, &named))
        }
    }
}

/// "3 held".
pub(super) fn counted(words: &Words, id: &str, n: usize) -> Markup {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    html! { (words.tell(id, &Arguments::new().number("n", n))) }
}
