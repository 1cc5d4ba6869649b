//! The recipient's pages over the router: his link, his session, what he may
//! see and decide; and each token at its own address only.

#[path = "browser/stage.rs"]
mod stage;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::directory::Organisation;
use reprieve::link::{Purpose, Token};
use reprieve::portal::RECIPIENT_ROUTES;
use reprieve::quarantine::State;
use reprieve::reputation::FlagBy;
use stage::{Stage, address, organisation};
use tower::ServiceExt;
use uuid::Uuid;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

fn stage() -> Stage {
    let clock = Clock::stopped_at(Timestamp::from_second(1_795_600_000).unwrap());
    Stage::new("https://mail.example", clock)
}

async fn ask(stage: &Stage, method: Method, path: &str, form: &str, cookie: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "mail.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .body(Body::from(form.to_owned()))
        .unwrap();
    let answer = stage.portal.router().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(stage: &Stage, path: &str, cookie: &str) -> Answer {
    ask(stage, Method::GET, path, "", cookie).await
}

/// Opens `page` and submits its form for `action`, not at once.
async fn submit(stage: &Stage, page: &str, action: &str, more: &str, cookie: &str) -> Answer {
    let shown = get(stage, page, cookie).await;
    let form = shown.body.split(&format!("action=\"{action}\"")).nth(1);
    let form = form.unwrap_or_else(|| panic!("no form for {action} in {}", shown.body));
    let nonce = form.split("name=\"nonce\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    stage.clock.advance(SECOND);
    ask(stage, Method::POST, action, &format!("nonce={nonce}{more}"), cookie).await
}

fn mint(stage: &Stage, purpose: Purpose, subject: Uuid) -> String {
    let expires = stage.clock.now() + SignedDuration::from_hours(24);
    Token { purpose, subject, slot: 0, expires }.mint(stage.links.ring(), stage.links.host())
}

/// Anna's session.
async fn signed_in(stage: &Stage) -> String {
    signed_in_as(stage, "anna@example.fi").await
}

async fn signed_in_as(stage: &Stage, who: &str) -> String {
    let people = &stage.recipients.people;
    let anna = people.of(&address(who), &organisation().id).await.unwrap();
    let link = format!("/me/{}", mint(stage, Purpose::Recipient, anna.id));
    let answer = submit(stage, &link, &link, "", "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-me=") && cookie.contains("Secure"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn l_07_each_token_opens_its_own_address_only() {
    let stage = stage();
    let (id, _) = stage.hold(|_| {}).await;
    let anna = address("anna@example.fi");
    let recipient = stage.recipients.people.of(&anna, &organisation().id).await.unwrap();
    let addresses = [
        (Purpose::Release, "/r/"),
        (Purpose::Appeal, "/a/"),
        (Purpose::Recipient, "/me/"),
        (Purpose::Flag, "/f/"),
        (Purpose::Message, "/d/"),
    ];
    for minted in addresses.map(|(purpose, _)| purpose).into_iter().chain([Purpose::Session]) {
        let subject = if minted == Purpose::Recipient { recipient.id } else { id };
        let token = mint(&stage, minted, subject);
        for (purpose, path) in addresses {
            let status = get(&stage, &format!("{path}{token}"), "").await.status;
            let expected = if purpose == minted { StatusCode::OK } else { StatusCode::NOT_FOUND };
            assert_eq!(status, expected, "{minted:?} at {path}");
        }
        let cookie = format!("__Host-me={token}");
        let page = get(&stage, "/me", &cookie).await;
        assert!(page.body.contains("id=\"send\""), "{minted:?} is no session");
    }
}

#[tokio::test]
async fn l_01_opening_links_changes_nothing_and_robots_press_in_vain() {
    let stage = stage();
    let (id, _) = stage.hold(|_| {}).await;
    let anna = address("anna@example.fi");
    let recipient = stage.recipients.people.of(&anna, &organisation().id).await.unwrap();
    let message = mint(&stage, Purpose::Message, id);
    let deeds = ["deliver", "accept", "block", "spam", "undo"];
    let mut paths: Vec<String> = deeds.iter().map(|deed| format!("/d/{message}/{deed}")).collect();
    paths.push(format!("/f/{}", mint(&stage, Purpose::Flag, id)));
    paths.push(format!("/me/{}", mint(&stage, Purpose::Recipient, recipient.id)));
    for path in &paths {
        for _ in 0..5 {
            let page = get(&stage, path, "").await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
            // At once, with the page's own nonce; and without any.
            let nonce = page.body.split("name=\"nonce\" value=\"").nth(1).unwrap();
            let nonce = nonce.split('"').next().unwrap();
            ask(&stage, Method::POST, path, &format!("nonce={nonce}"), "").await;
            ask(&stage, Method::POST, path, "", "").await;
        }
    }
    assert_eq!(stage.states(id).await, [State::Held]);
    let services = &stage.recipients;
    assert_eq!(services.sessions.of(recipient.id).await.unwrap(), []);
    assert_eq!(services.flags.of_recipient(&organisation().id, &anna, 9).await.unwrap(), []);
    assert_eq!(services.people.rules(&organisation().id, Some(&anna), 9).await.unwrap(), []);
}

#[tokio::test]
async fn the_digest_s_links_deliver_block_and_report() {
    let stage = stage();
    let (id, _) = stage.hold(|_| {}).await;
    let link = format!("/d/{}", mint(&stage, Purpose::Message, id));
    let page = get(&stage, &link, "").await;
    assert!(page.body.contains("Offer for the roof repair") && page.body.contains("7K2M-9QXD"));
    let deliver = format!("{link}/deliver");
    let done = submit(&stage, &deliver, &deliver, "", "").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert_eq!(stage.states(id).await, [State::Releasing]);

    let (id, _) = stage.hold(|held| held.subject = "Second".to_owned()).await;
    let link = format!("/d/{}", mint(&stage, Purpose::Message, id));
    let spam = format!("{link}/spam");
    submit(&stage, &spam, &spam, "", "").await;
    let page = get(&stage, &link, "").await;
    assert!(page.body.contains("Reported as spam"), "{}", page.body);
    let undo = format!("{link}/undo");
    submit(&stage, &undo, &undo, "", "").await;
    let page = get(&stage, &link, "").await;
    assert!(!page.body.contains("Reported as spam"));
    let block = format!("{link}/block");
    submit(&stage, &block, &block, "", "").await;
    assert!(get(&stage, &link, "").await.body.contains("You do not accept this sender"));
    let accept = format!("{link}/accept");
    submit(&stage, &accept, &accept, "", "").await;
    assert_eq!(stage.states(id).await, [State::Releasing], "she changed her mind");
}

#[tokio::test]
async fn a_recipient_sees_his_own_mail_only() {
    let stage = stage();
    let cookie = signed_in(&stage).await;
    let (hers, _) = stage.hold(|held| held.subject = "For Anna".to_owned()).await;
    let now = stage.clock.now();
    let (other, _) = stage
        .hold(|held| {
            held.subject = "For Bo".to_owned();
            held.recipients = vec![stage::recipient("bo@example.fi", true, now)];
        })
        .await;
    let malware = |held: &mut reprieve::quarantine::Held| {
        held.subject = "Malware".to_owned();
        held.recipients[0].class = reprieve::filter::Class::Malware;
    };
    let (malware, _) = stage.hold(malware).await;
    let list = get(&stage, "/me", &cookie).await.body;
    assert!(list.contains("For Anna") && !list.contains("For Bo") && !list.contains("Malware"));
    let page = |id: Uuid| format!("/me/held/{}-0", id.simple());
    assert_eq!(get(&stage, &page(hers), &cookie).await.status, StatusCode::OK);
    for (id, what) in [(other, "another's"), (malware, "malware")] {
        let answer = get(&stage, &page(id), &cookie).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{what}");
        let path = format!("{}/deliver", page(id));
        ask(&stage, Method::POST, &path, "", &cookie).await;
        assert_eq!(stage.states(id).await, [State::Held], "{what}");
    }
    assert_eq!(get(&stage, &page(hers), "").await.status, StatusCode::SEE_OTHER);
}

/// Every route x nobody, another recipient, one whose session was ended:
/// nothing of Anna's is shown, and nothing changes.
#[tokio::test]
async fn a_04_every_page_of_hers_is_closed_to_others() {
    let stage = stage();
    let bo = signed_in_as(&stage, "bo@example.fi").await;
    let ended = signed_in(&stage).await;
    submit(&stage, "/me/settings", "/me/leave", "", &ended).await;
    let (id, _) = stage.hold(|held| held.subject = "For Anna".to_owned()).await;
    let anna = address("anna@example.fi");
    let name = format!("{}-0", id.simple());
    for pattern in RECIPIENT_ROUTES {
        // A link is its own right; a link to something else is none.
        let forged = mint(&stage, Purpose::Release, id);
        let path = pattern.replace("{token}", &forged).replace("{name}", &name);
        let path = path.replace("{deed}", "deliver");
        for (who, cookie) in [("nobody", ""), ("bo", bo.as_str()), ("ended", ended.as_str())] {
            for method in [Method::GET, Method::POST] {
                let form = "do=block&sender=kari@katto.example&digest=off&language=fi";
                let answer = ask(&stage, method.clone(), &path, form, cookie).await;
                let what = format!("{who} {method} {path} {}", answer.status);
                assert!(!answer.status.is_server_error(), "{what}");
                assert!(!answer.body.contains("For Anna"), "{what}");
                assert!(!answer.body.contains("anna@example.fi"), "{what}");
            }
        }
    }
    let services = &stage.recipients;
    assert_eq!(stage.states(id).await, [State::Held]);
    for who in [&anna, &address("bo@example.fi")] {
        let rules = services.people.rules(&organisation().id, Some(who), 9).await.unwrap();
        assert_eq!(rules, [], "no form had a nonce");
        let row = services.people.find(who).await.unwrap().unwrap().record;
        assert_eq!((row.frequency, row.language), (None, None));
        let flags = services.flags.of_recipient(&organisation().id, who, 9).await.unwrap();
        assert_eq!(flags, []);
    }
}

#[tokio::test]
async fn settings_are_kept_and_sessions_end() {
    let stage = stage();
    let (cookie, second) = (signed_in(&stage).await, signed_in(&stage).await);
    let anna = address("anna@example.fi");
    let chosen = "&digest=weekly&hour=6&weekday=4&language=fi&marketing=reject&poll=&social=hold";
    let saved = submit(&stage, "/me/settings", "/me/settings", chosen, &cookie).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let row = stage.recipients.people.find(&anna).await.unwrap().unwrap().record;
    assert_eq!(row.frequency, Some(reprieve::directory::Frequency::Weekly));
    assert_eq!((row.hour, row.weekday), (Some(6), Some(4)));
    assert_eq!((row.language.as_deref(), row.poll), (Some("fi"), None));
    let choices = stage.directory.choices(&anna);
    assert_eq!(choices.marketing, Some(reprieve::directory::Choice::Reject));
    let page = get(&stage, "/me/settings", &cookie).await;
    assert!(page.body.contains("lang=\"fi\"") && page.body.contains("Asetukset"));

    let block = "&do=block&sender=shop.example";
    submit(&stage, "/me/settings", "/me/senders", block, &cookie).await;
    let rules = stage.recipients.people.rules(&organisation().id, Some(&anna), 9).await.unwrap();
    assert_eq!(rules.len(), 1);
    let wrong = "&do=block&sender=not+a+domain";
    let wrong = submit(&stage, "/me/settings", "/me/senders", wrong, &cookie).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let field = wrong.body.split("id=\"sender\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(field.contains("value=\"not a domain\""), "what was typed is kept: {field}");
    assert!(field.contains("autofocus") && field.contains("aria-invalid"), "{field}");
    let forged = ask(&stage, Method::POST, "/me/senders", "do=block&sender=a.example", &cookie);
    assert_eq!(forged.await.status, StatusCode::FORBIDDEN, "no nonce of hers");

    submit(&stage, "/me/settings", "/me/leave", "&all=yes", &cookie).await;
    for cookie in [cookie, second] {
        assert!(get(&stage, "/me", &cookie).await.body.contains("id=\"send\""));
    }
}

/// A report blocks the sender as he was proved, a person blocks an address:
/// to her it is one sender, who ends with one press.
#[tokio::test]
async fn who_is_blocked_by_a_report_and_by_hand_stands_there_once() {
    let stage = stage();
    let cookie = signed_in(&stage).await;
    let (id, _) = stage.hold(|_| {}).await;
    let spam = format!("/d/{}/spam", mint(&stage, Purpose::Message, id));
    submit(&stage, &spam, &spam, "", "").await;
    let block = "&do=block&sender=kari@katto.example";
    submit(&stage, "/me/settings", "/me/senders", block, &cookie).await;
    let anna = address("anna@example.fi");
    let rules = async || {
        let people = &stage.recipients.people;
        people.rules(&organisation().id, Some(&anna), 9).await.unwrap()
    };
    assert_eq!(rules().await.len(), 2);
    let page = get(&stage, "/me/settings", &cookie).await.body;
    let blocked = page.split("<h3>Blocked").nth(1).unwrap().split("</ul>").next().unwrap();
    assert_eq!(blocked.matches("<li>").count(), 1, "{blocked}");
    let which = blocked.split("name=\"which\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let which = which.replace(' ', "+").replace('@', "%40");
    let end = format!("&do=end-rule&which={which}");
    submit(&stage, "/me/settings", "/me/senders", &end, &cookie).await;
    assert_eq!(rules().await, []);
}

/// Who saves his language alone has not chosen a rhythm of his own.
#[tokio::test]
async fn who_chose_no_rhythm_follows_his_organisation() {
    let stage = stage();
    let cookie = signed_in(&stage).await;
    let chosen = "&digest=daily&hour=8&weekday=0&language=fi";
    submit(&stage, "/me/settings", "/me/settings", chosen, &cookie).await;
    let anna = stage.recipients.people.find(&address("anna@example.fi")).await.unwrap().unwrap();
    assert_eq!((anna.record.frequency, anna.record.hour), (None, None));
    assert_eq!(anna.record.language.as_deref(), Some("fi"));
}

/// Else a person's choices would be gone when the organisation leaves them to
/// people again.
#[tokio::test]
async fn choices_that_the_page_does_not_show_stay() {
    let stage = stage();
    let cookie = signed_in(&stage).await;
    let anna = address("anna@example.fi");
    let chosen = "&digest=daily&hour=6&language=fi&marketing=reject&poll=hold&social=deliver";
    submit(&stage, "/me/settings", "/me/settings", chosen, &cookie).await;
    let before = stage.directory.choices(&anna);
    stage.directory.replace(vec![Organisation { people_choose: false, ..organisation() }]).unwrap();
    let page = get(&stage, "/me/settings", &cookie).await;
    assert!(!page.body.contains("name=\"marketing\""));
    let chosen = "&digest=off&hour=6&language=fi";
    submit(&stage, "/me/settings", "/me/settings", chosen, &cookie).await;
    assert_eq!(stage.directory.choices(&anna), before);
}

#[tokio::test]
async fn junk_is_a_machine_s_word_and_a_person_s_stays() {
    let stage = stage();
    let (id, _) = stage.hold(|held| held.recipients[0].state = State::Delivered).await;
    let link = format!("/f/{}", mint(&stage, Purpose::Flag, id));
    let services = &stage.recipients;
    let anna = address("anna@example.fi");
    let flagged = async || {
        let flags = services.flags.of_recipient(&organisation().id, &anna, 9).await.unwrap();
        flags.into_iter().find(reprieve::reputation::Flag::stands).map(|flag| flag.by)
    };
    let junk = |word: &str| format!("{link}/{word}");
    let moved = ask(&stage, Method::POST, &junk("junk"), "", "").await;
    assert_eq!(moved.status, StatusCode::NO_CONTENT);
    assert_eq!(flagged().await, Some(FlagBy::Machine));
    ask(&stage, Method::POST, &junk("not-junk"), "", "").await;
    assert_eq!(flagged().await, None);
    let path = link.clone();
    submit(&stage, &path, &path, "", "").await;
    assert_eq!(flagged().await, Some(FlagBy::Person));
    ask(&stage, Method::POST, &junk("not-junk"), "", "").await;
    assert_eq!(flagged().await, Some(FlagBy::Person), "her own word stays");
    submit(&stage, &path, &junk("undo"), "", "").await;
    assert_eq!(flagged().await, None);
    let forged = ask(&stage, Method::POST, "/f/forged/junk", "", "").await;
    assert_eq!(forged.status, StatusCode::NOT_FOUND);
}
