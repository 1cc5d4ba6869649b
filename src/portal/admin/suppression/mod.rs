//! Delivery blocking: the servers, and for each its lists, run settings, logs
//! and distributions.
//!
//! Operators see every server, an organisation's administrators those of
//! their organisation; a server of another is as if it were not there. What
//! is released here is released for every reader at once; every act is
//! written into the audit.

pub(in crate::portal) mod downloads;
mod find;
mod lists;
mod logs;
mod servers;
mod settings;
pub(in crate::portal) mod upload;
mod versions;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::table::{self, Address};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::{Power, Role};
use crate::mail::{self, AddressError};
use crate::portal::error::Trouble;
use crate::portal::words::Shown;
use crate::store::Batch;
use crate::suppression::csv::{self, CsvError, Wrong};
use crate::suppression::rule::SettingsError;
use crate::suppression::{By, Refused, Server, ServerId, Suppression};

/// Whose tab it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    All,
    /// Servers whose list may be browsed.
    Browsed,
    /// Servers of a plan with blocking always on.
    Fixed,
    /// Who may change what is browsed.
    Deciders,
    /// Who sees the whole service.
    Service,
}

/// The tabs in their order: the word in the address, and its label.
const TABS: [(&str, &str, For); 9] = [
    ("find", "blocking-tab-find", For::Fixed),
    ("blocked", "blocking-tab-blocked", For::Browsed),
    ("exemptions", "blocking-tab-exemptions", For::Browsed),
    ("settings", "blocking-tab-settings", For::All),
    ("errors", "blocking-tab-errors", For::All),
    ("deliveries", "blocking-tab-deliveries", For::All),
    ("distribution", "blocking-tab-distribution", For::Service),
    ("upload", "blocking-tab-upload", For::Deciders),
    ("downloads", "blocking-tab-downloads", For::All),
];

pub(super) fn routes() -> Vec<Route> {
    let mut all = vec![Route::page(&Place::BlockingHome, Power::See, get(home))];
    all.extend(find::routes());
    all.extend(lists::routes());
    all.extend(settings::routes());
    all.extend(logs::routes());
    all.extend(versions::routes());
    all.extend(servers::routes());
    all.extend(upload::routes());
    all.extend(downloads::routes());
    all
}

/// The first server that he may see.
async fn home(admin: Admin) -> Result<Response, Trouble> {
    let Some(server) = own(&admin).await?.into_iter().next() else {
        let words = admin.words();
        let body = table::empty(words.say("blocking-no-server"));
        let title = words.say("admin-blocking");
        let sheet = Sheet { section: Section::Blocking, title, notice: None, body };
        return Ok(admin.page(&sheet).into_response());
    };
    let first = if server.settings.fixed { "find" } else { "blocked" };
    let place = Place::Blocking(&server.id.to_string(), first).to_string();
    Ok(Redirect::to(&place).into_response())
}

impl Admin {
    fn blocking(&self) -> &Suppression {
        &self.console().suppression
    }
}

/// Whether a server is this role's to see.
pub(in crate::portal) fn covers(role: &Role, server: &Server) -> bool {
    let whose = server.organisation.as_ref();
    role.organisations().is_none() || whose.is_some_and(|whose| role.covers(whose))
}

/// The servers that he may see.
async fn own(admin: &Admin) -> Result<Vec<Server>, Trouble> {
    let mut all = admin.blocking().servers().await?;
    all.retain(|server| covers(&admin.account.role, server));
    Ok(all)
}

/// The server that an address names, if it is his.
async fn server(admin: &Admin, id: &str) -> Result<Server, Trouble> {
    let id: ServerId = id.parse().map_err(|_| Trouble::NotFound)?;
    own(admin).await?.into_iter().find(|server| server.id == id).ok_or(Trouble::NotFound)
}

/// The same, where its list may be browsed.
async fn browsed(admin: &Admin, id: &str) -> Result<Server, Trouble> {
    let server = server(admin, id).await?;
    if server.settings.fixed { Err(Trouble::FixedPlan) } else { Ok(server) }
}

/// A tab of one server: the servers and the tabs around its body.
async fn tab(
    admin: &Admin,
    server: &Server,
    tab: &'static str,
    notice: Option<Markup>,
    body: Markup,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let servers = own(admin).await?;
    let id = server.id.to_string();
    let fixed = server.settings.fixed;
    let shown = |whose: For| match whose {
        For::All => true,
        For::Browsed => !fixed,
        For::Fixed => fixed,
        For::Deciders => !fixed && admin.may(Power::Decide),
        For::Service => admin.may(Power::SeeAll),
    };
    let body = html! {
        @if servers.len() > 1 {
            nav.chips aria-label=(words.say("blocking-servers")) {
                @for one in &servers {
                    @let first = if one.settings.fixed == fixed { tab } else { "settings" };
                    a href=(Place::Blocking(&one.id.to_string(), first)) aria-current=[(one.id == server.id).then_some("true")] { (one.name) }
                }
            }
        }
        nav.chips aria-label=(words.say("admin-blocking")) {
            @for (word, label, _) in TABS.iter().filter(|(_, _, whose)| shown(*whose)) {
                a href=(Place::Blocking(&id, word)) aria-current=[(*word == tab).then_some("true")] { (words.say(label)) }
            }
        }
        (body)
    };
    let title = words.say("admin-blocking");
    Ok(admin.page(&Sheet { section: Section::Blocking, title, notice, body }))
}

/// What was not done, and what it was about; faults are troubles.
fn refusal(admin: &Admin, refused: Refused) -> Result<Markup, Trouble> {
    match refused {
        Refused::Store(fault) => Err(fault.into()),
        other => Ok(why_not(admin, &other)),
    }
}

/// The same in words alone.
fn why_not(admin: &Admin, refused: &Refused) -> Markup {
    let (word, about) = match refused {
        Refused::NotListed(address) => ("refused-not-listed", address.clone()),
        Refused::Listed(address) => ("refused-listed", address.clone()),
        Refused::Exempt(address) => ("refused-exempt", address.clone()),
        Refused::NotExempt(address) => ("refused-not-exempt", address.clone()),
        Refused::Never(address) => ("refused-never", address.clone()),
        Refused::NoServer(id) => ("refused-no-server", id.to_string()),
        Refused::Name(name) => ("refused-name", name.clone()),
        Refused::Way(way) => ("refused-way", way.clone()),
        Refused::Taken(what) => ("refused-taken", what.clone()),
        Refused::ServerKnown(id) => ("refused-server-known", id.to_string()),
        Refused::Settings(SettingsError::Time) => ("refused-time", String::new()),
        Refused::Settings(SettingsError::Zone(zone)) => ("refused-zone", zone.clone()),
        Refused::Settings(SettingsError::After(after)) => ("refused-after", after.to_string()),
        Refused::Settings(SettingsError::Watch) => ("refused-watch", String::new()),
        Refused::Settings(SettingsError::Strike) => ("refused-strike", String::new()),
        Refused::Address(typed, wrong) => (wrong_word(wrong), typed.clone()),
        Refused::File(why) | Refused::NoList(CsvError::Io(why)) => ("refused-file", why.clone()),
        Refused::NoList(CsvError::Csv(line, why)) => ("refused-csv", format!("{line} ({why})")),
        Refused::NoList(CsvError::NoColumn(_, heads)) => ("refused-no-column", heads.clone()),
        Refused::NoList(CsvError::Empty) => ("refused-empty", String::new()),
        Refused::TooLarge(most) => ("refused-too-large", format!("{most} MiB")),
        Refused::Unwritable(why) => ("refused-unwritable", why.clone()),
        Refused::NoVersion(version) => ("refused-no-version", version.to_string()),
        Refused::NoVersions => ("refused-no-versions", String::new()),
        Refused::Typed(what) => ("refused-typed", what.clone()),
        Refused::Granted => ("refused-granted", String::new()),
        Refused::Busy => ("refused-busy", String::new()),
        Refused::Store(fault) => ("refused-store", fault.to_string()),
    };
    html! { (admin.words().say(word)) @if !about.is_empty() { " " (Shown(&about)) } }
}

/// Why a cell or a field is no address for the list.
fn wrong_word(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::TooLong | Wrong::NoAddress(AddressError::TooLong) => "wrong-too-long",
        Wrong::Pattern => "wrong-pattern",
        Wrong::NoAddress(AddressError::NoAt) => "no-address-no-at",
        Wrong::NoAddress(AddressError::LocalPart) => "no-address-local-part",
        Wrong::NoAddress(AddressError::Domain) => "no-address-domain",
        Wrong::NoAddress(AddressError::Literal) => "no-address-literal",
        Wrong::NoAddress(AddressError::SourceRoute) => "no-address-source-route",
        Wrong::NoAddress(AddressError::NonAscii) => "no-address-non-ascii",
        Wrong::Never => "wrong-never",
    }
}

/// The address of a form's field.
fn address(form: &Acted) -> Result<mail::Address, Refused> {
    let text = form.field("address");
    csv::address(text).map_err(|wrong| Refused::Address(text.to_owned(), wrong))
}

/// Records what changes nothing: a download.
async fn record(admin: &Admin, what: &str, server: &Server, about: &str) -> Result<(), Trouble> {
    Ok(admin.console().accounts.audit().note(entry(admin, what, server, about)).await?)
}

/// The audit entry of an act, for the batch that carries it out.
fn told(
    admin: &Admin,
    what: &str,
    server: &Server,
    about: &str,
) -> impl Fn(&mut Batch) + Send + Sync + use<> {
    let (audit, entry) =
        (admin.console().accounts.audit().clone(), entry(admin, what, server, about));
    move |batch| audit.record(batch, entry.clone())
}

impl Admin {
    /// He does it, and `also` is written with it.
    fn does<'a>(&'a self, also: &'a (dyn Fn(&mut Batch) + Sync)) -> By<'a> {
        By { login: self.account.login.as_str(), also }
    }
}

fn entry(admin: &Admin, what: &str, server: &Server, about: &str) -> crate::account::Entry {
    let whose = server.organisation.iter().cloned().collect();
    admin.entry(what).about("address", about).after(format!("server {}", server.id)).of(whose)
}
