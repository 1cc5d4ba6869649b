//! kill -9 of the whole program, at each failpoint while mail comes in, is
//! released and delivered, and at any moment: every link that was given leads
//! to its page afterwards, every release that was confirmed arrives, nothing
//! is done by half, and the store finds nothing wrong.
//!
//! The recorder is this process; the program is the real one. `REPRIEVE_KILLS`
//! chooses how many kills come at any moment.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reprieve::failpoint;
use reprieve::gateway::{Errand, errand};
use reprieve::link::KeyRing;
use serde_json::Value;

use super::*;

/// Kills at each failpoint.
const EACH: usize = 6;
/// A killed courier's claim ends by itself after 90 s; the rest is patience.
const LEASE: Duration = Duration::from_mins(4);
/// Messages in one round; the point is passed long before.
const MOST: usize = 40;

/// What somebody outside the program knows of one message.
struct Promise {
    name: String,
    link: String,
    /// The release was confirmed.
    released: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn t_01_l_26_a_kill_at_each_point_loses_no_promise() {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: a release build has no failpoints");
        return;
    }
    let place = Place::new().await;
    let (mut promises, mut kills) = (Vec::new(), 0);
    for point in failpoint::ALL {
        let before = promises.len();
        for round in 0..EACH {
            let nth = if point == failpoint::REPLY_WRITTEN { 2 + 3 * round } else { 1 + round % 3 };
            let name = format!("{point}-{round}");
            let kill_at = format!("{point}:{nth}");
            let killed = place.work_until_it_dies(&name, &kill_at, &mut promises).await;
            assert!(killed, "{point} was never passed {nth} times");
            kills += 1;
        }
        place.keeps(&promises[before..], None).await;
    }
    place.keeps(&promises, Some(kills)).await;
    let released = promises.iter().filter(|one| one.released).count();
    println!("{kills} kills, {} promises, {released} of them released", promises.len());
    // Most rounds die early: that is what they are for.
    assert!(promises.len() > kills / 2 && released > kills / 4, "too little was promised");
}

/// The program's folder and ports, and the outside world that receives.
struct Place {
    folder: tempfile::TempDir,
    outside: Outside,
    smtp: SocketAddr,
    operations: SocketAddr,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        furnish(folder.path());
        let (smtp, portal, operations) = (free_port(), free_port(), free_port());
        let outside = Outside::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = config(listener.local_addr().unwrap(), smtp, portal);
        let text =
            text.replace("operations = \"127.0.0.1:0\"", &format!("operations = \"{operations}\""));
        let text = format!("{text}\n[release]\ndelay = \"0 s\"\n");
        std::fs::write(folder.path().join("reprieve.toml"), text).unwrap();
        tokio::spawn(outside.clone().serve(listener));
        Self { folder, outside, smtp, operations }
    }

    /// Sends and releases until the program has killed itself.
    async fn work_until_it_dies(
        &self,
        name: &str,
        kill_at: &str,
        promises: &mut Vec<Promise>,
    ) -> bool {
        let mut program = reprieve(self.folder.path(), &["serve"])
            .env("REPRIEVE_KILL_AT", kill_at)
            .spawn()
            .unwrap();
        for number in 0..MOST {
            if program.try_wait().unwrap().is_some() || !listens(self.smtp, &mut program).await {
                break;
            }
            let name = format!("{name}-{number}");
            let Some((link, reference)) = self.promise(&name).await else { continue };
            let released = self.ask(Errand::Release { which: reference }).await.is_some();
            promises.push(Promise { name, link, released });
        }
        // The courier may still be on his way to the point.
        let died = tokio::task::spawn_blocking(move || {
            for _ in 0..500 {
                if let Some(status) = program.try_wait().unwrap() {
                    return status.signal() == Some(9);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            program.kill().unwrap();
            program.wait().unwrap();
            false
        });
        died.await.unwrap()
    }

    /// The link and the reference of one held message.
    async fn promise(&self, name: &str) -> Option<(String, String)> {
        let mut sender = Sender::connect(self.smtp, "mail.sender.example").await.ok()?;
        let message = mail("eva@stranger.example", name, &"x".repeat(10_000));
        let sent = sender.send("eva@stranger.example", &["anna@ours.example"], &message).await;
        let text = sent.ok()?.text;
        let (_, reference) = text.split_once('(')?;
        Some((link_in(&text)?.to_owned(), reference.get(..9)?.to_owned()))
    }

    async fn ask(&self, errand: Errand) -> Option<Value> {
        let (operations, keys) = (self.operations, self.folder.path().join("keys"));
        let asked = tokio::task::spawn_blocking(move || {
            errand::ask(operations, &KeyRing::open(&keys).unwrap(), &errand).ok()
        });
        asked.await.unwrap()
    }

    /// Starts it once more, unharmed, and looks at everything that was said;
    /// behind all the `kills` also at what must have arrived.
    async fn keeps(&self, promises: &[Promise], kills: Option<usize>) {
        let mut program = reprieve(self.folder.path(), &["serve"]).spawn().unwrap();
        assert!(listens(self.smtp, &mut program).await, "it does not start any more");
        for one in promises {
            let page = Browser::default().open(&one.link).await.unwrap();
            assert_eq!(page.status, 200, "a link that was given is dead: {}", one.name);
            assert!(page.words().contains("Story"), "{}: {}", one.name, page.words());
        }
        if let Some(kills) = kills {
            let all = async {
                self.everything_arrives(promises).await;
                self.nothing_by_half(kills).await;
            };
            tokio::time::timeout(LEASE, all).await.expect("what was released goes out");
        }
        program.kill().unwrap();
        program.wait().unwrap();
        let verified = reprieve(self.folder.path(), &["store", "verify"]).output().unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    }

    async fn everything_arrives(&self, promises: &[Promise]) {
        for one in promises.iter().filter(|one| one.released) {
            let subject = subject(&one.name);
            self.outside.wait_for(|arrived: &Arrived| contains(arrived, &subject)).await;
        }
    }

    /// What is held did not go out; what was freed did, and twice at most as
    /// often as an attempt was cut short.
    async fn nothing_by_half(&self, kills: usize) {
        let listed = loop {
            let listed = self.ask(Errand::List { after: None, limit: 1000 }).await.unwrap();
            let moving = ["releasing", "released"];
            let all = listed.as_array().unwrap();
            assert!(all.len() < 1000, "more than one page");
            if !all.iter().any(|one| moving.contains(&state(one))) {
                break listed;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let (arrived, mut copies) = (self.outside.all(), 0);
        for one in listed.as_array().unwrap() {
            let name = one["subject"].as_str().unwrap().trim_start_matches("Story ");
            let came = arrived.iter().filter(|one| contains(one, &subject(name))).count();
            assert_eq!(state(one) == "delivered", came > 0, "{name} is {}", state(one));
            copies += came.saturating_sub(1);
        }
        assert!(copies <= kills, "{copies} copies too many after {kills} kills");
    }
}

fn state(held: &Value) -> &str {
    held["recipients"][0]["state"].as_str().unwrap()
}

fn subject(name: &str) -> String {
    format!("Subject: Story {name}\r\n")
}

fn contains(arrived: &Arrived, text: &str) -> bool {
    let bytes = arrived.message.bytes();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Until the program listens; `false` if it has died.
async fn listens(smtp: SocketAddr, program: &mut Child) -> bool {
    loop {
        if tokio::net::TcpStream::connect(smtp).await.is_ok() {
            return true;
        }
        if program.try_wait().unwrap().is_some() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_01_no_promise_is_lost_when_the_program_is_killed() {
    let kills = std::env::var("REPRIEVE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let (smtp, portal) = (free_port(), free_port());
    // The next hop is asked for every recipient.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = config(listener.local_addr().unwrap(), smtp, portal);
    tokio::spawn(Outside::default().serve(listener));
    std::fs::write(folder.path().join("reprieve.toml"), text).unwrap();

    let mut promised: Vec<String> = Vec::new();
    for round in 0..kills {
        let mut program = start(folder.path());
        let mut senders = tokio::task::JoinSet::new();
        for place in 0..4 {
            senders.spawn(send_until_it_dies(smtp, format!("{round}-{place}")));
        }
        // As soon as so many promises of this round can exist: a moment that
        // differs from round to round, without any clock.
        let enough = 1 + round % 13;
        let mut first = Vec::new();
        for _ in 0..enough {
            first.extend(one_promise(smtp, &format!("{round}-first-{}", first.len())).await);
        }
        program.kill().unwrap();
        program.wait().unwrap();
        promised.extend(first);
        while let Some(links) = senders.join_next().await {
            promised.extend(links.unwrap());
        }
    }
    assert!(promised.len() >= kills, "only {} promises were made", promised.len());

    let mut program = start(folder.path());
    wait_for(smtp).await;
    for link in &promised {
        let page = Browser::default().open(link).await.unwrap();
        assert_eq!(page.status, 200, "a link that was given is dead: {link}");
        assert!(page.words().contains("Story"), "the page shows the message: {}", page.words());
    }
    program.kill().unwrap();
    program.wait().unwrap();
    let verified = reprieve(folder.path(), &["store", "verify"]).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}

/// Links for which the program answered before it died.
async fn send_until_it_dies(smtp: SocketAddr, name: String) -> Vec<String> {
    let mut links = Vec::new();
    wait_for(smtp).await;
    loop {
        let before = links.len();
        links.extend(one_promise(smtp, &format!("{name}-{before}")).await);
        if links.len() == before {
            return links;
        }
    }
}

async fn one_promise(smtp: SocketAddr, name: &str) -> Option<String> {
    wait_for(smtp).await;
    let mut sender = Sender::connect(smtp, "mail.sender.example").await.ok()?;
    let message = mail("eva@stranger.example", name, &"x".repeat(10_000));
    let answer =
        sender.send("eva@stranger.example", &["anna@ours.example"], &message).await.ok()?;
    link_in(&answer.text).map(str::to_owned)
}

pub(super) fn start(folder: &Path) -> Child {
    reprieve(folder, &["serve"]).spawn().unwrap()
}

fn reprieve(folder: &Path, command: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_reprieve"));
    program
        .args(command)
        .arg("--config")
        .arg(folder.join("reprieve.toml"))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    program
}

/// Until the program listens, or has died.
pub(super) async fn wait_for(smtp: SocketAddr) {
    for _ in 0..500 {
        if tokio::net::TcpStream::connect(smtp).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
