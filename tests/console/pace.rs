//! Measurements: every page with 100,000 held messages and 50,000 senders,
//! eight administrators at once; a part searched in 1,000,000 held messages.
//! Over a store on disk, through the portal's router.
//!
//! `cargo nextest run --release --test console --run-ignored only --no-capture
//! -E 'test(pace::)' -j 1` prints the median and the 95th percentile of each
//! page, and for each measurement a row for the README's table. Smaller, to
//! see that it runs: `PACE_HELD=2000 PACE_SENDERS=1000 PACE_MANY=5000`;
//! `PACE_INDEX=redb` takes the other index.

use std::time::{Duration, Instant};

use reprieve::account::{Entry, Role};
use reprieve::mail::{Address, ReversePath};
use reprieve::portal::{Settings, console_powers};
use reprieve::quarantine::Reference;
use reprieve::queue::{Draft, ItemState, Kind};
use reprieve::reputation::{Proof, Proofs, Scope, Standing, StandingState};
use reprieve::statistics::{Counts, hour_of};
use reprieve::store::{Batch, EmbeddedSettings, IndexEngine, Store};
use uuid::Uuid;

use crate::client::Client;
use crate::stage::{Stage, address, held, recipient};
use crate::{organisation, stopped};

const USERS: usize = 8;
const ROUNDS: usize = 12;
/// Records of one batch.
const AT_ONCE: usize = 200;
/// Messages that wait in the queue, and that failed.
const WAITING: usize = 5_000;
const FAILED: usize = 1_000;
const RECIPIENTS: usize = 2_000;
const DECISIONS: usize = 20_000;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn index() -> IndexEngine {
    let named = std::env::var("PACE_INDEX").unwrap_or_default();
    let found = IndexEngine::ALL.into_iter().find(|one| one.name() == named);
    found.unwrap_or(IndexEngine::Sled)
}

/// A console over a store on disk.
async fn on_disk(folder: &tempfile::TempDir) -> Stage {
    let settings = EmbeddedSettings { index: index(), ..EmbeddedSettings::default() };
    let (store, _) = Store::open(folder.path(), settings).unwrap();
    let stage = Stage::over(store, "https://mail.example", stopped(), Settings::default(), |_| {});
    stage.console.search.fill().await.unwrap();
    stage
}

/// Commits what `each` adds for each number, some hundred in a batch.
async fn in_batches(stage: &Stage, count: usize, mut each: impl FnMut(&mut Batch, usize)) {
    for from in (0..count).step_by(AT_ONCE) {
        let mut batch = Batch::new();
        for nth in from..count.min(from + AT_ONCE) {
            each(&mut batch, nth);
        }
        stage.store.commit(batch).await.unwrap();
    }
}

/// Holds so many messages; answers the id of the last.
async fn hold(stage: &Stage, count: usize) -> Uuid {
    let now = stage.clock.now();
    let mut last = Uuid::nil();
    in_batches(stage, count, |batch, nth| {
        let mut one = held(now);
        let [.., a, b, c, d] = nth.to_be_bytes();
        one.reference = Reference::from_random([0, a, b, c, d]);
        one.subject = format!("Offer number {nth} for the roof repair");
        one.from_text = format!("Kari Katto <kari{nth}@katto{}.example>", nth % 1000);
        one.rfc5322_from = Some(address(&format!("kari{nth}@katto{}.example", nth % 1000)));
        one.recipients =
            vec![recipient(&format!("anna{}@example.fi", nth % RECIPIENTS), true, now)];
        last = one.id;
        batch.insert(&one);
    })
    .await;
    last
}

async fn know_senders(stage: &Stage, count: usize) {
    let now = stage.clock.now();
    in_batches(stage, count, |batch, nth| {
        batch.insert(&Standing {
            address: Address::parse(&format!("s{nth}@far{}.example", nth % 700)).unwrap(),
            scope: Scope::Everywhere,
            proofs: Proofs::NONE.with(Proof::Dkim),
            state: StandingState::Trusted,
            since: now,
            last_seen: now,
            releases: 1,
            clean_days: 3,
            today: 1,
            revocations: 0,
        });
    })
    .await;
}

async fn enqueue(stage: &Stage) {
    let now = stage.clock.now();
    in_batches(stage, WAITING + FAILED, |batch, nth| {
        let mut item = stage.console.queue.draft(Draft {
            kind: Kind::Letter,
            held: Uuid::nil(),
            body: Uuid::nil(),
            mail_from: ReversePath::Null,
            recipients: vec![(address(&format!("s{nth}@far{}.example", nth % 700)), 0)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: false,
            due_at: now,
        });
        item.recipients[0].reply = Some("451 4.7.1 greylisted, try again".to_owned());
        if nth >= WAITING {
            item.recipients[0].state = ItemState::Failed;
            item.kept_until = Some(item.expires_at);
        }
        batch.insert(&item);
    })
    .await;
}

/// People, decisions, counts of five weeks.
async fn live(stage: &Stage) {
    for nth in 0..RECIPIENTS {
        let one = address(&format!("anna{nth}@example.fi"));
        stage.recipients.people.of(&one, &organisation("example")).await.unwrap();
    }
    let audit = stage.console.accounts.audit();
    in_batches(stage, DECISIONS, |batch, nth| {
        let entry = Entry::new(&format!("user{}", nth % 8), "release");
        let entry = entry.about("held", &format!("{nth} Kari Katto")).why("asked by telephone");
        audit.record(batch, entry.before("held").after("releasing"));
    })
    .await;
    let now = hour_of(stage.clock.now());
    let counts = Counts { rejected: 90, held: 40, released: 9, destroyed: 2, delivered: 8 };
    for hour in now - 5 * 168..now {
        stage.console.statistics.add(hour, counts).await.unwrap();
    }
}

/// Every page without a name in its address, and lists as people ask for
/// them. A file for download is no page.
async fn pages(client: &mut Client<'_>, last: Uuid) -> Vec<String> {
    let mut pages = Vec::new();
    for (path, get, _) in console_powers() {
        if get.is_some() && !path.contains(['{', '.']) {
            let answer = client.get(&path).await;
            let moved = answer.status.is_redirection();
            pages.push(if moved { answer.location().to_owned() } else { path });
        }
    }
    pages.push(format!("/admin/quarantine/{last}"));
    let asked = [
        "/admin/quarantine?q=kari77",
        "/admin/quarantine?q=nothing%20like%20it",
        "/admin/quarantine?sort=name",
        "/admin/quarantine?sort=oldest&q=roof",
        "/admin/senders?q=far69",
        "/admin/senders?sort=name",
        "/admin/recipients?q=anna7",
        "/admin/queue?sort=latest",
        "/admin/queue?state=waiting",
        "/admin/queue?state=failed&sort=due-last",
        "/admin/audit?sort=oldest",
        "/admin/audit?q=nothing%20like%20it",
        "/admin/statistics?span=year",
    ];
    pages.extend(asked.map(str::to_owned));
    pages
}

/// The median and the 95th percentile of one page for all clients at once.
async fn measured(clients: &mut [Client<'_>], path: &str) -> (Duration, Duration) {
    let users = clients.iter_mut().map(async |client| {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            assert_eq!(client.get(path).await.status.as_u16(), 200, "{path}");
            times.push(begun.elapsed());
        }
        times
    });
    let all = futures_util::future::join_all(users).await;
    let mut times: Vec<Duration> = all.into_iter().flatten().collect();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("{path:60} median {:.1?}  p95 {:.1?}", at(50), at(95));
    (at(50), at(95))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn pages_of_a_full_console() {
    let folder = tempfile::tempdir().unwrap();
    let stage = on_disk(&folder).await;
    let (many, senders) = (number("PACE_HELD", 100_000), number("PACE_SENDERS", 50_000));
    let last = hold(&stage, many).await;
    know_senders(&stage, senders).await;
    enqueue(&stage).await;
    live(&stage).await;
    // One after the other: each moves the clock that the others' codes are of.
    let mut clients = Vec::new();
    for user in 0..USERS {
        clients.push(Client::enter(&stage, &format!("user{user}"), Role::Operator).await);
    }
    let mut slowest = (Duration::ZERO, String::new());
    let mut medians = Vec::new();
    for path in pages(&mut clients[0], last).await {
        let (median, p95) = measured(&mut clients, &path).await;
        medians.push(median);
        slowest = slowest.max((p95, path));
    }
    medians.sort_unstable();
    println!(
        "| {} pages of the console, {many} held, {senders} senders, {USERS} at once ({}) | median \
         {:.1?}; slowest p95 {:.1?} (`{}`) |",
        medians.len(),
        index().name(),
        medians[medians.len() / 2],
        slowest.0,
        slowest.1,
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_part_in_a_million_held() {
    let folder = tempfile::tempdir().unwrap();
    let stage = on_disk(&folder).await;
    let many = number("PACE_MANY", 1_000_000);
    hold(&stage, many).await;
    let mut client = [Client::enter(&stage, "anna", Role::Operator).await];
    let mut slowest = (Duration::ZERO, String::new());
    for asked in [
        "q=kari77",
        "q=nothing%20like%20it",
        "q=nothing%20like%20it&state=all",
        "q=katto999",
        "q=e",
        "q=roof&sort=oldest",
        "q=roof&sort=name",
        "q=roof&sort=name-backwards",
    ] {
        let path = format!("/admin/quarantine?{asked}");
        let (_, p95) = measured(&mut client, &path).await;
        slowest = slowest.max((p95, path));
    }
    println!(
        "| a page of a partial search in {many} held ({}) | slowest p95 {:.1?} (`{}`) |",
        index().name(),
        slowest.0,
        slowest.1,
    );
}
