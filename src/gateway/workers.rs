//! What runs beside the doors: delivery, digests, the delivery blocking, and
//! what time alone changes.
//!
//! Each worker steps until the gateway stops, and finishes the step that it is
//! in. A step that fails is logged and tried again at the next.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::build::Rooms;
use super::{Config, Gateway};
use crate::maillog::Maillog;
use crate::suppression::follow::Follow;

/// Between two looks at what time alone changes.
const KEEPING: Duration = Duration::from_secs(30);
/// Between two looks at runs and map files: a release is to be everywhere
/// within 10 seconds.
const BLOCKING: Duration = Duration::from_secs(5);
/// Between two looks at a log that had nothing new.
const LOGS: Duration = Duration::from_secs(2);
/// Items that one step of the keeping removes.
const PURGED: usize = 200;

/// Digests of one step, and how long it lasts at least: 200 a second at most.
/// Many are due at the same hour, and mail that comes in must not wait for them.
const DIGESTS: usize = 50;
const BETWEEN_DIGESTS: Duration = Duration::from_millis(250);

impl Gateway {
    pub(super) fn start_workers(&mut self) {
        self.encrypt_again();
        let (search, senders) = (self.rooms.search.clone(), self.rooms.senders.clone());
        let (recipients, rules) = (self.rooms.recipients.clone(), self.rooms.rules.clone());
        let portal = self.rooms.portal.clone();
        let list = self.rooms.suppression.clone();
        let maillog = self.rooms.maillog.clone();
        self.working.spawn(async move {
            let filled = async {
                search.fill().await?;
                senders.fill().await?;
                list.fill().await?;
                recipients.fill().await?;
                rules.fill().await?;
                portal.go_on().await
            };
            if let Err(fault) = filled.await {
                maillog.step_failed("search", &fault.to_string());
            }
        });
        let (delivery, stop) = (self.rooms.delivery.clone(), self.workers.clone());
        self.working.spawn(async move { delivery.run(&stop).await });
        let (list, stop) = (self.rooms.suppression.clone(), self.workers.clone());
        let maillog = self.rooms.maillog.clone();
        self.working.spawn(async move {
            while !stop.is_cancelled() {
                if let Err(fault) = list.step().await {
                    maillog.step_failed("suppression", &fault.to_string());
                }
                stop.run_until_cancelled(sleep(BLOCKING)).await;
            }
        });
        let (notices, stop) = (self.rooms.notices.clone(), self.workers.clone());
        let maillog = self.rooms.maillog.clone();
        self.working.spawn(async move {
            while !stop.is_cancelled() {
                let began = Instant::now();
                let pause = match notices.digest_step(DIGESTS).await {
                    Ok(0) => KEEPING,
                    Ok(_) => BETWEEN_DIGESTS.saturating_sub(began.elapsed()),
                    Err(fault) => {
                        maillog.step_failed("digests", &fault.to_string());
                        KEEPING
                    }
                };
                stop.run_until_cancelled(sleep(pause)).await;
            }
        });
        let (rooms, stop) = (self.rooms.keeping(), self.workers.clone());
        self.working.spawn(async move {
            while !stop.is_cancelled() {
                rooms.step().await;
                stop.run_until_cancelled(sleep(KEEPING)).await;
            }
        });
    }

    /// Learns from the logs of other mail servers.
    pub(super) fn follow_logs(&mut self, config: &Config) {
        for (server, path) in &config.suppression.logs {
            let mut follow = Follow::new(self.rooms.suppression.clone(), *server, path);
            let (maillog, stop) = (self.rooms.maillog.clone(), self.workers.clone());
            self.working.spawn(async move {
                while !stop.is_cancelled() {
                    let wait = match follow.step().await {
                        Ok(read) if read.lines > 0 => continue,
                        Ok(_) => LOGS,
                        Err(refused) => {
                            maillog.step_failed("log", &refused.to_string());
                            KEEPING
                        }
                    };
                    stop.run_until_cancelled(sleep(wait)).await;
                }
            });
        }
    }
}

impl Rooms {
    fn keeping(&self) -> Keeping {
        Keeping {
            keeper: self.keeper.clone(),
            history: self.history.clone(),
            lessons: self.lessons.clone(),
            queue: self.queue.clone(),
            people: self.people.clone(),
            sessions: self.sessions.clone(),
            maillog: self.maillog.clone(),
            statistics: self.statistics.clone(),
            appeals: self.appeals.clone(),
        }
    }
}

/// What time alone changes: held messages and appeals expire, settled items
/// go.
struct Keeping {
    keeper: crate::keeper::Keeper,
    history: crate::reputation::History,
    lessons: crate::lesson::Lessons,
    queue: crate::queue::Queue,
    people: crate::directory::People,
    sessions: crate::directory::Sessions,
    maillog: Maillog,
    statistics: crate::statistics::Statistics,
    appeals: crate::appeal::Appeals,
}

impl Keeping {
    async fn step(&self) {
        if let Err(fault) = self.history.step().await {
            self.maillog.step_failed("history", &fault.to_string());
        }
        // Before messages expire: what is said of them can still be read.
        if let Err(error) = self.lessons.step().await {
            self.maillog.step_failed("lessons", &error.to_string());
        }
        loop {
            let done = match (self.keeper.step().await, self.queue.purge(PURGED).await) {
                (Ok(kept), Ok(purged)) => kept + purged,
                (Err(fault), _) | (_, Err(fault)) => {
                    self.maillog.step_failed("keeper", &fault.to_string());
                    break;
                }
            };
            if done == 0 {
                break;
            }
        }
        if let Err(fault) = self.appeals.step().await {
            self.maillog.step_failed("appeals", &fault.to_string());
        }
        if let Err(fault) = self.sessions.tidy(PURGED).await {
            self.maillog.step_failed("sessions", &fault.to_string());
        }
        let directory = async {
            while self.people.end_due_rules(PURGED).await? > 0 {}
            self.people.follow_rhythms().await?;
            while self.people.step().await? > 0 {}
            Ok::<_, crate::store::Fault>(())
        };
        if let Err(fault) = directory.await {
            self.maillog.step_failed("directory", &fault.to_string());
        }
        if let Err(fault) = self.statistics.step().await {
            self.maillog.step_failed("statistics", &fault.to_string());
        }
        if let Ok(load) = self.queue.load().await {
            self.maillog.queue_waiting(load.open);
        }
    }
}
