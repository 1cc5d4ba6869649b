//! The sender's story in a real browser: keyboard only, at phone size, in
//! light and dark, with axe-core looking at every page; without scripts; and
//! a scanner that opens, waits, runs scripts and submits every form.
//!
//! Needs Debian's chromium and chromium-driver; without them (and without
//! CI=true) the stories say that they are skipped.

#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/stage.rs"]
mod stage;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use driver::{Driver, Page, Scheme, Size};
use reprieve::clock::{Clock, SignedDuration};
use reprieve::directory::{Pattern, RuleAction};
use reprieve::filter::Class;
use reprieve::filter::verdict::Door;
use reprieve::link::{Purpose, Token};
use reprieve::quarantine::{Held, Outcome, State};
use reprieve::reputation::{FlagBy, Network, Proofs};
use stage::{Stage, recipient};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A stage whose portal is served until the value is dropped.
struct Served {
    stage: Stage,
    base: String,
    _stop: oneshot::Sender<()>,
}

/// Whether the page's one script reaches the browser: the policy (CSP) lets no
/// other run, so without the file there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Arrives,
    IsLost,
}

impl Served {
    async fn new(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        // Stands still, so that "older than a second" is not a wait.
        let stage = Stage::new(&base, Clock::stopped_at(Clock::system().now()));
        let (stop, stopped) = oneshot::channel::<()>();
        let portal = stage.portal.clone();
        let ended = async {
            let _ = stopped.await;
        };
        if script == Script::Arrives {
            tokio::spawn(portal.serve(listener, ended));
        } else {
            let router = portal.router().layer(axum::middleware::from_fn(lose_scripts));
            let serving = axum::serve(listener, router).with_graceful_shutdown(ended);
            tokio::spawn(serving.into_future());
        }
        Self { stage, base, _stop: stop }
    }

    async fn hold(&self, change: impl FnOnce(&mut Held)) -> (uuid::Uuid, String) {
        let (id, token) = self.stage.hold(change).await;
        (id, format!("{}/r/{token}", self.base))
    }

    async fn settle(&self, id: uuid::Uuid, state: State, reply: &str) {
        let at = self.stage.clock.now() + SECOND;
        let outcome = Outcome { at, server: "mx.example.fi".to_owned(), reply: reply.to_owned() };
        let settle = |held: &mut Held| {
            held.recipients[0].state = state;
            held.recipients[0].outcome = Some(outcome);
        };
        self.stage.change(id, settle).await;
    }
}

async fn lose_scripts(request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/assets/script-") {
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_s_story_by_keyboard_on_a_phone_in_light() {
    story(Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_s_story_by_keyboard_on_a_phone_in_dark() {
    story(Scheme::Dark).await;
}

async fn story(scheme: Scheme) {
    let Some(driver) = Driver::start() else { return };
    let served = Served::new(Script::Arrives).await;
    let page = driver.phone(scheme).await;
    assert_eq!(page.is_dark().await, scheme == Scheme::Dark);
    release(&served, &page).await;
    disown(&served, &page).await;
    bulk(&served, &page).await;
    ends(&served, &page).await;
    mailbox(&served, &page).await;
    public(&served, &page).await;
    page.close().await;
}

/// See, declare, release; the page brings itself up to date.
async fn release(served: &Served, page: &Page) {
    let (id, link) = served.hold(|_| {}).await;
    page.open(&link).await;
    page.shows("Your message is waiting").await;
    page.is_accessible("waiting").await;
    choose(served, page, 2).await;

    page.shows("Deliver it?").await;
    page.is_accessible("confirm").await;
    assert_eq!(served.stage.states(id).await, [State::Held]);
    page.tab_to("#deliver").await;
    served.stage.clock.advance(SECOND);
    page.press_enter().await;

    page.shows("On its way").await;
    assert_eq!(page.path().await, "/held", "no token in the address");
    page.is_accessible("moving").await;
    assert_eq!(served.stage.states(id).await, [State::Releasing]);
    served.settle(id, State::Delivered, "250 2.0.0 Ok: queued as 4Q2xYz").await;
    page.shows("Delivered").await;
    assert!(page.text().await.contains("250 2.0.0 Ok: queued as 4Q2xYz"));
    page.is_accessible("delivered").await;

    let (id, link) = served.hold(|_| {}).await;
    page.open(&link).await;
    choose(served, page, 2).await;
    page.shows("Deliver it?").await;
    page.tab_to("#deliver").await;
    served.stage.clock.advance(SECOND);
    page.press_enter().await;
    page.shows("On its way").await;
    page.tab_to("#take-back").await;
    served.stage.clock.advance(SECOND);
    page.press_enter().await;
    page.shows("Taken back").await;
    page.is_accessible("taken back").await;
    assert_eq!(served.stage.states(id).await, [State::Withdrawn]);
}

/// Chooses the radio button `place` and continues, all by keyboard.
async fn choose(served: &Served, page: &Page, place: usize) {
    page.tab_to("#what-bulk").await;
    if place == 0 {
        page.press(" ").await;
    }
    for _ in 0..place {
        page.press_down().await;
    }
    page.tab_to("#continue").await;
    served.stage.clock.advance(SECOND);
    page.press_enter().await;
}

async fn disown(served: &Served, page: &Page) {
    let (id, link) = served.hold(|_| {}).await;
    page.open(&link).await;
    choose(served, page, 1).await;
    page.shows("You did not send it?").await;
    page.is_accessible("disown").await;
    assert_eq!(served.stage.states(id).await, [State::Held]);
    page.tab_to("#disown").await;
    served.stage.clock.advance(SECOND);
    page.press_enter().await;
    page.shows("Thank you: it will not be delivered").await;
    page.is_accessible("disowned").await;
    assert_eq!(served.stage.states(id).await, [State::Disowned]);
}

async fn bulk(served: &Served, page: &Page) {
    let (id, link) = served.hold(|_| {}).await;
    page.open(&link).await;
    choose(served, page, 0).await;
    page.shows("Mass mailers cannot release themselves").await;
    page.is_accessible("bulk").await;
    assert_eq!(served.stage.states(id).await, [State::Held]);
}

/// Every page that a sender can meet. With REPRIEVE_SHOTS=DIR each is kept as
/// a picture.
async fn sender_s_pages(size: Size, scheme: Scheme) {
    let Some(driver) = Driver::start() else { return };
    let served = Served::new(Script::Arrives).await;
    let page = driver.page(size, scheme).await;
    let looks = async |what: &str| {
        page.waits_for("h1").await;
        page.keep(&format!("{size:?}-{scheme:?}-{what}").to_lowercase()).await;
        page.is_accessible(what).await;
        page.is_easy_to_touch(what).await;
    };
    for (place, what, button) in [(2, "confirm", "#deliver"), (1, "disown", "#disown")] {
        let (_, link) = served.hold(|_| {}).await;
        page.open(&link).await;
        looks("waiting").await;
        choose(&served, &page, place).await;
        page.waits_for(button).await;
        looks(what).await;
        page.tab_to(button).await;
        served.stage.clock.advance(SECOND);
        page.press_enter().await;
        page.waits_for("[role=status]").await;
        looks(&format!("{what}ed")).await;
    }
    for (state, reply) in [
        (State::Released, "451 4.7.1 Greylisted, try again"),
        (State::Delivered, "250 2.0.0 Ok: queued as 4Q2xYz"),
        (State::Failed, "550 5.1.1 No such user here"),
        (State::Withdrawn, ""),
        (State::Refused, ""),
        (State::Expired, ""),
    ] {
        let (id, link) = served.hold(|_| {}).await;
        if reply.is_empty() {
            served.stage.change(id, |held| held.recipients[0].state = state).await;
        } else {
            served.settle(id, state, reply).await;
        }
        page.open(&link).await;
        looks(state.as_str()).await;
    }
    let door = |class, door| {
        move |held: &mut Held| {
            held.recipients[0].class = class;
            held.recipients[0].door = door;
        }
    };
    for (class, way, what) in [
        (Class::Unscannable, Door::Ask, "decides"),
        (Class::Impersonated, Door::Ask, "repair"),
        (Class::Mass, Door::Appeal, "appeal"),
    ] {
        let (_, link) = served.hold(door(class, way)).await;
        page.open(&link).await;
        looks(what).await;
    }
    page.click("#appeal").await;
    page.waits_for("#who").await;
    looks("appeal-form").await;
    for (path, what) in
        [("/r/broken", "broken"), ("/lost", "lost"), ("/help", "help"), ("/about", "about")]
    {
        page.open(&format!("{}{path}", served.base)).await;
        looks(what).await;
    }
    page.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_s_pages_on_a_small_phone_in_light() {
    sender_s_pages(Size::Small, Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_s_pages_at_a_desk_in_dark() {
    sender_s_pages(Size::Desk, Scheme::Dark).await;
}

/// The recipient: her link, her list, one message, her settings.
async fn mailbox(served: &Served, page: &Page) {
    let anna = stage::address("anna@example.fi");
    let people = &served.stage.recipients.people;
    let anna = people.of(&anna, &stage::organisation().id).await.unwrap();
    let expires = served.stage.clock.now() + SignedDuration::from_hours(1);
    let subject = anna.id;
    let token = Token { purpose: Purpose::Recipient, subject, slot: 0, expires };
    let token = token.mint(served.stage.links.ring(), served.stage.links.host());
    page.open(&format!("{}/me/{token}", served.base)).await;
    page.shows("Your held mail").await;
    page.is_accessible("enter").await;
    page.tab_to("#enter").await;
    served.stage.clock.advance(SECOND);
    page.press_enter().await;
    let (id, _) = served.hold(|held| "Only for Anna".clone_into(&mut held.subject)).await;
    page.open(&format!("{}/me", served.base)).await;
    assert!(page.text().await.contains("Only for Anna"));
    page.is_accessible("list").await;
    page.open(&format!("{}/me/held/{}-0", served.base, id.simple())).await;
    page.shows("Held for you").await;
    page.is_accessible("message").await;
    page.tab_to("#deliver").await;
    page.press_enter().await;
    page.shows("Deliver this message to you?").await;
    page.is_accessible("question").await;
    page.tab_to("#do").await;
    page.press_enter().await;
    page.shows("On its way").await;
    assert_eq!(served.stage.states(id).await, [State::Releasing]);
    page.open(&format!("{}/me/settings", served.base)).await;
    page.shows("Settings").await;
    page.is_accessible("settings").await;
    page.tab_to("#leave").await;
    page.press_enter().await;
    page.shows("Your held mail").await;
    assert!(!page.text().await.contains("anna@example.fi"), "signed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipient_s_pages_on_a_small_phone_in_light() {
    recipient_s_pages(Size::Small, Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipient_s_pages_on_a_small_phone_in_dark() {
    recipient_s_pages(Size::Small, Scheme::Dark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipient_s_pages_at_a_desk_in_light() {
    recipient_s_pages(Size::Desk, Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipient_s_pages_at_a_desk_in_dark() {
    recipient_s_pages(Size::Desk, Scheme::Dark).await;
}

/// Every page of hers with something on it, in each language. With
/// REPRIEVE_SHOTS=DIR each is kept as a picture.
async fn recipient_s_pages(size: Size, scheme: Scheme) {
    let Some(driver) = Driver::start() else { return };
    let served = Served::new(Script::Arrives).await;
    let mailbox = Mailbox::furnished(&served).await;
    let page = driver.page(size, scheme).await;
    for tag in ["en", "fi", "ja"] {
        let looks = async |what: &str| {
            page.keep(&format!("{size:?}-{scheme:?}-{tag}-{what}").to_lowercase()).await;
            page.is_accessible(what).await;
            page.is_easy_to_touch(what).await;
        };
        page.open(&format!("{}/me?lang={tag}", served.base)).await;
        looks("me-ask").await;
        let letter = Mailbox::token(&served, Purpose::Recipient, mailbox.anna);
        page.open(&format!("{}/me/{letter}", served.base)).await;
        looks("me-enter").await;
        page.tab_to("#enter").await;
        served.stage.clock.advance(SECOND);
        page.press_enter().await;
        page.waits_for(".mail").await;
        looks("me-list").await;
        let [held, delivered] = [mailbox.held, mailbox.delivered];
        for (path, what) in [
            (format!("/me/held/{}-0", held.simple()), "me-message"),
            (format!("/me/held/{}-0/block", held.simple()), "me-block"),
            ("/me/settings".to_owned(), "me-settings"),
            (format!("/d/{}", Mailbox::token(&served, Purpose::Message, held)), "d-message"),
            (format!("/f/{}", Mailbox::token(&served, Purpose::Flag, delivered)), "f-ask"),
            (format!("/f/{}", Mailbox::token(&served, Purpose::Flag, mailbox.flagged)), "f-done"),
        ] {
            page.open(&format!("{}{path}", served.base)).await;
            page.waits_for("h1").await;
            looks(what).await;
        }
        page.open(&format!("{}/me/settings", served.base)).await;
        page.click("#leave").await;
        page.waits_for("#address").await;
    }
    page.close().await;
}

/// A mailbox in which something of everything lies.
struct Mailbox {
    anna: uuid::Uuid,
    held: uuid::Uuid,
    delivered: uuid::Uuid,
    flagged: uuid::Uuid,
}

impl Mailbox {
    async fn furnished(served: &Served) -> Self {
        let stage = &served.stage;
        let (people, now) = (&stage.recipients.people, stage.clock.now());
        let organisation = stage::organisation().id;
        let address = stage::address("anna@example.fi");
        let anna = people.of(&address, &organisation).await.unwrap().id;
        let (held, _) = served.hold(|_| {}).await;
        let letter = "From: Kari Katto <kari@katto.example>\r\nSubject: Offer\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\r\nDear Anna,\r\n\r\n\
            here is the offer for the roof that you asked for on the telephone.\r\n\
            https://katto.example/offers/a-rather-long-address-that-has-no-end-and-no-spaces\r\n";
        stage.body(held, letter).await;
        for (subject, class) in [
            (
                "A rather long subject about the numbers of the quarter, and what follows",
                Class::Mass,
            ),
            ("", Class::Unscannable),
            (
                "Pneumonoultramicroscopicsilicovolcanoconiosis-and-no-space-at-all",
                Class::FirstContact,
            ),
        ] {
            let change = |held: &mut Held| {
                subject.clone_into(&mut held.subject);
                held.recipients[0].class = class;
            };
            served.hold(change).await;
        }
        let done = |held: &mut Held| held.recipients[0].state = State::Delivered;
        let (delivered, _) = served.hold(done).await;
        let other = stage::address("a.rather.long.name@a-department.with-a-long-name.example");
        let (flagged, _) = served
            .hold(|held| {
                held.recipients[0].state = State::Delivered;
                held.rfc5322_from = Some(other.clone());
                held.received_at = now - SignedDuration::from_hours(24 * 8);
            })
            .await;
        let sender = stage.releases.held(flagged).await.unwrap().unwrap().sender();
        let flags = &stage.recipients.flags;
        flags.flag(&sender, &organisation, &address, FlagBy::Person, Some(flagged)).await.unwrap();
        for (action, pattern) in
            [(RuleAction::Block, other), (RuleAction::Allow, stage::address("bo@example.org"))]
        {
            let pattern = Pattern::Address(pattern);
            people.set_rule(&organisation, Some(&address), pattern, action).await.unwrap();
        }
        let agent =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let network = Network::of([192, 0, 2, 7].into());
        stage.recipients.sessions.begin(anna, network, agent).await.unwrap();
        Self { anna, held, delivered, flagged }
    }

    fn token(served: &Served, purpose: Purpose, subject: uuid::Uuid) -> String {
        let slot = 0;
        let expires = served.stage.clock.now() + SignedDuration::from_hours(1);
        let token = Token { purpose, subject, slot, expires };
        token.mint(served.stage.links.ring(), served.stage.links.host())
    }
}

async fn ends(served: &Served, page: &Page) {
    let now = served.stage.clock.now();
    let (_, link) = served
        .hold(|held| {
            held.subject = include_str!("browser/naughty.txt").replace('\n', " ");
            held.recipients = ["anna", "a.rather.long.name.of.a.person.in.a.department", "hidden"]
                .iter()
                .map(|name| recipient(&format!("{name}@example.fi"), *name != "hidden", now))
                .collect();
        })
        .await;
    page.open(&link).await;
    page.is_accessible("naughty").await;
    let asked = |held: &mut Held| {
        held.proofs = Proofs::NONE;
        held.score = 20.0;
    };
    let (_, link) = served.hold(asked).await;
    page.open(&link).await;
    page.shows("The recipient has been asked").await;
    page.is_accessible("asked").await;
    let (id, link) = served.hold(|_| {}).await;
    served.settle(id, State::Failed, "550 5.7.1 we do not want this").await;
    page.open(&link).await;
    page.shows("It could not be delivered").await;
    page.is_accessible("failed").await;
    let (_, link) = served.hold(|held| held.recipients[0].state = State::Expired).await;
    page.open(&link).await;
    page.shows("This message has expired").await;
    page.is_accessible("expired").await;
}

async fn public(served: &Served, page: &Page) {
    for path in ["/help", "/about", "/lost", "/r/broken", "/help?lang=fi", "/help?lang=ja"] {
        page.open(&format!("{}{path}", served.base)).await;
        page.is_accessible(path).await;
    }
    let (_, link) = served.hold(|_| {}).await;
    for (tag, heading) in [("ja", "あなたのメールは保留されています"), ("fi", "Viestisi odottaa")]
    {
        page.open(&format!("{link}?lang={tag}")).await;
        page.shows(heading).await;
        page.is_accessible(tag).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_script_is_needed() {
    let Some(driver) = Driver::start() else { return };
    let served = Served::new(Script::IsLost).await;
    let page = driver.phone(Scheme::Light).await;
    let (id, link) = served.hold(|_| {}).await;
    page.open(&link).await;
    page.shows("Your message is waiting").await;
    assert!(page.text().await.contains("UTC"), "the script did not run");
    page.click("#what-personal").await;
    served.stage.clock.advance(SECOND);
    page.click("#continue").await;
    page.shows("Deliver it?").await;
    served.stage.clock.advance(SECOND);
    page.click("#deliver").await;
    page.shows("On its way").await;
    served.settle(id, State::Delivered, "250 Ok").await;
    page.click(".refresh a").await;
    page.shows("Delivered").await;
    page.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l_02_l_03_a_scanner_with_a_browser_releases_nothing() {
    let Some(driver) = Driver::start() else { return };
    let served = Served::new(Script::Arrives).await;
    let page = driver.phone(Scheme::Light).await;
    let (id, link) = served.hold(|_| {}).await;
    let before = served.stage.releases.held(id).await.unwrap();
    // It opens, runs every script, presses everything, and looks on for a minute.
    page.open(&link).await;
    page.run("document.querySelectorAll('[type=radio], button').forEach(one => one.click())").await;
    page.shows("Your message is waiting").await;
    served.stage.clock.advance(SignedDuration::from_secs(60));
    page.open(&link).await;
    assert_eq!(served.stage.releases.held(id).await.unwrap(), before);
    // It submits every form that it sees, at once, and follows every answer:
    // first as the page stands, then with the first button chosen.
    for choice in ["null", "form.querySelector('[type=radio]')"] {
        page.open(&link).await;
        page.submit_every_form(choice).await;
        served.stage.clock.advance(SignedDuration::from_secs(2));
        page.submit_every_form(choice).await;
    }
    assert_eq!(served.stage.states(id).await, [State::Held]);
    page.close().await;
}
