//! One decision about many messages: preview, then work that goes on when
//! the page is closed, shows how far it is, and can be stopped.
//!
//! Work is done one message at a time, each a decision and an audit entry of
//! its own, at most 10,000 in one go and a few in the queue, so nobody else
//! waits. It lives as long as the service runs; what was not reached then is
//! still held.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Path as Captured;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::message::note;
use super::quarantine::{self, list_address, subject};
use super::{Acted, Admin, Place, Route, Section, Sheet};
use crate::account::{Login, Power};
use crate::portal::error::Trouble;
use crate::portal::words::{Arguments, Shown};
use crate::quarantine::{Held, HeldRecipient, Search, State};
use crate::store::Batch;

/// Messages of one job.
const MOST: usize = 10_000;
/// Jobs that wait or run.
const QUEUED: usize = 4;
/// Ended jobs that are remembered.
const REMEMBERED: usize = 20;
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

/// All jobs of this process.
pub struct Jobs {
    all: Mutex<VecDeque<Arc<Job>>>,
    turn: Arc<Semaphore>,
}

struct Job {
    id: Uuid,
    login: Login,
    act: Act,
    total: usize,
    done: AtomicUsize,
    /// Decided by somebody else, blocked by its recipient, or gone.
    left: AtomicUsize,
    stopped: AtomicBool,
    ended: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Release,
    Delete,
}

impl Act {
    fn of(form: &Acted) -> Result<Self, Trouble> {
        match form.field("act") {
            "release" => Ok(Self::Release),
            "delete" => Ok(Self::Delete),
            _ => Err(Trouble::BadForm),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Delete => "delete",
        }
    }
}

impl Jobs {
    pub fn new() -> Self {
        Self { all: Mutex::default(), turn: Arc::new(Semaphore::new(1)) }
    }

    fn find(&self, id: &str) -> Option<Arc<Job>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|job| job.id.to_string() == id).cloned()
    }

    /// # Errors
    /// [`Trouble::TooMany`] if enough wait already.
    fn add(&self, job: Arc<Job>) -> Result<(), Trouble> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().filter(|job| !job.ended.load(Ordering::Relaxed)).count() >= QUEUED {
            return Err(Trouble::TooMany);
        }
        while all.len() >= REMEMBERED {
            let Some(old) = all.iter().position(|job| job.ended.load(Ordering::Relaxed)) else {
                break;
            };
            all.remove(old);
        }
        all.push_back(job);
        Ok(())
    }
}

/// What a form is about: the rows that were picked, or all that the filter
/// finds.
async fn chosen(admin: &Admin, form: &Acted) -> (Search, Vec<Uuid>) {
    let search = quarantine::search_of(admin, |name| form.field(name));
    let waiting = Search { state: Some(State::Held), ..search };
    let picked: Vec<Uuid> = form.all("pick").filter_map(|id| id.parse().ok()).take(MOST).collect();
    if !picked.is_empty() || form.field("whole").is_empty() {
        return (waiting, picked);
    }
    let found = admin.console().search.keys(&waiting, None, MOST).await;
    let ids = found.keys.iter().filter_map(|key| Uuid::from_slice(key).ok()).collect();
    (waiting, ids)
}

async fn preview(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let act = Act::of(&form)?;
    let (search, ids) = chosen(&admin, &form).await;
    if ids.is_empty() {
        return Ok(Redirect::to(&list_address(&search).to_string()).into_response());
    }
    let words = admin.words();
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
                input type="hidden" name="class" value=(search.class.map_or("", crate::filter::Class::as_str));
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
    let act = Act::of(&form)?;
    let (_, ids) = chosen(&admin, &form).await;
    let job = Arc::new(Job {
        id: Uuid::now_v7(),
        login: admin.account.login.clone(),
        act,
        total: ids.len(),
        done: AtomicUsize::new(0),
        left: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        ended: AtomicBool::new(false),
    });
    let jobs = &admin.app().jobs;
    jobs.add(Arc::clone(&job))?;
    let why = form.field("why").to_owned();
    let entry = admin.entry(&format!("bulk-{}", act.as_str())).about("job", &job.id.to_string());
    let entry = entry.why(&why).after(format!("{} messages", ids.len()));
    admin.console().accounts.audit().note(entry).await?;
    let turn = Arc::clone(&jobs.turn);
    let place = Place::Job(&job.id.to_string()).to_string();
    tokio::spawn(async move {
        let _turn = turn.acquire_owned().await;
        for id in ids {
            if job.stopped.load(Ordering::Relaxed) {
                break;
            }
            let done = decide(&admin, job.act, id, &why).await;
            let count = if done { &job.done } else { &job.left };
            count.fetch_add(1, Ordering::Relaxed);
        }
        job.ended.store(true, Ordering::Relaxed);
    });
    Ok(Redirect::to(&place))
}

/// `false`: nothing was changed about it.
async fn decide(admin: &Admin, act: Act, id: Uuid, why: &str) -> bool {
    let role = &admin.account.role;
    let audit = admin.console().accounts.audit();
    let also = |batch: &mut Batch, before: &Held, after: &Held| {
        let entry = note(admin, act.as_str(), after).why(why);
        audit.record(batch, entry.before(before.states()).after(after.states()));
    };
    let his = |one: &HeldRecipient| role.covers(&one.organisation);
    let releases = &admin.app().releases;
    match act {
        Act::Release => releases.release_copies(id, &his, &also).await.is_ok(),
        Act::Delete => releases.delete_copies(id, &his, &also).await.is_ok(),
    }
}

/// His own job, or any for an operator.
fn his(admin: &Admin, id: &str) -> Result<Arc<Job>, Trouble> {
    let job = admin.app().jobs.find(id).ok_or(Trouble::NotFound)?;
    let may = job.login == admin.account.login || admin.may(Power::Operate);
    if may { Ok(job) } else { Err(Trouble::NotFound) }
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let job = his(&admin, &id)?;
    let words = admin.words();
    let (done, left) = (job.done.load(Ordering::Relaxed), job.left.load(Ordering::Relaxed));
    let ended = job.ended.load(Ordering::Relaxed);
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let arguments = Arguments::new()
        .number("done", number(done))
        .number("total", number(job.total))
        .number("left", number(left));
    let body = html! {
        div data-refresh=[(!ended).then_some(2)] {
            p role="status" { (words.tell("admin-progress", &arguments)) }
            progress max=(job.total) value=(done + left) aria-label=(words.say("admin-bulk")) {}
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
    let job = his(&admin, &id)?;
    job.stopped.store(true, Ordering::Relaxed);
    Ok(Redirect::to(&Place::Job(&id).to_string()))
}
