//! The portal over its router: what a browser, a scanner and a stranger get.

#[path = "portal/kept.rs"]
mod kept;
#[path = "browser/stage.rs"]
mod stage;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::directory::{Pattern, Rule, RuleAction};
use reprieve::filter::verdict::Door;
use reprieve::filter::{Class, Finding};
use reprieve::link::{ALL_RECIPIENTS, KeyRing, Links, Purpose, Token};
use reprieve::portal::{Bounds, Peer, Settings};
use reprieve::quarantine::{Outcome, State};
use reprieve::reputation::Proofs;
use stage::{Stage, address, recipient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

const HOST: &str = "mail.example";
const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn stage() -> Stage {
    Stage::new("https://mail.example", stopped())
}

fn stopped() -> Clock {
    Clock::stopped_at(Timestamp::from_second(1_795_600_000).unwrap())
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    fn cookie(&self) -> String {
        let cookie = self.headers[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// The nonce of the form that goes to `action`.
    fn nonce(&self, action: &str) -> String {
        let form = self.body.split(&format!("action=\"{action}\"")).nth(1);
        let form = form.unwrap_or_else(|| panic!("no form for {action} in {}", self.body));
        let value = form.split("name=\"nonce\" value=\"").nth(1).unwrap();
        value.split('"').next().unwrap().to_owned()
    }

    /// What a reader sees: tags gone, entities read.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in self.body.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside => text.push(c),
                _ => {}
            }
        }
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }
}

async fn ask(stage: &Stage, request: Request<Body>) -> Answer {
    let answer = stage.portal.router().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, HOST)
}

async fn get(stage: &Stage, path: &str) -> Answer {
    ask(stage, request(Method::GET, path).body(Body::empty()).unwrap()).await
}

async fn post(stage: &Stage, path: &str, form: &str, cookie: Option<&str>) -> Answer {
    let mut request = request(Method::POST, path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header(header::ORIGIN, "null");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    ask(stage, request.body(Body::from(form.to_owned())).unwrap()).await
}

/// Walks to the confirmation and answers its nonce.
async fn declared(stage: &Stage, token: &str, what: &str, step: &str) -> String {
    let path = format!("/r/{token}");
    let nonce = get(stage, &path).await.nonce(&path);
    stage.clock.advance(SECOND);
    let confirm = post(stage, &path, &format!("what={what}&nonce={nonce}"), None).await;
    assert_eq!(confirm.status, StatusCode::OK, "{}", confirm.body);
    stage.clock.advance(SECOND);
    confirm.nonce(&format!("{path}/{step}"))
}

#[tokio::test]
async fn a_sender_sees_declares_and_releases() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let path = format!("/r/{token}");
    let page = get(&stage, &path).await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    for said in [
        "Your message is waiting",
        "anna@example.fi",
        "Offer for the roof repair",
        "14 minutes ago",
        "48 KB, 1 attachment",
        "7K2M-9QXD",
        "Why it was stopped",
        "+358 9 1234 5678",
        "mail release by Reprieve",
    ] {
        assert!(text.contains(said), "{said} is missing in {text}");
    }
    assert_eq!(page.body.matches("type=\"radio\"").count(), 3);
    assert!(!page.body.contains("checked"), "nothing is chosen");
    let cookie = page.cookie();

    stage.clock.advance(SECOND);
    let form = format!("what=personal&nonce={}", page.nonce(&path));
    let confirm = post(&stage, &path, &form, Some(&cookie)).await;
    assert_eq!(confirm.status, StatusCode::OK);
    assert!(confirm.text().contains("Deliver it?"));
    assert_eq!(stage.states(id).await, [State::Held]);

    stage.clock.advance(SECOND);
    let release = format!("{path}/release");
    let form = format!("nonce={}", confirm.nonce(&release));
    let done = post(&stage, &release, &form, Some(&cookie)).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/held"));
    assert_eq!(stage.states(id).await, [State::Releasing]);

    let held = request(Method::GET, "/held").header(header::COOKIE, &cookie);
    let page = ask(&stage, held.body(Body::empty()).unwrap()).await;
    assert!(page.text().contains("On its way") && page.text().contains("in 60 seconds"));
    assert!(!page.body.contains(&token), "the page without the token");

    stage.clock.advance(SECOND);
    let form = format!("nonce={}", page.nonce("/held/withdraw"));
    let back = post(&stage, "/held/withdraw", &form, Some(&cookie)).await;
    assert_eq!(back.location(), "/held");
    assert_eq!(stage.states(id).await, [State::Withdrawn]);
    assert!(get(&stage, &path).await.text().contains("Taken back"));
}

#[tokio::test]
async fn the_way_leads_on_with_cookies_refused() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let nonce = declared(&stage, &token, "personal", "release").await;
    let done = post(&stage, &format!("/r/{token}/release"), &format!("nonce={nonce}"), None).await;
    assert_eq!(done.location(), format!("/r/{token}"));
    assert_eq!(stage.states(id).await, [State::Releasing]);
    let again = post(&stage, &format!("/r/{token}/release"), &format!("nonce={nonce}"), None).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "pressed twice: the same page");
    assert_eq!(get(&stage, "/held").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_he_did_not_send_needs_a_confirmation_and_is_never_released() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let nonce = declared(&stage, &token, "not-mine", "disown").await;
    assert_eq!(stage.states(id).await, [State::Held]);
    post(&stage, &format!("/r/{token}/disown"), &format!("nonce={nonce}"), None).await;
    assert_eq!(stage.states(id).await, [State::Disowned]);
    let page = get(&stage, &format!("/r/{token}")).await.text();
    for word in ["Thank you", "SPF", "DKIM", "DMARC"] {
        assert!(page.contains(word), "{word}");
    }
}

/// Where the declaration of a mass mailer leads.
async fn led_to_appeal(stage: &Stage, token: &str) -> String {
    let path = format!("/r/{token}");
    let nonce = get(stage, &path).await.nonce(&path);
    stage.clock.advance(SECOND);
    let led = post(stage, &path, &format!("what=bulk&nonce={nonce}"), None).await;
    assert_eq!(led.status, StatusCode::SEE_OTHER);
    led.location().to_owned()
}

#[tokio::test]
async fn mass_mailers_are_led_to_the_appeal() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let appeal = led_to_appeal(&stage, &token).await;
    let page = get(&stage, &appeal).await;
    assert!(page.text().contains("Mass mailers cannot release themselves"));
    assert!(page.text().contains("postmaster@example.fi"));
    assert_eq!(stage.states(id).await, [State::Held]);
    let appeal = appeal.strip_prefix("/a/").unwrap();
    let crossed = get(&stage, &format!("/r/{appeal}")).await;
    assert_eq!(crossed.status, StatusCode::NOT_FOUND, "l_07: another purpose");
}

#[tokio::test]
async fn an_appeal_s_page_does_not_say_that_what_is_on_its_way_waits() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let appeal = led_to_appeal(&stage, &token).await;
    assert!(get(&stage, &appeal).await.text().contains("Meanwhile the message waits"));
    stage.change(id, |held| held.recipients[0].state = State::Delivered).await;
    assert!(!get(&stage, &appeal).await.text().contains("Meanwhile the message waits"));
}

#[tokio::test]
async fn an_appeal_that_is_refused_keeps_what_was_typed() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    let appeal = led_to_appeal(&stage, &token).await;
    let nonce = get(&stage, &appeal).await.nonce(&appeal);
    stage.clock.advance(SECOND);
    let typed = "who=Kari&what=Offers&why=Roofs+leak&agreed=They+asked&how-many=about+fifty";
    let refused = post(&stage, &appeal, &format!("{typed}&nonce={nonce}"), None).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for kept in
        [">Kari<", ">Offers<", ">Roofs leak<", ">They asked<", "value=\"about fifty\" autofocus"]
    {
        assert!(refused.body.contains(kept), "{kept}: {}", refused.body);
    }
}

#[tokio::test]
async fn l_01_nothing_but_post_changes_anything() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let before = stage.releases.held(id).await.unwrap();
    for path in ["", "/release", "/disown", "/withdraw"] {
        let path = format!("/r/{token}{path}");
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
            for (name, value) in
                [("range", "bytes=0-9"), ("purpose", "prefetch"), ("sec-purpose", "prefetch")]
            {
                let ask_for = request(method.clone(), &path).header(name, value);
                ask(&stage, ask_for.body(Body::empty()).unwrap()).await;
            }
        }
    }
    assert_eq!(stage.releases.held(id).await.unwrap(), before);

    let path = format!("/r/{token}");
    let mut shown = get(&stage, &path).await.headers;
    let head = request(Method::HEAD, &path).body(Body::empty()).unwrap();
    let head = ask(&stage, head).await;
    assert_eq!(head.body, "");
    let mut headers = head.headers;
    for one in [&mut shown, &mut headers] {
        one.remove(header::CONTENT_LENGTH);
    }
    assert_eq!(shown, headers);
}

#[tokio::test]
async fn l_03_a_scanner_that_submits_every_form_releases_and_disowns_nothing() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let path = format!("/r/{token}");
    let page = get(&stage, &path).await;
    let nonce = page.nonce(&path);
    for what in ["bulk", "not-mine", "personal"] {
        let quick = post(&stage, &path, &format!("what={what}&nonce={nonce}"), None).await;
        assert_eq!(quick.status, StatusCode::FORBIDDEN, "within a second");
        assert!(quick.body.contains("name=\"what\""), "the page asks again");
    }
    stage.clock.advance(SECOND);
    for step in ["", "/release", "/disown"] {
        let path = format!("{path}{step}");
        for form in ["", "what=personal", "nonce=x", "what=personal&nonce=AAAA"] {
            let answer = post(&stage, &path, form, None).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {form}");
        }
        let borrowed = format!("nonce={nonce}");
        if !step.is_empty() {
            let answer = post(&stage, &path, &borrowed, None).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "the nonce of another step");
        }
    }
    let first_radio = post(&stage, &path, &format!("what=bulk&nonce={nonce}"), None).await;
    assert!(first_radio.location().starts_with("/a/"));
    assert_eq!(stage.states(id).await, [State::Held]);
}

#[tokio::test]
async fn w_04_a_cross_site_form_is_asked_again() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let nonce = declared(&stage, &token, "personal", "release").await;
    let path = format!("/r/{token}/release");
    let form = || Body::from(format!("nonce={nonce}"));
    let kind = "application/x-www-form-urlencoded";
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
    ] {
        let crossed = request(Method::POST, &path).header(header::CONTENT_TYPE, kind);
        let crossed = crossed.header(name, value).body(form()).unwrap();
        assert_eq!(ask(&stage, crossed).await.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    assert_eq!(stage.states(id).await, [State::Held]);
    let own = request(Method::POST, &path).header(header::CONTENT_TYPE, kind);
    let own = own.header(header::ORIGIN, "https://mail.example").body(form()).unwrap();
    assert_eq!(ask(&stage, own).await.status, StatusCode::SEE_OTHER);
    assert_eq!(stage.states(id).await, [State::Releasing]);
}

#[tokio::test]
async fn l_04_a_hundred_confirmations_release_once() {
    let stage = Arc::new(stage());
    let (id, token) = stage.hold(|_| {}).await;
    let nonce = declared(&stage, &token, "personal", "release").await;
    let mut presses = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (stage, token, nonce) = (Arc::clone(&stage), token.clone(), nonce.clone());
        presses.spawn(async move {
            let path = format!("/r/{token}/release");
            let answer = post(&stage, &path, &format!("nonce={nonce}"), None).await;
            (answer.status, answer.location().to_owned())
        });
    }
    while let Some(answer) = presses.join_next().await {
        assert_eq!(answer.unwrap(), (StatusCode::SEE_OTHER, format!("/r/{token}")));
    }
    assert_eq!(stage.states(id).await, [State::Releasing]);
    let items = stage.store.page::<reprieve::queue::Item>(&[], 10).await.unwrap();
    assert_eq!(items.len(), 1, "one release, one delivery");
}

#[tokio::test]
async fn l_07_l_08_l_23_what_is_not_ours_gets_one_generic_page() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    let stranger = Links::new(KeyRing::ephemeral(), "https://mail.example").unwrap();
    let subject = uuid::Uuid::now_v7();
    let expires = stage.clock.now() + SignedDuration::from_hours(1);
    let mint = |links: &Links, purpose, host: &str| {
        Token { purpose, subject, slot: ALL_RECIPIENTS, expires }.mint(links.ring(), host)
    };
    let mut pages = Vec::new();
    for text in [
        token[..40].to_owned(),
        format!("{token}A"),
        "x".to_owned(),
        mint(&stranger, Purpose::Release, HOST),
        mint(&stage.links, Purpose::Release, "other.example"),
        mint(&stage.links, Purpose::Flag, HOST),
        mint(&stage.links, Purpose::Appeal, HOST),
        mint(&stage.links, Purpose::Recipient, HOST),
        mint(&stage.links, Purpose::Session, HOST),
    ] {
        let answer = get(&stage, &format!("/r/{text}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        pages.push(answer.body);
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
    assert!(pages[0].contains("copy all of it"));
}

#[tokio::test]
async fn l_10_l_21_each_valid_token_has_its_own_end() {
    let stage = stage();
    let (id, _) = stage.hold(|_| {}).await;
    let now = stage.clock.now();
    let at = |seconds| stage.token_until(id, now + SignedDuration::from_secs(seconds));
    assert_eq!(get(&stage, &format!("/r/{}", at(1))).await.status, StatusCode::OK);
    let expired = get(&stage, &format!("/r/{}", at(0))).await;
    assert_eq!(expired.status, StatusCode::GONE);
    assert!(expired.text().contains("This message has expired"));
    let purged = get(&stage, &format!("/r/{}", stage.token(uuid::Uuid::now_v7()))).await;
    assert_eq!(purged.status, StatusCode::GONE);

    for (state, heading) in [
        (State::Released, "On its way"),
        (State::Delivered, "Delivered"),
        (State::Failed, "It could not be delivered"),
        (State::Withdrawn, "Taken back"),
        (State::Refused, "The recipient does not accept your mail"),
        (State::Disowned, "it will not be delivered"),
        (State::Expired, "This message has expired"),
    ] {
        let (_, token) = stage.hold(|held| held.recipients[0].state = state).await;
        let page = get(&stage, &format!("/r/{token}")).await;
        assert!(page.text().contains(heading), "{state:?}: {}", page.text());
        assert!(!page.body.contains("name=\"what\""), "{state:?} offers no release");
    }
}

#[tokio::test]
async fn an_expired_token_releases_nothing() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let nonce = declared(&stage, &token, "personal", "release").await;
    let late = stage.token_until(id, stage.clock.now());
    let form = format!("nonce={nonce}&what=personal");
    for step in ["", "/release", "/disown"] {
        post(&stage, &format!("/r/{late}{step}"), &form, None).await;
    }
    assert_eq!(stage.states(id).await, [State::Held]);
}

#[tokio::test]
async fn the_server_s_answer_stands_on_the_page() {
    let stage = stage();
    let now = stage.clock.now();
    let (_, token) = stage
        .hold(|held| {
            held.recipients[0].state = State::Delivered;
            held.recipients[0].outcome = Some(Outcome {
                at: now,
                server: "mx.example.fi".to_owned(),
                reply: "250 2.0.0 Ok: queued as 4Q2xYz".to_owned(),
            });
        })
        .await;
    let text = get(&stage, &format!("/r/{token}")).await.text();
    assert!(text.contains("Delivered to example.fi’s mail server at"), "{text}");
    assert!(text.contains("250 2.0.0 Ok: queued as 4Q2xYz"));
}

#[tokio::test]
async fn who_may_not_release_it_reads_why_and_finds_no_form() {
    let stage = stage();
    let door = |class, door| {
        move |held: &mut reprieve::quarantine::Held| {
            held.recipients[0].class = class;
            held.recipients[0].door = door;
        }
    };
    let asked = stage
        .hold(|held| {
            held.proofs = Proofs::NONE;
            held.score = 20.0;
        })
        .await;
    let decides = stage.hold(door(Class::Unscannable, Door::Ask)).await;
    let repair = stage.hold(door(Class::Impersonated, Door::Ask)).await;
    let appeal = stage.hold(door(Class::Mass, Door::Appeal)).await;
    let blocked =
        stage.hold(|held| held.rfc5322_from = Some(address("barred@elsewhere.example"))).await;
    stage.rule(Rule {
        recipient: None,
        sender: Pattern::Address(address("barred@elsewhere.example")),
        action: RuleAction::Block,
    });
    for ((id, token), said) in [
        (asked, "The recipient has been asked"),
        (decides, "The recipient or their administrator decides"),
        (repair, "SPF record"),
        (appeal, "Mass mailers cannot release themselves"),
        (blocked, "The recipient does not accept your mail"),
    ] {
        let page = get(&stage, &format!("/r/{token}")).await;
        assert!(page.text().contains(said), "{said}: {}", page.text());
        assert!(!page.body.contains("<form"), "{said}");
        let forced = post(&stage, &format!("/r/{token}/release"), "nonce=x", None).await;
        assert_eq!(forced.status, StatusCode::SEE_OTHER);
        assert_eq!(stage.states(id).await, [State::Held]);
    }
}

#[tokio::test]
async fn l_28_recipients_in_bcc_are_counted_and_never_named() {
    let stage = stage();
    let now = stage.clock.now();
    let (_, token) = stage
        .hold(|held| {
            held.recipients = ["anna", "bertta", "cecilia", "daniel", "eero"]
                .iter()
                .enumerate()
                .map(|(place, name)| recipient(&format!("{name}@example.fi"), place < 3, now))
                .collect();
        })
        .await;
    let path = format!("/r/{token}");
    let page = get(&stage, &path).await;
    let text = page.text();
    assert!(text.contains("anna@example.fi") && text.contains("cecilia@example.fi"));
    assert!(text.contains("and 2 others") && !text.contains("daniel") && !text.contains("eero"));

    let nonce = declared(&stage, &token, "personal", "release").await;
    post(&stage, &format!("{path}/release"), &format!("nonce={nonce}"), None).await;
    stage
        .change(token_subject(&stage, &token), |held| {
            for one in &mut held.recipients {
                one.state = State::Delivered;
                let reply = format!("250 Ok <{}>", one.address);
                one.outcome = Some(Outcome { at: now, server: "mx".to_owned(), reply });
            }
            held.recipients[4].state = State::Failed;
        })
        .await;
    let text = get(&stage, &path).await.text();
    assert!(text.contains("It could not be delivered") && text.contains("Delivered"), "{text}");
    assert!(!text.contains("daniel") && !text.contains("eero"), "not in replies either");
}

fn token_subject(stage: &Stage, text: &str) -> uuid::Uuid {
    stage.links.read(HOST, Purpose::Release, text).unwrap().subject
}

#[tokio::test]
async fn l_12_the_thirtieth_guess_in_a_minute_is_answered_429() {
    let proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let settings = Settings { trusted_proxies: proxies, ..Settings::default() };
    let stage = Stage::with("https://mail.example", stopped(), settings, |_| {});
    let (_, token) = stage.hold(|_| {}).await;
    let from = |client: &str, token: &str| {
        let mut one = request(Method::GET, &format!("/r/{token}"))
            .header("x-forwarded-for", client)
            .body(Body::empty())
            .unwrap();
        one.extensions_mut().insert(Peer(IpAddr::from([10, 0, 0, 1])));
        one
    };
    for guess in 1..=40 {
        let answer = ask(&stage, from("203.0.113.5", &format!("guess-{guess}"))).await;
        let expected =
            if guess < 30 { StatusCode::NOT_FOUND } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(answer.status, expected, "guess {guess}");
    }
    assert_eq!(ask(&stage, from("198.51.100.7", &token)).await.status, StatusCode::OK);
    assert_eq!(ask(&stage, from("198.51.100.7", "x")).await.status, StatusCode::NOT_FOUND);
    stage.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(ask(&stage, from("203.0.113.5", "x")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn l_13_l_15_l_19_headers_keep_the_page_to_itself() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    for path in [format!("/r/{token}"), "/help".to_owned(), "/nowhere".to_owned()] {
        let page = get(&stage, &path).await;
        let header = |name: &str| page.headers[name].to_str().unwrap();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("x-robots-tag").contains("noindex"));
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'"));
        let title = page.body.split("<title>").nth(1).unwrap().split('<').next().unwrap();
        assert!(!title.contains("roof") && !title.contains("anna"));
        for attribute in ["src=\"", "href=\""] {
            for link in page.body.split(attribute).skip(1) {
                let own = link.starts_with('/') && !link.starts_with("//");
                let own = own || link.starts_with('#');
                assert!(own || link.starts_with("tel:") || link.starts_with("mailto:"), "{link}");
            }
        }
        assert!(!page.body.contains(" style=") && !page.body.contains("onclick"));
    }
}

#[tokio::test]
async fn the_first_view_is_under_30_kib() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    let page = get(&stage, &format!("/r/{token}")).await;
    let mut total = page.body.len();
    let assets: Vec<_> = page.body.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 4);
    for asset in assets {
        let file = get(&stage, asset).await;
        assert_eq!(file.status, StatusCode::OK, "{asset}");
        assert!(file.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        total += file.body.len();
    }
    assert!(total < 30 * 1024, "{total} bytes");
}

#[tokio::test]
async fn l_16_only_our_own_hosts_are_answered_and_never_echoed() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    let path = format!("/r/{token}");
    for host in ["evil.example", "", "mail.example.evil.example", "mail.example:8443"] {
        let bad = Request::get(&path).header(header::HOST, host).body(Body::empty()).unwrap();
        let answer = ask(&stage, bad).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!answer.body.contains("evil"));
    }
    let forwarded = request(Method::GET, &path)
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example")
        .body(Body::empty())
        .unwrap();
    let answer = ask(&stage, forwarded).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.body.contains("evil"));
    let port = Request::get(&path).header(header::HOST, "Mail.Example:443");
    assert_eq!(ask(&stage, port.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn l_16_an_organisation_s_own_host_has_its_own_tokens() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    let mut own = stage::organisation();
    own.host = Some("mail.example.fi".to_owned());
    stage.directory.replace(vec![own]).unwrap();
    let at = |token: &str| {
        Request::get(format!("/r/{token}"))
            .header(header::HOST, "mail.example.fi")
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(ask(&stage, at(&token)).await.status, StatusCode::NOT_FOUND);
    let expires = stage.clock.now() + SignedDuration::from_hours(1);
    let theirs = Token { purpose: Purpose::Release, subject: id, slot: 0, expires }
        .mint(stage.links.ring(), "mail.example.fi");
    assert_eq!(ask(&stage, at(&theirs)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn l_17_no_parameter_leads_anywhere() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    for query in ["next=//evil.example", "return=javascript:alert(1)", "lang=//evil.example"] {
        let answer = get(&stage, &format!("/r/{token}?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.body.contains("evil") && !answer.body.contains("alert(1)"));
    }
}

#[tokio::test]
async fn l_22_a_lost_link_has_one_answer_for_every_address() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let stage = Stage::with("https://mail.example", stopped(), Settings::default(), |services| {
        services.lost = Some(Arc::new(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {})
        }));
    });
    let mut answers = Vec::new();
    for address in ["kari@katto.example", "nobody@nowhere.example", "kari@katto.example"] {
        let answer = post(&stage, "/lost", &format!("address={address}"), None).await;
        answers.push((answer.status, answer.body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].0, StatusCode::OK);
    assert_eq!(sent.load(Ordering::SeqCst), 3);
    let fourth = post(&stage, "/lost", "address=kari@katto.example", None).await;
    assert_eq!((fourth.status, fourth.body), answers[0]);
    assert_eq!(sent.load(Ordering::SeqCst), 3, "three an hour for a network");

    let wrong = post(&stage, "/lost", "address=kari%3Cscript%3E", None).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("value=\"kari&lt;script&gt;\""), "what was typed is kept");
}

/// Else anybody could use up a person's letters without any being written.
#[tokio::test]
async fn l_22_who_asks_too_often_uses_up_nobody_s_letters() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let settings = Settings { trusted_proxies: proxies, ..Settings::default() };
    let stage = Stage::with("https://mail.example", stopped(), settings, |services| {
        services.lost = Some(Arc::new(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {})
        }));
    });
    let asks = async |client: &str, address: &str| {
        let mut one = request(Method::POST, "/lost")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("x-forwarded-for", client)
            .body(Body::from(format!("address={address}")))
            .unwrap();
        one.extensions_mut().insert(Peer(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(ask(&stage, one).await.status, StatusCode::OK);
    };
    for _ in 0..3 {
        asks("203.0.113.5", "robot@katto.example").await;
    }
    assert_eq!(sent.load(Ordering::SeqCst), 3);
    for _ in 0..9 {
        asks("203.0.113.5", "kari@katto.example").await;
    }
    assert_eq!(sent.load(Ordering::SeqCst), 3, "three an hour for a network");
    asks("198.51.100.7", "kari@katto.example").await;
    assert_eq!(sent.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_mangled_link_is_pasted_whole() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    let pasted =
        format!("link=%3Chttps://mail.example/r/{}%0D%0A{}%3E", &token[..30], &token[30..]);
    let found = post(&stage, "/r", &pasted, None).await;
    assert_eq!(found.location(), format!("/r/{token}"));
    let lost = post(&stage, "/r", "link=https://mail.example/r/AQEB", None).await;
    assert_eq!(lost.status, StatusCode::NOT_FOUND);
}

/// Texts that mail has carried or scanners try.
fn naughty() -> impl Iterator<Item = &'static str> {
    let own = include_str!("browser/naughty.txt").lines().filter(|line| !line.starts_with("# "));
    let big = include_str!("blns/blns.txt").lines().filter(|line| !line.starts_with('#'));
    own.chain(big).filter(|line| !line.trim().is_empty())
}

/// A page on which `line` stands as text, and does nothing.
fn is_text(page: &Answer, line: &str) {
    assert_eq!(page.body.matches("<script").count(), 1, "only our own: {line}");
    for tag in ["<img", "<iframe", "<svg/", "<a href=\"java", "<ruby", "<style", "<xss", "<math"] {
        assert_eq!(page.body.matches(tag).count(), 0, "{tag} of {line}");
    }
    let raw = page.body.replace('\u{a0}', " ");
    for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{1b}', '\u{7}', '\0'] {
        assert!(!raw.contains(c), "{:x} of {line:?} is invisible", u32::from(c));
    }
}

/// Subject, From name, file name, HELO or PTR name, the servers' words: on
/// each page that the sender can come to.
#[tokio::test]
async fn w_01_w_03_text_from_mail_is_shown_as_text() {
    let stage = stage();
    let now = stage.clock.now();
    let mut count = 0;
    for line in naughty() {
        let (id, token) = stage
            .hold(|held| {
                held.subject = line.to_owned();
                held.from_text = line.to_owned();
                held.findings = vec![
                    Finding::new("spf-fail", 5.0).term("record", line),
                    Finding::new("attachment-dangerous", 5.0).term("name", line),
                    Finding::new("ptr-mismatch", 1.0).term("name", line).term("ip", "192.0.2.1"),
                ];
                held.recipients.push(recipient("b@example.fi", true, now));
            })
            .await;
        let path = format!("/r/{token}");
        let page = get(&stage, &path).await;
        assert_eq!(page.status, StatusCode::OK);
        is_text(&page, line);
        let shown = reprieve::mail::display::visible(line);
        let start: String = shown.trim().chars().take(50).collect();
        assert!(page.text().matches(&start).count() >= 2, "{start:?} in {}", page.text());

        let nonce = page.nonce(&path);
        is_text(&post(&stage, &path, &format!("what=&nonce={nonce}"), None).await, line);
        stage.clock.advance(SECOND);
        for what in ["personal", "not-mine"] {
            let confirm = post(&stage, &path, &format!("what={what}&nonce={nonce}"), None).await;
            assert_eq!(confirm.status, StatusCode::OK, "{what}");
            is_text(&confirm, line);
        }
        let words = || Some(Outcome { at: now, server: line.to_owned(), reply: line.to_owned() });
        for state in [State::Released, State::Delivered, State::Failed, State::Disowned] {
            let told = |held: &mut reprieve::quarantine::Held| {
                held.recipients[0].state = state;
                held.recipients[0].outcome = words();
            };
            stage.change(id, told).await;
            is_text(&get(&stage, &path).await, line);
        }
        count += 1;
    }
    assert!(count > 480, "only {count} texts");
    let (_, token) = stage
        .hold(|held| {
            held.recipients = vec![recipient("anna@xn--l-7sba6dbr.example", true, now)];
        })
        .await;
    let page = get(&stage, &format!("/r/{token}")).await;
    assert!(page.text().contains("xn--l-7sba6dbr"), "a domain that mixes scripts");
}

#[tokio::test]
async fn the_visitor_s_language_is_spoken() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    let path = format!("/r/{token}");
    let said = |accept: &'static str| {
        request(Method::GET, &path)
            .header(header::ACCEPT_LANGUAGE, accept)
            .body(Body::empty())
            .unwrap()
    };
    for (accept, tag, heading) in [
        ("fi-FI,fi;q=0.9,en;q=0.8", "fi", "Viestisi odottaa"),
        ("ja", "ja", "あなたのメールは保留されています"),
        ("sv,de;q=0.9", "en", "Your message is waiting"),
        ("en;q=0.1, fi;q=0.5", "fi", "Viestisi odottaa"),
    ] {
        let page = ask(&stage, said(accept)).await;
        assert!(page.body.contains(&format!("<html lang=\"{tag}\"")), "{accept}");
        assert!(page.text().contains(heading), "{accept}");
    }
    let chosen = get(&stage, &format!("{path}?lang=fi")).await;
    assert!(chosen.body.contains("<html lang=\"fi\""));
    let cookies: Vec<_> = chosen.headers.get_all(header::SET_COOKIE).iter().collect();
    assert!(cookies.iter().any(|one| one.to_str().unwrap().starts_with("lang=fi;")));
    let kept = request(Method::GET, "/help").header(header::COOKIE, "lang=ja");
    let kept = ask(&stage, kept.body(Body::empty()).unwrap()).await;
    assert!(kept.body.contains("<html lang=\"ja\""));
    let strange = get(&stage, &format!("{path}?lang=../../etc")).await;
    assert!(strange.body.contains("<html lang=\"en\""));
}

#[tokio::test]
async fn cookies_are_secure_on_https_and_still_work_on_http() {
    let secure = stage();
    let (_, token) = secure.hold(|_| {}).await;
    let cookie = get(&secure, &format!("/r/{token}")).await.headers[header::SET_COOKIE].clone();
    let cookie = cookie.to_str().unwrap();
    assert!(cookie.starts_with("__Host-held=") && cookie.contains("Secure"));
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));

    let plain = Stage::new("http://mail.example", stopped());
    let (_, token) = plain.hold(|_| {}).await;
    let cookie = get(&plain, &format!("/r/{token}")).await.headers[header::SET_COOKIE].clone();
    let cookie = cookie.to_str().unwrap();
    assert!(cookie.starts_with("held=") && !cookie.contains("Secure"));
}

#[tokio::test]
async fn errors_are_calm_pages() {
    let stage = stage();
    for (method, path, status) in [
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/assets/none.css", StatusCode::NOT_FOUND),
        (Method::PUT, "/help", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/about", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let answer = ask(&stage, request(method, path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains("<h1>") && answer.text().contains("Nothing has happened"));
        let allow = answer.headers.contains_key(header::ALLOW);
        assert_eq!(allow, status == StatusCode::METHOD_NOT_ALLOWED, "RFC 9110 section 15.5.6");
    }
}

#[tokio::test]
async fn w_07_large_and_strange_forms_are_refused() {
    let stage = stage();
    let large = "a".repeat(100_000);
    let answer = post(&stage, "/lost", &format!("address={large}"), None).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let many = "a=1&".repeat(4000);
    assert_eq!(post(&stage, "/lost", &many, None).await.status, StatusCode::BAD_REQUEST);
    let json = request(Method::POST, "/lost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(ask(&stage, json).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn health_is_told_to_anybody_who_asks_by_address() {
    let ready = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&ready);
    let stage = Stage::with("https://mail.example", stopped(), Settings::default(), |services| {
        services.ready = Arc::new(move || {
            if asked.load(Ordering::SeqCst) { Ok(()) } else { Err("poisoned".to_owned()) }
        });
    });
    let health = |path: &str| {
        Request::get(path).header(header::HOST, "10.0.0.7").body(Body::empty()).unwrap()
    };
    assert_eq!(ask(&stage, health("/health/live")).await.status, StatusCode::OK);
    assert_eq!(ask(&stage, health("/health/ready")).await.status, StatusCode::OK);
    ready.store(false, Ordering::SeqCst);
    let answer = ask(&stage, health("/health/ready")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.body.contains("poisoned"));
}

/// The portal on a real socket, until the sender is dropped.
async fn listening() -> (Stage, std::net::SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let settings =
        Settings { bounds: Bounds { connections: 64, per_client: 8 }, ..Settings::default() };
    let stage = Stage::with(&format!("http://{at}"), stopped(), settings, |_| {});
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(stage.portal.clone().serve(listener, async {
        let _ = stopped.await;
    }));
    (stage, at, stop)
}

/// Sends raw bytes and reads to the end.
async fn raw(at: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let (sent, _) = tokio::join!(write.write_all(bytes), read.read_to_end(&mut answer));
    drop(sent);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn w_07_a_megabyte_of_url_or_a_body_without_end_is_refused() {
    let (_stage, at, _stop) = listening().await;
    let line = format!("GET /{} HTTP/1.1\r\nHost: {at}\r\n\r\n", "a".repeat(1024 * 1024));
    assert!(raw(at, line.as_bytes()).await.starts_with("HTTP/1.1 414"));
    let head = format!("GET /help HTTP/1.1\r\nHost: {at}\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    assert!(raw(at, head.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let body = "a".repeat(4 * 1024 * 1024);
    let form = format!(
        "POST /lost HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(raw(at, form.as_bytes()).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_client_holds_so_many_connections_and_no_more() {
    let (_stage, at, _stop) = listening().await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(tokio::net::TcpStream::connect(at).await.unwrap());
    }
    let ninth = raw(at, format!("GET /help HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes()).await;
    assert_eq!(ninth, "", "closed without an answer");
}

#[tokio::test]
async fn the_shutdown_ends_idle_connections_and_the_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stage = Stage::new(&format!("http://{at}"), stopped());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(stage.portal.clone().serve(listener, async {
        let _ = stopped.await;
    }));
    let mut idle = tokio::net::TcpStream::connect(at).await.unwrap();
    idle.write_all(format!("GET /help HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stop.send(()).unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    serving.await.unwrap();
}
