//! Nothing proves the sender: 550 with a link, his page, his release, and
//! the exact bytes at the recipient's server.

use base64::Engine;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_with_a_link_and_frees_his_mail() {
    let house = House::new().await;
    let text = "Dear Anna,\r\n..dots and a long line: ".to_owned() + &"x".repeat(900);
    let message = mail("eva@stranger.example", "stranger", &text);
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    assert_eq!(answer.code, 550, "{}", answer.text);
    let link = link_in(&answer.text).expect("the reply has a link").to_owned();

    // Sent again while held: the same answer, the same link.
    let again = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    assert_eq!(link_in(&again.text), Some(link.as_str()));

    house.release(&link).await;
    assert_eq!(house.copies(&message), 0, "the countdown has not run out");
    house.clock.advance(SignedDuration::from_secs(61));
    let arrived = house.arrives("anna@ours.example", &message).await;
    assert_eq!(arrived.mail_from, "eva@stranger.example");
    assert_eq!(arrived.rcpt_to, ["anna@ours.example"]);
    let front = arrived.message.bytes().len() - message.len();
    let trace = String::from_utf8_lossy(&arrived.message.bytes()[..front]).into_owned();
    assert!(trace.contains("Received: from "), "trace stands in front: {trace}");

    let page = house.page_that_says("Delivered", &link).await;
    assert!(page.form(&link, "").is_none(), "the link frees nothing twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_robot_opens_and_submits_at_once_stays_held() {
    let house = House::new().await;
    let message = mail("eva@stranger.example", "robot", "x");
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    let link = link_in(&answer.text).unwrap().to_owned();
    let mut robot = Browser::default();
    for _ in 0..10 {
        let page = robot.open(&link).await.unwrap();
        let form = page.form(&link, "").expect("it is still held");
        for what in ["bulk", "not-mine", "personal"] {
            let page = robot.submit(&form.url, &form.with("what", what)).await.unwrap();
            if let Some(form) = page.form(&form.url, "release") {
                robot.submit(&form.url, &form.hidden).await.unwrap();
            }
        }
    }
    house.clock.advance(SignedDuration::from_secs(120));
    house.release(&link).await;
    house.clock.advance(SignedDuration::from_secs(61));
    house.arrives("anna@ours.example", &message).await;
    assert_eq!(house.copies(&message), 1);
}

/// What makes a link valid is made from the keys, which are not in the store.
#[tokio::test(flavor = "multi_thread")]
async fn l_20_a_stolen_store_holds_no_link() {
    let mut house = House::new().await;
    let message = mail("eva@stranger.example", "stolen", "x");
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    let link = link_in(&answer.text).unwrap().to_owned();
    Browser::default().open(&link).await.unwrap();
    house.stop().await;

    let (_, token) = link.rsplit_once('/').unwrap();
    let raw = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(token).unwrap();
    let stolen = files(&house.folder.path().join("store"));
    let holds =
        |needle: &[u8]| stolen.iter().any(|file| memchr::memmem::find(file, needle).is_some());
    assert!(holds(b"eva@stranger.example"), "the records can be read");
    // Its end is the signature; its beginning names the record.
    assert!(!holds(&token.as_bytes()[token.len() - 16..]));
    assert!(!holds(&raw[raw.len() - 12..]));
}

fn files(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| {
                if path.is_dir() { files(&path) } else { vec![std::fs::read(path).unwrap()] }
            },
        )
        .collect()
}
