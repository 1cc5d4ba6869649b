//! One decision about many messages, as a job: what is asked, how far it is,
//! and its end. The same jobs as the console's, worked on one after another.

use axum::body::Bytes;
use axum::extract::Path as Captured;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Caller;
use super::problem::Problem;
use super::resources::{Answer, List, ok, page};
use crate::account::Power;
use crate::account::job::{Job, PICKED};
use crate::filter::Class;
use crate::portal::admin::{Act, begin_job, stop_job, waiting_for};
use crate::quarantine::{Search, State};
use crate::store::arena::Order;

/// What a body says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    act: String,
    #[serde(default)]
    why: String,
    /// The messages, one by one.
    #[serde(default)]
    ids: Vec<String>,
    /// Or all that wait and that this finds.
    search: Option<Sought>,
    /// Only say how many that would be.
    #[serde(default)]
    dry: bool,
}

/// As of the list of held messages; a word too many is no wider search.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sought {
    q: String,
    class: String,
    since: String,
    until: String,
}

impl Sought {
    fn search(self, caller: &Caller) -> Result<Search, Problem> {
        let Self { q, class, since, until } = self;
        let search = List { q, class, since, until, ..List::default() }.search(caller)?;
        // Whatever a list's order: the latest first, as the job works.
        Ok(Search { state: Some(State::Held), order: Order::Latest, ..search })
    }
}

pub async fn begin(caller: Caller, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST jobs").await?;
    let said: Said = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let act = Act::parse(&said.act).ok_or(Problem::BAD_REQUEST)?;
    let app = caller.visitor.app();
    let login = caller.account.login.clone();
    let job = Job::new(login, act.as_str(), &said.why, app.clock.now());
    let ids = said.ids.iter().map(|id| id.parse()).collect::<Result<Vec<Uuid>, _>>();
    let ids = ids.map_err(|_| Problem::BAD_REQUEST)?;
    let job = match (said.search, ids.as_slice()) {
        (None, ids @ [_, ..]) if ids.len() <= PICKED => job.about(ids),
        (None, [_, ..]) => {
            return Err(Problem::wrong(format!("ids: at most {PICKED} of them")));
        }
        (Some(sought), []) => {
            let search = sought.search(&caller)?;
            let total = waiting_for(caller.console()?, &search).await.len();
            let class = search.class.map_or("", Class::as_str);
            job.about_found(search.text, class, total).between(search.since, search.until)
        }
        _ => return Err(Problem::BAD_REQUEST),
    };
    if said.dry || job.total == 0 {
        return Ok(ok(&json!({ "total": job.total })));
    }
    let job = Job { client: Some(caller.visitor.client), who: Some(caller.who()), ..job };
    let entry = caller.entry(&format!("bulk-{}", act.as_str()));
    if !begin_job(app, &job, entry).await? {
        return Err(Problem::BUSY);
    }
    Ok(ok(&shown(&job)))
}

/// His own jobs, and for an operator everybody's; the latest first.
pub async fn list(caller: Caller) -> Answer {
    caller.needs(Power::See, "GET jobs").await?;
    let mut all = caller.console()?.jobs.list().await?;
    all.retain(|job| is_his(&caller, job));
    all.reverse();
    Ok(page(all.iter().map(shown).collect(), None))
}

pub async fn one(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::See, "GET job").await?;
    Ok(ok(&shown(&his(&caller, &id).await?)))
}

pub async fn stop(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::Decide, "POST stop job").await?;
    let job = his(&caller, &id).await?;
    stop_job(caller.console()?, &job, caller.entry("stop-bulk")).await?;
    Ok(ok(&shown(&his(&caller, &id).await?)))
}

async fn his(caller: &Caller, id: &str) -> Result<Job, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    let job = caller.console()?.jobs.find(id).await?;
    job.filter(|job| is_his(caller, job)).ok_or(Problem::NOT_FOUND)
}

fn is_his(caller: &Caller, job: &Job) -> bool {
    job.login == caller.account.login || caller.account.role.may(Power::Operate)
}

fn shown(job: &Job) -> Value {
    json!({
        "id": job.id.to_string(),
        "act": job.act,
        "why": job.why,
        "by": job.who(),
        "at": job.began.to_string(),
        "total": job.total,
        "done": job.done,
        "left": job.left,
        "stopped": job.stopped,
        "ended": job.ended,
    })
}
