//! The operator beside a running gateway: errands, backup, new keys.

use super::*;
use reprieve::link::ring;

use reprieve::gateway::{AdminErrand, Errand, errand};
use reprieve::link::KeyRing;
use reprieve::mail::Address;
use reprieve::queue::{Draft, ItemState, Kind};
use reprieve::store::{Batch, Body, Index, Record, Store, Table};

/// What the audit says that commands decided, the latest first.
async fn decided(house: &House) -> Vec<String> {
    let audit = house.gateway.as_ref().unwrap().errands().admins.accounts.audit().clone();
    let page = audit.page(&[], 100).await.unwrap();
    let console = page.iter().filter(|one| one.who == "console");
    console.map(|one| format!("{} {} {}", one.what, one.kind, one.about)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn errands_need_the_keys_and_reach_the_running_store() {
    let house = House::new().await;
    let message = mail("eva@stranger.example", "errand", "x");
    house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    let operations = house.gateway.as_ref().unwrap().operations;
    let ask = |ring: KeyRing, errand: Errand| async move {
        tokio::task::spawn_blocking(move || errand::ask(operations, &ring, &errand)).await.unwrap()
    };
    let ring = || KeyRing::open(&house.folder.path().join("keys")).unwrap();

    let list = Errand::List { after: None, limit: 10 };
    let refused = ask(KeyRing::ephemeral(), list.clone()).await.unwrap_err();
    let wrong = "forbidden: the running gateway has other keys; SIGHUP (systemctl reload) \
                 makes it read them again";
    assert_eq!(refused.to_string(), wrong, "other keys open nothing");
    let listed = ask(ring(), list).await.unwrap();
    let reference = listed[0]["reference"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["recipients"][0]["state"], "held");

    let archive = house.folder.path().join("backup");
    ask(ring(), Errand::Backup { to: archive.clone() }).await.unwrap();
    Store::restore(&archive, &house.folder.path().join("elsewhere")).unwrap();

    let which = reference.clone();
    let released = ask(ring(), Errand::Release { which }).await.unwrap();
    assert_eq!(released["recipients"][0]["state"], "releasing");
    let said = decided(&house).await;
    assert!(said[0].starts_with("release held ") && said[0].contains("eva@"), "{said:?}");
    house.clock.advance(SignedDuration::from_secs(61));
    house.arrives("anna@ours.example", &message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_not_delivered_and_its_page_says_so() {
    let house = House::new().await;
    let message = mail("eva@stranger.example", "delete", "x");
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    let link = link_in(&answer.text).unwrap().to_owned();
    let errands = house.gateway.as_ref().unwrap().errands().clone();
    let listed = errands.run(Errand::List { after: None, limit: 1 }).await.unwrap();
    let which = listed[0]["id"].as_str().unwrap().to_owned();
    errands.run(Errand::Delete { which: which.clone() }).await.unwrap();
    assert!(decided(&house).await[0].starts_with("delete held "));
    let page = Browser::default().open(&link).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("value=\"personal\""), "{}", page.words());
    for again in [Errand::Release { which: which.clone() }, Errand::Delete { which }] {
        let refused = errands.run(again).await.unwrap_err();
        assert!(refused.starts_with("no copy waits any more"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l_09_a_new_key_signs_after_a_reload_and_old_links_still_work() {
    let house = House::new().await;
    let gateway = house.gateway.as_ref().unwrap();
    let send = async |id: &str| {
        let message = mail("eva@stranger.example", id, "x");
        let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
        link_in(&answer.text).unwrap().to_owned()
    };
    let old = send("old-key").await;
    let keys = house.folder.path().join("keys");
    let fresh = ring::folder::new(&keys).unwrap();
    ring::folder::promote(&keys, fresh).unwrap();
    let text = config(house.next_hop, gateway.smtp[0], gateway.portal);
    gateway.reload(&Config::parse(&text, house.folder.path(), &[]).unwrap());
    let new = send("new-key").await;
    // The key's id stands behind version and purpose.
    let token = |link: &str| link.rsplit('/').next().unwrap()[..6].to_owned();
    assert_ne!(token(&old), token(&new), "the new key signs");
    for link in [&old, &new] {
        assert_eq!(Browser::default().open(link).await.unwrap().status, 200);
    }
    ring::folder::retire(&keys, 1).unwrap();
    gateway.reload(&Config::parse(&text, house.folder.path(), &[]).unwrap());
    assert_ne!(Browser::default().open(&old).await.unwrap().status, 200);
    assert_eq!(Browser::default().open(&new).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_seen_and_tried_again() {
    let house = House::new().await;
    let errands = house.gateway.as_ref().unwrap().errands().clone();
    let message = mail("notices@release.ours.example", "failed", "x");
    let mut item = errands.queue.draft(Draft {
        kind: Kind::Letter,
        held: uuid::Uuid::nil(),
        body: uuid::Uuid::now_v7(),
        mail_from: reprieve::mail::ReversePath::Null,
        recipients: vec![(Address::parse("bo@far.example").unwrap(), 0)],
        trace: String::new(),
        eight_bit: false,
        smtputf8: false,
        due_at: house.clock.now(),
    });
    item.kept_until = Some(house.clock.now() + SignedDuration::from_hours(1));
    item.recipients[0].state = ItemState::Failed;
    item.recipients[0].reply = Some("550 5.1.1 no such user".to_owned());
    let mut batch = Batch::new();
    let content = message.clone().into();
    batch.body(Body { id: item.body, expires: item.expires_at, content }).insert(&item);
    errands.store.commit(batch).await.unwrap();

    let failed = errands.run(Errand::Undelivered { limit: 9 }).await.unwrap();
    assert_eq!(failed[0]["kind"], "letter");
    assert_eq!(failed[0]["recipients"][0]["address"], "bo@far.example");
    assert_eq!(failed[0]["recipients"][0]["reply"], "550 5.1.1 no such user");
    errands.run(Errand::Retry { item: item.id.to_string() }).await.unwrap();
    assert_eq!(decided(&house).await, [format!("retry-item item {}", item.id)]);
    house.arrives("bo@far.example", &message).await;
    assert!(errands.run(Errand::Retry { item: "7".to_owned() }).await.is_err());
}

/// Damaged records beside good ones: the gateway starts, and every command's
/// list names them.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_stops_neither_the_start_nor_a_list() {
    const KEY: &str = "abababababababababababababababab";
    let mut house = House::new().await;
    let message = mail("eva@stranger.example", "unreadable", "x");
    house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    let errands = house.gateway.as_ref().unwrap().errands().clone();
    let soon = house.clock.now().as_microsecond().to_be_bytes();
    let mut batch = Batch::new();
    batch.insert(&Damaged::<{ Table::Item as u8 }>(0, Some((Index::ItemKept, soon.to_vec()))));
    batch.insert(&Damaged::<{ Table::Held as u8 }>(0, None));
    let waits = [&[0], &soon[..]].concat();
    batch.insert(&Damaged::<{ Table::Appeal as u8 }>(0, Some((Index::AppealDue, waits))));
    batch.insert(&Damaged::<{ Table::Account as u8 }>(0, None));
    errands.store.commit(batch).await.unwrap();
    drop(errands);
    house.stop().await;
    house.start().await;
    let errands = house.gateway.as_ref().unwrap().errands().clone();
    for (errand, table) in [
        (Errand::Undelivered { limit: 9 }, "Item"),
        (Errand::List { after: None, limit: 9 }, "Held"),
        (Errand::Appeals { decided: false }, "Appeal"),
        (Errand::Admin(AdminErrand::List), "Account"),
    ] {
        let listed = errands.run(errand).await.unwrap();
        assert_eq!(listed[0]["unreadable"], format!("{table} {KEY}"), "{listed}");
    }
    let held = errands.run(Errand::List { after: None, limit: 9 }).await.unwrap();
    assert_eq!(held[1]["recipients"][0]["address"], "anna@ours.example", "{held}");
}

/// A record of this table whose bytes are none.
#[derive(minicbor::Encode, minicbor::Decode)]
struct Damaged<const TABLE: u8>(#[n(0)] u8, #[cbor(skip)] Option<(Index, Vec<u8>)>);

impl<const NUMBER: u8> Record for Damaged<NUMBER> {
    const TABLE: Table = match NUMBER {
        0x01 => Table::Held,
        0x02 => Table::Item,
        0x24 => Table::Appeal,
        _ => Table::Account,
    };

    fn key(&self) -> Vec<u8> {
        vec![0xab; 16]
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        self.1.iter().cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_breaker_is_shown_and_closed() {
    let house = House::new().await;
    let errands = house.gateway.as_ref().unwrap().errands().clone();
    for number in 0..6 {
        let mut batch = Batch::new();
        let address = Address::parse(&format!("dead{number}@other.example")).unwrap();
        let settled = errands.notices.letter_settled(&mut batch, &address, true).await.unwrap();
        errands.store.commit(batch).await.unwrap();
        settled.log(house.gateway.as_ref().unwrap().maillog());
    }
    let shown = errands.run(Errand::Breaker).await.unwrap();
    assert_eq!((&shown["open"], &shown["bounced"]), (&true.into(), &6.into()));
    assert!(shown["since"].is_string());
    let closed = errands.run(Errand::CloseBreaker).await.unwrap();
    assert_eq!((&closed["open"], &closed["of"]), (&false.into(), &0.into()));
    assert_eq!(decided(&house).await, ["close-breaker  "]);
}

/// `reprieve key …` works on files, beside a gateway that runs or not.
#[tokio::test(flavor = "multi_thread")]
async fn what_commands_do_to_the_keys_is_recorded_before_and_after() {
    let mut house = House::new().await;
    let gateway = house.gateway.as_ref().unwrap();
    let operations = format!("operations = \"{}\"", gateway.operations);
    let text = config(house.next_hop, gateway.smtp[0], gateway.portal);
    let text = text.replace("operations = \"127.0.0.1:0\"", &operations);
    let file = house.folder.path().join("reprieve.toml");
    std::fs::write(&file, &text).unwrap();
    let key = async |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_reprieve"));
        command.arg("key").args(words).arg("--config").arg(&file);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    assert!(key(&["new"]).await.status.success());
    assert!(key(&["promote", "2"]).await.status.success());
    // The gateway has not read the key that signs now: what hangs on the old
    // one would be lost.
    let early = key(&["retire", "1"]).await;
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(!early.status.success() && said.contains("SIGHUP"), "{said}");
    assert!(house.folder.path().join("keys/link-1.key").exists(), "nothing was done");
    gateway.reload(&Config::parse(&text, house.folder.path(), &[]).unwrap());
    assert!(!key(&["retire", "2"]).await.status.success(), "the active one");
    assert!(key(&["retire", "1"]).await.status.success());
    house.stop().await;
    assert!(key(&["new"]).await.status.success());
    let elsewhere = house.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    assert!(key(&["new", "--keys", elsewhere.to_str().unwrap()]).await.status.success());

    house.start().await;
    let audit = house.gateway.as_ref().unwrap().errands().admins.accounts.audit().clone();
    let page = audit.page(&[], 100).await.unwrap();
    let of_keys = page.iter().rev().filter(|one| one.kind == "key");
    let said: Vec<String> = of_keys
        .map(|one| format!("{} {} {} {}", one.who, one.what, one.about, one.after))
        .collect();
    let expected = [
        "console new-key  asked for",
        "console new-key 2 done",
        "console promote-key 2 asked for",
        "console promote-key 2 done",
        "console retire-key 2 asked for",
        "console retire-key 2 failed",
        "console retire-key 1 asked for",
        "console retire-key 1 done",
        "console new-key  asked for",
        "console new-key 3 done",
    ];
    let mut expected: Vec<&str> = expected.to_vec();
    let mut said: Vec<&str> = said.iter().map(String::as_str).collect();
    // The clock of the story stands: entries of one moment have no order.
    expected.sort_unstable();
    said.sort_unstable();
    assert_eq!(said, expected);
}
