//! Measures the portal: the sender's page against a bare axum, and durable
//! releases against the disk.
//!
//! `cargo bench --bench pages -- [RELEASES] [FOLDER]` serves "hello" and the
//! portal with the same listener code, asks each with wrk (Debian's package)
//! over 64 connections, then answers RELEASES confirmed forms (default 20,000)
//! over 64 connections, commits single records from 64 submitters, and writes
//! groups of 64 such records to a bare file with one `fdatasync` each: what the
//! disk itself gives. All in one run, because only the ratios mean something.
//! Releases should reach 2,000 a second, or half of the disk's records if that
//! is less.
//!
//! `-- requests hello|page|first COUNT` answers as many requests of one kind on
//! one thread and ends: under `valgrind --tool=callgrind` the difference of two
//! counts tells what a request costs, however busy the machine is. `page` asks
//! for one message again and again, `first` for so many in turn that none is
//! remembered.

#[path = "../tests/browser/stage.rs"]
mod stage;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use axum::routing::get;
use reprieve::clock::Clock;
use reprieve::mail::ReversePath;
use reprieve::portal::{Bounds, Settings, serve};
use reprieve::quarantine::State;
use reprieve::store::{Batch, EmbeddedSettings, IndexEngine, Store};
use stage::{Stage, address};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

const CLIENTS: usize = 64;
const BOUNDS: Bounds = Bounds { connections: 1024, per_client: 1024 };
const FORM: &str = "application/x-www-form-urlencoded";
/// Messages of which each is forgotten before it is asked for again.
const UNREMEMBERED: usize = 2048;
/// Forms are answered between a second and an hour after their page.
const PREPARED_AT_ONCE: usize = 256;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [first, what, count] = words.as_slice()
        && first == "requests"
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let count = count.parse().expect("a number of requests");
        return runtime.expect("tokio").block_on(requests(what, count));
    }
    let releases: usize = words.first().and_then(|word| word.parse().ok()).unwrap_or(20_000);
    let folder =
        words.get(1).map_or_else(|| tempfile::tempdir().expect("a folder").keep(), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    for index in [IndexEngine::Redb, IndexEngine::Sled] {
        runtime.block_on(measure(&folder.join(index.name()), index, releases));
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

async fn measure(folder: &Path, index: IndexEngine, releases: usize) {
    std::fs::create_dir_all(folder).expect("a folder");
    let Served { store, stage, portal, hello } = Served::from(folder, index).await;
    println!("{}", index.name());
    let (_, token) = stage.hold(|_| {}).await;
    let (hello, bare) = asked(format!("http://{hello}/")).await;
    let (page, whole) = asked(format!("http://{portal}/r/{token}")).await;
    println!(
        "  hello {hello:.0}/s ({bare:.1} us of CPU each), \
         sender's page {page:.0}/s ({whole:.1} us) = {:.2} x hello",
        page / hello
    );

    let forms = confirmed(&stage, releases).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let freed = answered(portal, forms).await;
    let committed = commits(&store).await;
    store.close().await;
    let file = folder.join("bare");
    let disk = tokio::task::spawn_blocking(move || synced(&file)).await.expect("it ran");
    println!(
        "  durable releases {freed:.0}/s from {CLIENTS} clients, \
         single commits {committed:.0}/s from {CLIENTS} submitters = {:.2} x commits",
        freed / committed
    );
    let floor = (disk / 2.0).min(2000.0);
    println!(
        "  bare disk {disk:.0} records/s in groups of {CLIENTS}; \
         releases should reach {floor:.0}/s: {}",
        if freed >= floor { "they do" } else { "they do NOT" }
    );
}

/// The portal and a bare axum, each on a port of its own.
struct Served {
    store: Store,
    stage: Stage,
    portal: SocketAddr,
    hello: SocketAddr,
}

impl Served {
    async fn from(folder: &Path, index: IndexEngine) -> Self {
        let settings = EmbeddedSettings { index, ..EmbeddedSettings::default() };
        let (store, _) = Store::open(folder, settings).expect("it opens");
        let settings = Settings { bounds: BOUNDS, ..Settings::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let portal = listener.local_addr().expect("an address");
        let base = format!("http://{portal}");
        let stage = Stage::over(store.clone(), &base, Clock::system(), settings, |_| {});
        let pages = stage.portal.router();
        tokio::spawn(serve(pages, listener, BOUNDS, |_| false, std::future::pending()));

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let hello = listener.local_addr().expect("an address");
        let bare = Router::new().route("/", get(|| async { "hello" }));
        tokio::spawn(serve(bare, listener, BOUNDS, |_| false, std::future::pending()));
        Self { store, stage, portal, hello }
    }
}

/// Asks for pages, or for "hello", `count` times over one connection.
async fn requests(what: &str, count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let served = Served::from(folder.path(), IndexEngine::default()).await;
    let at = if what == "hello" { served.hello } else { served.portal };
    let mut paths = vec!["/".to_owned()];
    if what != "hello" {
        paths.clear();
        for _ in 0..if what == "first" { UNREMEMBERED } else { 1 } {
            paths.push(format!("/r/{}", served.stage.hold(|_| {}).await.1));
        }
    }
    let mut stream = TcpStream::connect(at).await.expect("a connection");
    let mut answer = vec![0; 64 * 1024];
    for path in paths.iter().cycle().take(count) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", served.portal);
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        let mut read = 0;
        let mut whole = None;
        while whole.is_none_or(|whole| read < whole) {
            read += stream.read(&mut answer[read..]).await.expect("an answer");
            whole = whole.or_else(|| length(&answer[..read]));
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    served.store.close().await;
}

/// The bytes of an answer whose head has come.
fn length(begun: &[u8]) -> Option<usize> {
    let head = begun.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&begun[..head]).expect("a head is ASCII");
    let (_, field) = text.split_once("content-length: ").expect("its length");
    let body: usize = field.lines().next()?.parse().expect("a number");
    Some(head + 4 + body)
}

/// Requests a second, over ten seconds, and the microseconds of CPU that this
/// process spent on each: on a busy machine the second figure is the better.
async fn asked(url: String) -> (f64, f64) {
    let wrk = move || {
        Command::new("wrk").args(["-t1", "-c64", "-d10s", &url]).output().expect("wrk is installed")
    };
    let before = ticks();
    let out = tokio::task::spawn_blocking(wrk).await.expect("it ran");
    let spent = ticks() - before;
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(!said.contains("Non-2xx"), "{said}");
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<f64>().ok());
    let rate = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let all = said.lines().find_map(|line| line.split_once(" requests in")).map(|(all, _)| all);
    let (Some(rate), Some(all)) = (number(rate), number(all)) else { panic!("{said}") };
    (rate, spent * 10_000.0 / all)
}

/// Hundredths of a second of CPU that this process has had (proc(5)).
fn ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("its name");
    let fields = fields.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<f64>().expect("ticks")).sum()
}

/// Requests of second POSTs, each of a message of a sender of its own.
async fn confirmed(stage: &Stage, count: usize) -> VecDeque<String> {
    let mut forms = VecDeque::with_capacity(count);
    let mut nth = 0;
    while forms.len() < count {
        let mut pages = Vec::new();
        for _ in 0..PREPARED_AT_ONCE.min(count - forms.len()) {
            nth += 1;
            let from = address(&format!("kari@katto{nth}.example"));
            let (id, token) = stage
                .hold(|held| {
                    held.rfc5321_mail_from = ReversePath::Address(from.clone());
                    held.rfc5322_from = Some(from);
                })
                .await;
            assert_eq!(stage.states(id).await, [State::Held]);
            let path = format!("/r/{token}");
            let nonce = nonce(&ask(stage, Method::GET, &path, String::new()).await, &path);
            pages.push((path, nonce));
        }
        tokio::time::sleep(Duration::from_millis(1010)).await;
        for (path, shown) in pages {
            let form = format!("what=personal&nonce={shown}");
            let page = ask(stage, Method::POST, &path, form).await;
            let step = format!("{path}/release");
            let form = format!("nonce={}", nonce(&page, &step));
            forms.push_back(format!(
                "POST {step} HTTP/1.1\r\nHost: {}\r\nContent-Type: {FORM}\r\n\
                 Sec-Fetch-Site: same-origin\r\nContent-Length: {}\r\n\r\n{form}",
                stage.links.host(),
                form.len()
            ));
        }
    }
    forms
}

async fn ask(stage: &Stage, method: Method, path: &str, form: String) -> String {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, stage.links.host())
        .header(header::CONTENT_TYPE, FORM)
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(form))
        .expect("a request");
    let answer = stage.portal.router().oneshot(request).await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("its body");
    String::from_utf8(body.to_vec()).expect("text")
}

fn nonce(page: &str, action: &str) -> String {
    let form = page.split(&format!("action=\"{action}\"")).nth(1).expect("the form");
    let value = form.split("name=\"nonce\" value=\"").nth(1).expect("its nonce");
    value.split('"').next().unwrap_or_default().to_owned()
}

/// Sends the requests over kept connections: answers a second.
async fn answered(at: SocketAddr, forms: VecDeque<String>) -> f64 {
    let count = forms.len();
    let forms = Arc::new(std::sync::Mutex::new(forms));
    let began = Instant::now();
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(client(at, Arc::clone(&forms)))).collect();
    for client in clients {
        client.await.expect("a client");
    }
    rate(count as u64, began)
}

async fn client(at: SocketAddr, forms: Arc<std::sync::Mutex<VecDeque<String>>>) {
    let mut stream = BufReader::new(TcpStream::connect(at).await.expect("a connection"));
    stream.get_ref().set_nodelay(true).expect("no delay");
    loop {
        let form = forms.lock().expect("no client panics").pop_front();
        let Some(form) = form else { return };
        stream.write_all(form.as_bytes()).await.expect("it is sent");
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("an answer");
        assert!(line.starts_with("HTTP/1.1 303"), "{line}");
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.expect("a header");
            let lower = line.to_ascii_lowercase();
            assert!(
                !lower.starts_with("content-length:") || lower.trim().ends_with(" 0"),
                "{line}"
            );
        }
    }
}

/// Single records of the size of a held one, committed for five seconds.
async fn commits(store: &Store) -> f64 {
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let submitters: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (store, count) = (store.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                while began.elapsed() < Duration::from_secs(5) {
                    let mut batch = Batch::new();
                    batch.insert(&stage::held(Clock::system().now()));
                    store.commit(batch).await.expect("it is taken");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for submitter in submitters {
        submitter.await.expect("a submitter");
    }
    rate(count.load(Ordering::Relaxed), began)
}

/// Records that the disk takes in a second, in groups with one `fdatasync`
/// each, over three seconds.
fn synced(path: &Path) -> f64 {
    let mut file = File::create(path).expect("a file");
    let record = reprieve::store::record::encode(&stage::held(Clock::system().now()));
    let group = record.repeat(CLIENTS);
    let mut count = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        file.write_all(&group).expect("it is written");
        file.sync_data().expect("it is synced");
        count += CLIENTS as u64;
    }
    rate(count, began)
}

#[allow(clippy::cast_precision_loss)]
fn rate(count: u64, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
