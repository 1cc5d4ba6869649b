//! One decision about many messages: preview, then work that goes on when
//! the page is closed, shows how far it is, and can be stopped.
//!
//! Work is done one message at a time, each a decision and an audit entry of
//! its own, at most 10,000 in one go and a few jobs in the queue, so nobody
//! else waits. A job is a record: a restart interrupts it, and it goes on
//! where it was. It acts with the role that its administrator has then, and
//! ends when he may not log in any more.

use std::sync::Arc;

use axum::extract::Path as Captured;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::message::{Act, about_held};
use super::quarantine::{self, list_address, subject};
use super::{Acted, Admin, Console, Place, Route, Section, Sheet};
use crate::account::job::{Job, PICKED};
use crate::account::{Account, Entry, Power};
use crate::filter::Class;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::words::{Arguments, Shown};
use crate::quarantine::{Held, Search, State};
use crate::store::arena::Order;
use crate::store::{Batch, Fault};

/// Messages of one job.
const MOST: usize = 10_000;
/// Messages after which its numbers are written.
const STEP: usize = 25;
/// Messages that the preview names.
const NAMED: usize = 10;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::act(&Place::Bulk, Power::Decide, post(preview)),
        Route::act(&Place::RunBulk, Power::Decide, post(run)),
        Route::page(&Place::Job(id), Power::Decide, get(show)),
        Route::act(&Place::StopJob(id), Power::Decide, post(stop)),
    ]
}

/// One job at a time.
#[derive(Clone)]
pub struct Turn(Arc<Semaphore>);

impl Turn {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// What the form's button says.
fn act_of(form: &Acted) -> Result<Act, Trouble> {
    Act::parse(form.field("act")).ok_or(Trouble::BadForm)
}

/// What a form is about: the rows that were picked, or all that the filter
/// finds.
async fn chosen(admin: &Admin, form: &Acted) -> (Search, Vec<Uuid>) {
    let search = quarantine::search_of(admin, |name| form.field(name));
    // Whatever the list's order: the latest first, as the job works.
    let waiting = Search { state: Some(State::Held), order: Order::Latest, ..search };
    let picked: Vec<Uuid> =
        form.all("pick").filter_map(|id| id.parse().ok()).take(PICKED).collect();
    if !picked.is_empty() || form.field("whole").is_empty() {
        return (waiting, picked);
    }
    let ids = self::waiting(admin.console(), &waiting).await;
    (waiting, ids)
}

async fn preview(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let act = act_of(&form)?;
    let (search, ids) = chosen(&admin, &form).await;
    if ids.is_empty() {
        return Ok(Redirect::to(&list_address(&search).to_string()).into_response());
    }
    let words = admin.words();
    let (from, to) = quarantine::days(&search);
    let mut named = Vec::new();
    for id in ids.iter().take(NAMED) {
        named.extend(admin.app().releases.held(*id).await?);
    }
    let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let question = match act {
        Act::Release => "admin-bulk-release",
        Act::Delete => "admin-bulk-delete",
    };
    let body = html! {
        p { strong { (words.tell(question, &Arguments::new().number("n", count))) } }
        ul {
            @for held in &named { li { (Shown(&held.from_text)) " · " (subject(words, &held.subject)) } }
            @if ids.len() > named.len() { li.soft { "…" } }
        }
        form.actions method="post" action=(Place::RunBulk) {
            (admin.token_field())
            input type="hidden" name="act" value=(act.as_str());
            @if form.field("whole").is_empty() {
                @for id in &ids { input type="hidden" name="pick" value=(id); }
            } @else {
                input type="hidden" name="whole" value="1";
                input type="hidden" name="q" value=(search.text);
                input type="hidden" name="class" value=(search.class.map_or("", Class::as_str));
                input type="hidden" name="from" value=(from);
                input type="hidden" name="to" value=(to);
            }
            label.hidden for="why" { (words.say("admin-why")) }
            input #why type="text" name="why" required maxlength="300" placeholder=(words.say("admin-why"));
            button type="submit" class=(if act == Act::Delete { "danger" } else { "" }) { (words.say("admin-bulk-go")) }
            a href=(list_address(&search)) { (words.say("admin-back")) }
        }
    };
    let title = words.say("admin-bulk");
    let sheet = Sheet { section: Section::Quarantine, title, notice: None, body };
    Ok(admin.page(&sheet).into_response())
}

async fn run(admin: Admin, form: Acted) -> Result<Redirect, Trouble> {
    let act = act_of(&form)?;
    let (search, ids) = chosen(&admin, &form).await;
    let login = admin.account.login.clone();
    let job = Job::new(login, act.as_str(), form.field("why"), admin.app().clock.now());
    let job = if form.field("whole").is_empty() {
        job.about(&ids)
    } else {
        let class = search.class.map_or("", Class::as_str);
        job.about_found(search.text, class, ids.len()).between(search.since, search.until)
    };
    let job = Job { client: Some(admin.visitor.client), ..job };
    let entry = admin.entry(&format!("bulk-{}", act.as_str()));
    if !begin_job(admin.app(), &job, entry).await? {
        return Err(Trouble::TooMany);
    }
    Ok(Redirect::to(&Place::Job(&job.id.to_string()).to_string()))
}

/// Writes the job down with the entry that `entry` begins, and works on it;
/// `false`: enough wait already.
///
/// # Errors
/// [`Fault`] if the store cannot write.
pub async fn begin_job(app: &App, job: &Job, entry: Entry) -> Result<bool, Fault> {
    let Some(console) = &app.console else { return Ok(false) };
    let entry = entry.about("job", &job.id.to_string()).why(&job.why);
    let entry = entry.after(format!("{} messages", job.total));
    let audit = console.accounts.audit();
    if !console.jobs.add(job, |batch| audit.record(batch, entry)).await? {
        return Ok(false);
    }
    tokio::spawn(work(app.clone(), job.id));
    Ok(true)
}

/// The messages that a job about this search would be about.
pub async fn waiting(console: &Console, search: &Search) -> Vec<Uuid> {
    let found = console.search.keys(search, None, MOST).await;
    found.keys.iter().filter_map(|key| Uuid::from_slice(key).ok()).collect()
}

/// Goes on with the jobs that a restart interrupted; the search must be
/// filled.
pub(in crate::portal) async fn go_on(app: &App) -> Result<(), Fault> {
    let Some(console) = &app.console else { return Ok(()) };
    for job in console.jobs.open().await? {
        tokio::spawn(work(app.clone(), job.id));
    }
    Ok(())
}

/// Works on one job until it ends. What the store refuses is logged, and the
/// next start goes on.
async fn work(app: App, id: Uuid) {
    let Some(console) = &app.console else { return };
    let _turn = app.turn.0.acquire().await;
    loop {
        match step(&app, console, id).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(fault) => return app.log.step_failed("bulk", &fault.to_string()),
        }
    }
}

/// The next few messages; `false`: it has ended.
async fn step(app: &App, console: &Console, id: Uuid) -> Result<bool, Fault> {
    let Some(job) = console.jobs.find(id).await? else { return Ok(false) };
    let account = console.accounts.find(&job.login).await?;
    let account = account.filter(|one| !one.disabled && one.role.may(Power::Decide));
    let (Some(account), Some(act), false) = (account, Act::parse(&job.act), job.stopped) else {
        console.jobs.change(id, |job| job.ended = true).await?;
        return Ok(false);
    };
    let ids = next(console, &account, &job).await;
    if ids.is_empty() {
        console.jobs.change(id, |job| job.ended = true).await?;
        return Ok(false);
    }
    let (mut done, mut left) = (0, 0);
    for held in &ids {
        if decide(app, &account, &job, act, *held).await { done += 1 } else { left += 1 }
    }
    let last = ids.last().map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let counted = |job: &mut Job| {
        job.done += done;
        job.left += left;
        job.cursor.clone_from(&last);
    };
    Ok(console.jobs.change(id, counted).await?.is_some())
}

/// What it looks at next.
async fn next(console: &Console, account: &Account, job: &Job) -> Vec<Uuid> {
    let seen = usize::try_from(job.seen()).unwrap_or(usize::MAX);
    if let Some(picked) = job.picked() {
        return picked.into_iter().skip(seen).take(STEP).collect();
    }
    let total = usize::try_from(job.total).unwrap_or(usize::MAX);
    let class = quarantine::class_named(&job.class);
    if class.is_none() && !job.class.is_empty() {
        return Vec::new();
    }
    let organisations = account.role.organisations().map(<[_]>::to_vec);
    let search = Search {
        text: job.text.clone(),
        class,
        state: Some(State::Held),
        organisations,
        since: job.since,
        until: job.until,
        order: Order::Latest,
    };
    let after = Some(job.cursor.as_slice()).filter(|cursor| !cursor.is_empty());
    let few = STEP.min(total.saturating_sub(seen));
    let found = console.search.keys(&search, after, few).await;
    found.keys.iter().filter_map(|key| Uuid::from_slice(key).ok()).collect()
}

/// `false`: nothing was changed about it.
async fn decide(app: &App, account: &Account, job: &Job, act: Act, id: Uuid) -> bool {
    match app.releases.held(id).await {
        // It came after the preview.
        Ok(Some(held)) if held.received_at > job.began => return false,
        Ok(Some(_)) => {}
        _ => return false,
    }
    let entry = |what: &str, held: &Held| {
        let entry = Entry::new(job.who(), what);
        let entry = job.client.map_or(entry.clone(), |client| entry.from(client));
        about_held(entry, held).why(&job.why)
    };
    act.carry_out(app, &account.role, id, &entry).await.is_ok()
}

/// His own job, or any for an operator.
async fn his(admin: &Admin, id: &str) -> Result<Job, Trouble> {
    let id: Uuid = id.parse().map_err(|_| Trouble::NotFound)?;
    let job = admin.console().jobs.find(id).await?.ok_or(Trouble::NotFound)?;
    let may = job.login == admin.account.login || admin.may(Power::Operate);
    if may { Ok(job) } else { Err(Trouble::NotFound) }
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let job = his(&admin, &id).await?;
    let words = admin.words();
    let ended = job.ended;
    let arguments = Arguments::new()
        .number("done", i64::from(job.done))
        .number("total", i64::from(job.total))
        .number("left", i64::from(job.left));
    let body = html! {
        div data-refresh=[(!ended).then_some(2)] {
            p role="status" { (words.tell("admin-progress", &arguments)) }
            progress max=(job.total) value=(job.seen()) aria-label=(words.say("admin-bulk")) {}
        }
        @if ended { p { a.button href=(Place::Quarantine) { (words.say("admin-back")) } } }
        @else {
            p.soft { (words.say("admin-goes-on")) }
            form.actions method="post" action=(Place::StopJob(&id)) {
                (admin.token_field())
                button.danger type="submit" { (words.say("admin-stop")) }
            }
        }
    };
    let title = words.say("admin-bulk");
    Ok(admin.page(&Sheet { section: Section::Quarantine, title, notice: None, body }))
}

async fn stop(admin: Admin, Captured(id): Captured<String>, _: Acted) -> Result<Redirect, Trouble> {
    let job = his(&admin, &id).await?;
    stop_job(admin.console(), &job, admin.entry("stop-bulk")).await?;
    Ok(Redirect::to(&Place::Job(&id).to_string()))
}

/// Stops a job, with the entry that `entry` begins.
///
/// # Errors
/// [`Fault`] if the store cannot write.
pub async fn stop_job(console: &Console, job: &Job, entry: Entry) -> Result<(), Fault> {
    let entry = entry.about("job", &job.id.to_string());
    let entry = entry.after(format!("after {} of {} messages", job.seen(), job.total));
    let audit = console.accounts.audit();
    let also = |batch: &mut Batch| audit.record(batch, entry.clone());
    console.jobs.decide(job.id, |job| job.stopped = true, also).await?;
    Ok(())
}
