//! The list as its users meet it: errors in, addresses blocked and given
//! back, uploads, distribution, lookups.

use std::fmt::Write as _;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::classify::Class;
use super::event::Outcome;
use super::list::Refused;
use super::rule::RunSettings;
use super::*;
use crate::clock::{SignedDuration, Timestamp};

fn list() -> Suppression {
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    Suppression::new(Store::in_memory(), Clock::stopped_at(start))
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn failed(list: &Suppression, to: &str, reply: &str) -> Noted {
    let command = Some(crate::mail::bounce::Command::Rcpt);
    let mut noted =
        Noted::new(OWN, address(to), list.clock().now(), Outcome::Failed).answered(command, reply);
    noted.id = format!("{to} {}", list.clock().now());
    noted
}

async fn with_settings(list: &Suppression, change: impl Fn(&mut RunSettings)) {
    let changed = list.edit_server(OWN, "test", |server| {
        change(&mut server.settings);
        Ok(())
    });
    changed.await.unwrap();
}

#[tokio::test]
async fn an_address_is_suppressed_until_it_is_lifted() {
    let list = list();
    let anna = address("Anna@Example.FI");
    let mut batch = Batch::new();
    assert!(list.suppress(&mut batch, &anna, Reason::Bounced).await.unwrap());
    list.store().commit(batch).await.unwrap();
    assert!(list.covers(&address("anna@example.fi")).await.unwrap());
    assert!(!list.covers(&address("anna+x@example.fi")).await.unwrap());

    let mut batch = Batch::new();
    assert!(!list.suppress(&mut batch, &anna, Reason::Bounced).await.unwrap());
    list.release(OWN, &anna, "test").await.unwrap();
    assert!(!list.covers(&anna).await.unwrap());
}

#[tokio::test]
async fn what_is_not_written_down_is_not_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::store::EmbeddedSettings::default();
    let (store, _) = Store::open(folder.path(), settings).unwrap();
    let list = Suppression::new(store.clone(), Clock::system());
    let (known, fresh) = (address("known@far.example"), address("fresh@far.example"));
    list.add(OWN, &known, "test").await.unwrap();
    let mut never = Batch::new();
    assert!(list.suppress(&mut never, &fresh, Reason::Bounced).await.unwrap());
    drop(never);
    assert!(!list.covers(&fresh).await.unwrap(), "its batch was given up");
    store.close().await;
    list.add(OWN, &fresh, "test").await.unwrap_err();
    list.release(OWN, &known, "test").await.unwrap_err();
    list.cancel_reason(OWN, Reason::Manual).await.unwrap_err();
    assert!(list.covers(&known).await.unwrap() && !list.covers(&fresh).await.unwrap());
}

#[tokio::test]
async fn an_act_and_its_entry_are_one_batch() {
    let list = list();
    let anna = address("a@far.example");
    // An entry that can be written once: what comes with it a second time
    // does not happen.
    let entry = Noted::new(OWN, address("mark@far.example"), list.clock().now(), Outcome::Queued);
    let also = |batch: &mut Batch| list.note_queued(batch, &entry);
    let by = By { login: "anna", also: &also };
    list.add(OWN, &anna, by).await.unwrap();
    list.release(OWN, &anna, by).await.unwrap_err();
    assert!(list.covers(&anna).await.unwrap());
    assert_eq!(list.exemptions(OWN, "", 10).await.unwrap(), []);
}

#[tokio::test]
async fn while_the_list_is_read_nobody_is_said_to_be_free() {
    let list = list();
    let (one, other) = (address("one@far.example"), address("other@far.example"));
    list.add(OWN, &one, "test").await.unwrap();
    let again = Suppression::new(list.store().clone(), list.clock().clone());
    again.reading();
    assert!(again.covers(&one).await.unwrap(), "it is in the store");
    again.covers(&other).await.unwrap_err();
    again.search(OWN, "", "", 10).await.unwrap_err();
    again.step().await.unwrap_err();
    again.run(OWN, "test").await.unwrap_err();
    let asked = asked(&again, "own other@far.example").await;
    assert!(asked.contains(":TEMP "), "{asked}");
    again.release(OWN, &one, "test").await.unwrap();
    again.load().await.unwrap();
    assert!(!again.covers(&one).await.unwrap(), "released while it was read");
    assert!(!again.covers(&other).await.unwrap());
    again.until_loaded().await;
}

/// What the live lookup answers.
async fn asked(list: &Suppression, question: &str) -> String {
    let (mut client, server) = tokio::io::duplex(4096);
    let request = format!("{}:{question},", question.len());
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    socketmap::session(list, server).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn an_address_of_both_a_list_and_an_error_goes_as_one() {
    let list = list();
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    let upload = Upload {
        server: OWN,
        file: "list.csv".to_owned(),
        by: "admin".to_owned(),
        column: String::new(),
        at_once: true,
    };
    list.register(&upload, &b"a@far.example\nb@far.example\n"[..]).await.unwrap();
    assert_eq!(list.cancel_reason(OWN, Reason::UnknownUser).await, Ok(1));
    let again = Suppression::new(list.store().clone(), list.clock().clone());
    again.load().await.unwrap();
    for list in [&list, &again] {
        assert!(!list.covers(&address("a@far.example")).await.unwrap());
        assert!(list.covers(&address("b@far.example")).await.unwrap());
    }
}

#[tokio::test]
async fn one_unknown_user_is_enough_and_told_twice_it_is_one() {
    let list = list();
    let noted = failed(&list, "a@far.example", "550 5.1.1 User unknown");
    assert!(list.note(&noted).await.unwrap());
    assert!(!list.note(&noted).await.unwrap());
    assert!(list.covers(&address("a@far.example")).await.unwrap());
    let all = Query { limit: 10, ..Query::default() };
    let (events, _) = list.events(&all).await.unwrap();
    assert_eq!((events.len(), &events[0].class[..]), (1, "unknown_user"));
}

#[tokio::test]
async fn timeouts_need_three_strikes_and_a_success_clears_them() {
    let list = list();
    let day = SignedDuration::from_hours(24);
    let timed_out =
        |list: &Suppression| failed(list, "a@far.example", "451 4.4.1 Connection timed out");
    for _ in 0..2 {
        assert!(!list.note(&timed_out(&list)).await.unwrap());
        list.clock().advance(day);
    }
    let sent = Noted::new(OWN, address("a@far.example"), list.clock().now(), Outcome::Succeeded);
    list.note(&sent).await.unwrap();
    for strike in 1..=3 {
        list.clock().advance(day);
        assert_eq!(list.note(&timed_out(&list)).await.unwrap(), strike == 3, "{strike}");
    }
    assert!(list.covers(&address("a@far.example")).await.unwrap());
}

#[tokio::test]
async fn what_is_not_the_addresss_fault_never_counts() {
    let list = list();
    for reply in [
        "554 5.7.1 blocked using zen.spamhaus.org",
        "552 5.2.2 mailbox full",
        "550 5.7.1 Message content rejected",
        "451 4.3.0 queue file write error",
    ] {
        assert!(!list.note(&failed(&list, "a@far.example", reply)).await.unwrap(), "{reply}");
        list.clock().advance(SignedDuration::from_hours(25));
    }
    for role in ["postmaster@far.example", "abuse@far.example"] {
        assert!(!list.note(&failed(&list, role, "550 5.1.1 no such user")).await.unwrap());
    }
    list.set_own_domains(vec!["@own.example".to_owned()]);
    assert!(!list.note(&failed(&list, "x@own.example", "550 5.1.1 no such user")).await.unwrap());
}

#[tokio::test]
async fn a_released_address_is_exempt_and_its_errors_are_listed() {
    let list = list();
    let anna = address("a@far.example");
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    list.release(OWN, &anna, "admin").await.unwrap();
    assert!(!list.covers(&anna).await.unwrap());
    list.clock().advance(SignedDuration::from_hours(1));
    assert!(!list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap());
    let [exempt] = &list.exemptions(OWN, "FAR", 10).await.unwrap()[..] else { panic!("one") };
    assert_eq!((exempt.reason, exempt.errors, &exempt.by[..]), (Reason::UnknownUser, 1, "admin"));
    assert!(exempt.last_error.as_deref().unwrap().starts_with("unknown_user"));
    assert_eq!(
        list.add(OWN, &anna, "test").await,
        Err(Refused::Exempt("a@far.example".to_owned()))
    );

    list.unexempt(OWN, &anna, "test").await.unwrap();
    list.clock().advance(SignedDuration::from_hours(1));
    assert!(list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap());
    assert!(matches!(
        list.release(OWN, &address("b@far.example"), "x").await,
        Err(Refused::NotListed(_))
    ));
}

#[tokio::test]
async fn without_immediate_action_the_run_suppresses() {
    let list = list();
    with_settings(&list, |settings| settings.immediate = false).await;
    assert!(!list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap());
    assert!(!list.covers(&address("a@far.example")).await.unwrap());
    assert!(list.is_due(OWN).await.unwrap());
    assert_eq!(list.run(OWN, "test").await.unwrap().suppressed, 1);
    assert!(list.covers(&address("a@far.example")).await.unwrap());
    assert!(!list.is_due(OWN).await.unwrap());
    list.clock().advance(SignedDuration::from_hours(24));
    assert!(list.is_due(OWN).await.unwrap());
}

#[tokio::test]
async fn the_watch_period_releases_and_a_relapse_waits_longer() {
    let list = list();
    with_settings(&list, |settings| {
        settings.watch_days = Some(10);
        settings.releases_per_day = Some(1);
    })
    .await;
    for user in ["a@far.example", "b@far.example"] {
        list.note(&failed(&list, user, "550 5.1.1 no such user")).await.unwrap();
    }
    let soon = list.clock().now() + SignedDuration::from_hours(24 * 11);
    assert_eq!(list.releases_until(OWN, soon).await, Ok(2));
    assert_eq!(list.run(OWN, "test").await.unwrap().released, 0);
    list.clock().advance(SignedDuration::from_hours(24 * 10 + 1));
    let ran = list.run(OWN, "test").await.unwrap();
    assert_eq!((ran.released, ran.waiting), (1, 1));
    let again = list.run(OWN, "test").await.unwrap();
    assert_eq!((again.released, again.waiting), (0, 1), "one a day, however often it is run");
    list.clock().advance(SignedDuration::from_hours(24));
    assert_eq!(list.run(OWN, "test").await.unwrap().released, 1);
    assert!(!list.covers(&address("a@far.example")).await.unwrap());
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    let row = list.find(OWN, &address("a@far.example")).await.unwrap().unwrap().record;
    assert_eq!(row.relapses, 1);
    assert_eq!(row.until.unwrap().duration_since(row.since).as_hours(), 20 * 24);
}

#[tokio::test]
async fn a_providers_outage_teaches_nothing_and_is_undone_in_one_step() {
    let list = list();
    for user in 0..30 {
        list.note(&failed(&list, &format!("u{user}@big.example"), "550 5.1.1 no such user"))
            .await
            .unwrap();
    }
    let open = list.open_breakers().await.unwrap();
    assert_eq!((open.len(), &open[0].domain[..]), (1, "big.example"));
    assert_eq!(list.roll(OWN).len(), 19, "what came before it opened");
    let released = list.close_breaker(OWN, "big.example", true, "test").await.unwrap();
    assert_eq!((released, list.roll(OWN).len()), (19, 0));
    assert!(list.open_breakers().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_is_all_or_nothing_and_in_force_after_a_restart() {
    let list = list();
    let file = "name,mail\nA,a@far.example\nB,A@far.example\nC,*@far.example\nD,d@far.example\nE,postmaster@far.example\n";
    let upload = Upload {
        server: OWN,
        file: "list.csv".to_owned(),
        by: "admin".to_owned(),
        column: "mail".to_owned(),
        at_once: false,
    };
    let preview = list.preview(&upload, file.as_bytes()).await.unwrap();
    assert_eq!(
        (preview.records, preview.duplicates, preview.invalid, preview.addresses),
        (5, 1, 2, 2)
    );
    assert_eq!(preview.lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4, 6]);
    assert_eq!(list.register(&upload, file.as_bytes()).await.unwrap(), preview);
    assert!(!list.covers(&address("a@far.example")).await.unwrap(), "before the run");
    assert_eq!(list.run(OWN, "test").await.unwrap().imports, 1);
    assert!(list.covers(&address("a@far.example")).await.unwrap());
    list.release(OWN, &address("d@far.example"), "admin").await.unwrap();

    let again = Suppression::new(list.store().clone(), list.clock().clone());
    again.load().await.unwrap();
    assert!(again.covers(&address("a@far.example")).await.unwrap());
    assert!(!again.covers(&address("d@far.example")).await.unwrap());
    let found = again.search(OWN, "FAR", "", 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].reason, Reason::Uploaded);

    // Exempt it stays off; when it is subject to blocking again, lists count.
    let now = Upload { at_once: true, ..upload.clone() };
    list.register(&now, file.as_bytes()).await.unwrap();
    assert!(!list.covers(&address("d@far.example")).await.unwrap());
    list.unexempt(OWN, &address("d@far.example"), "test").await.unwrap();
    assert!(!list.covers(&address("d@far.example")).await.unwrap(), "by no earlier list");
    list.register(&now, file.as_bytes()).await.unwrap();
    let again = Suppression::new(list.store().clone(), list.clock().clone());
    again.load().await.unwrap();
    for list in [&list, &again] {
        assert!(list.covers(&address("d@far.example")).await.unwrap());
        assert_eq!(list.search(OWN, "d@", "", 10).await.unwrap().len(), 1);
    }
    let wrong = Upload { column: "nothing".to_owned(), ..upload };
    let refused = list.register(&wrong, file.as_bytes()).await.unwrap_err();
    assert!(matches!(refused, Refused::NoList(csv::CsvError::NoColumn(..))), "{refused}");
}

/// Of a list, the watch period holds for all of it: spread, and after a restart.
#[tokio::test]
async fn an_uploaded_list_is_released_when_its_watch_period_is_over() {
    let list = list();
    with_settings(&list, |settings| {
        settings.watch_days = Some(10);
        settings.releases_per_day = Some(2);
    })
    .await;
    let upload = |file: &str| Upload {
        server: OWN,
        file: file.to_owned(),
        by: "admin".to_owned(),
        column: String::new(),
        at_once: true,
    };
    let mail = "a@far.example\nb@far.example\nc@far.example\nlearnt@far.example\n";
    list.register(&upload("one.csv"), mail.as_bytes()).await.unwrap();
    let found = list.search(OWN, "b@", "", 10).await.unwrap();
    let days = |one: &Suppressed| one.until.unwrap().duration_since(one.since).as_hours() / 24;
    assert_eq!((found.len(), days(&found[0])), (1, 10));
    list.clock().advance(SignedDuration::from_hours(24));
    // It is in a younger list too.
    list.register(&upload("two.csv"), &b"c@far.example\n"[..]).await.unwrap();
    let soon = list.clock().now() + SignedDuration::from_hours(24 * 9 + 1);
    assert_eq!(list.releases_until(OWN, soon).await, Ok(4));

    list.clock().advance(SignedDuration::from_hours(24 * 9 + 1));
    let ran = list.run(OWN, "test").await.unwrap();
    assert_eq!((ran.released, ran.waiting), (2, 2));
    let again = Suppression::new(list.store().clone(), list.clock().clone());
    again.load().await.unwrap();
    for list in [&list, &again] {
        for (text, listed) in [("a", false), ("b", false), ("c", true), ("learnt", true)] {
            let one = address(&format!("{text}@far.example"));
            assert_eq!(list.covers(&one).await.unwrap(), listed, "{text}");
        }
    }
    list.clock().advance(SignedDuration::from_hours(14));
    assert_eq!(list.run(OWN, "test").await.unwrap().released, 0, "an hour before midnight");
    list.clock().advance(SignedDuration::from_hours(2));
    let ran = list.run(OWN, "test").await.unwrap();
    assert_eq!((ran.released, ran.waiting), (2, 0));
    assert!(!list.covers(&address("learnt@far.example")).await.unwrap());
    assert!(list.covers(&address("c@far.example")).await.unwrap(), "by the younger list");
    list.clock().advance(SignedDuration::from_hours(24));
    assert_eq!(list.run(OWN, "test").await.unwrap().released, 1);
    assert!(list.roll(OWN).is_empty());
    let states: Vec<_> = list.imports(OWN).await.unwrap().iter().map(|one| one.state).collect();
    assert_eq!(states, [record::ImportState::Over; 2]);
    let blocks: Vec<Row<Block>> = list.store().page(&[], 10).await.unwrap();
    assert_eq!(blocks, [], "nothing of it is kept");
}

/// Released from one list, subject to blocking again, and in another: it goes
/// with that one.
#[tokio::test]
async fn an_address_that_a_list_brought_back_is_released_with_it() {
    let list = list();
    with_settings(&list, |settings| settings.watch_days = Some(10)).await;
    let one = address("a@far.example");
    let upload = Upload {
        server: OWN,
        file: "list.csv".to_owned(),
        by: "admin".to_owned(),
        column: String::new(),
        at_once: true,
    };
    list.register(&upload, &b"a@far.example\n"[..]).await.unwrap();
    list.release(OWN, &one, "test").await.unwrap();
    list.unexempt(OWN, &one, "test").await.unwrap();
    list.register(&upload, &b"a@far.example\n"[..]).await.unwrap();
    assert!(list.covers(&one).await.unwrap());
    list.clock().advance(SignedDuration::from_hours(24 * 10 + 1));
    list.run(OWN, "test").await.unwrap();
    assert!(!list.covers(&one).await.unwrap());
    assert!(list.roll(OWN).is_empty());
}

/// Two people change a server: what one of them did not touch stays as the
/// other has made it.
#[tokio::test]
async fn no_change_of_a_server_undoes_another() {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::FutureExt;

    let (_folder, _path, list) = with_map(list(), "a@far.example").await;
    list.distribute(1, "test", false).await.unwrap();
    for act in ["distribute", "roll back", "resume", "change", "run"] {
        list.add(1, &address(&format!("{}@far.example", act.replace(' ', "."))), "x")
            .await
            .unwrap();
        let before = list.server(1).await.unwrap().record;
        let first = AtomicBool::new(true);
        // Between what an act has read and what it writes.
        let also = |_: &mut Batch| {
            if first.swap(false, Ordering::Relaxed) {
                let other = list.edit_server(1, "other", |server| {
                    server.settings.strike_hours += 1;
                    Ok(())
                });
                other.now_or_never().unwrap().unwrap();
            }
        };
        let by = By { login: "test", also: &also };
        match act {
            "distribute" => list.distribute(1, by, false).await.map(|_| ()).unwrap(),
            "roll back" => list.roll_back(1, 1, by).await.unwrap(),
            "resume" => list.resume(1, by).await.unwrap(),
            "change" => {
                let change = change::Change {
                    id: 1,
                    name: Some("renamed".to_owned()),
                    ..change::Change::default()
                };
                list.change(change, by).await.map(|_| ()).unwrap();
            }
            _ => list.run(1, by).await.map(|_| ()).unwrap(),
        }
        let after = list.server(1).await.unwrap().record;
        let hours = before.settings.strike_hours + 1;
        assert_eq!(after.settings.strike_hours, hours, "{act}");
        assert_ne!(Server { settings: before.settings.clone(), ..after }, before, "{act}");
    }
    let server = list.server(1).await.unwrap().record;
    assert_eq!((server.version, server.pinned, &server.name[..]), (2, false, "renamed"));
    assert_eq!(
        list.add_server(&Server::new(1, "mx", Way::Socketmap), "test").await,
        Err(Refused::ServerKnown(1))
    );
}

/// Two distributions at once, the worker's and a person's, write one file.
#[tokio::test(flavor = "multi_thread")]
async fn two_distributions_at_once_are_one_after_the_other() {
    let (_folder, path, list) = with_map_of(list(), "cdb", "a@far.example").await;
    let mut lines = String::new();
    for n in 0..20_000 {
        writeln!(lines, "user{n}@far.example").unwrap();
    }
    list.roll(1).merge(&lines);
    let other = list.clone();
    let other = tokio::spawn(async move { other.distribute(1, "other", false).await });
    let one = list.distribute(1, "test", false).await.unwrap();
    let other = other.await.unwrap().unwrap();
    assert!(one.written != other.written, "{one:?} {other:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!((text.lines().count(), list.distributions(1).await.unwrap().len()), (20_002, 1));
}

#[tokio::test]
async fn a_cdb_file_follows_its_text() {
    let (folder, path, list) = with_map_of(list(), "cdb", "a@far.example").await;
    let made = folder.path().join("blocked.cdb");
    let holds = |address: &str| {
        let bytes = std::fs::read(&made).unwrap();
        memchr::memmem::find(&bytes, format!("{address}554 5.7.1").as_bytes()).is_some()
    };
    assert_eq!(list.distribute(1, "test", true).await.unwrap().added, 1);
    assert!(!made.exists(), "only said");
    list.step().await.unwrap();
    assert!(holds("a@far.example"));
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
    assert_eq!(list.server(1).await.unwrap().record.acknowledged, 1);
    list.release(1, &address("a@far.example"), "test").await.unwrap();
    list.add(1, &address("b@far.example"), "test").await.unwrap();
    list.step().await.unwrap();
    assert!(holds("b@far.example") && !holds("a@far.example"));
    list.roll_back(1, 1, "test").await.unwrap();
    assert!(holds("a@far.example") && !holds("b@far.example"));
    list.resume(1, "test").await.unwrap();
    list.step().await.unwrap();
    assert!(holds("b@far.example"), "the newest again");
    for spoil in [&made, &path] {
        std::fs::write(spoil, "somebody else's").unwrap();
        assert!(matches!(list.drift(1).await.unwrap(), distribute::Drift::Changed(_)));
        list.step().await.unwrap();
        assert!(holds("b@far.example"));
        assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
    }
    std::fs::remove_file(&made).unwrap();
    list.step().await.unwrap();
    assert!(holds("b@far.example"), "written again");
    // A type that it was not before is made of the same list.
    std::fs::remove_file(&made).unwrap();
    let texthash = format!("texthash:{}", path.display());
    for way in [texthash, format!("cdb:{}", path.display())] {
        let way = change::Change { id: 1, way: Some(way), ..change::Change::default() };
        list.change(way, "test").await.unwrap();
        list.step().await.unwrap();
    }
    assert!(holds("b@far.example"));
}

/// A map file that cannot be made: the old one stays, and the log rings.
#[tokio::test]
async fn a_cdb_that_cannot_be_written_keeps_the_old_one() {
    let (folder, path, list) = with_map_of(list(), "cdb", "a@far.example").await;
    list.step().await.unwrap();
    let text = std::fs::read(&path).unwrap();
    std::fs::create_dir(folder.path().join("blocked.cdb.new")).unwrap();
    list.add(1, &address("b@far.example"), "test").await.unwrap();
    let refused = list.distribute(1, "test", false).await.unwrap_err();
    assert!(matches!(refused, Refused::Unwritable(_)), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), text);
    let trouble = list.server(1).await.unwrap().record.trouble.unwrap();
    assert!(trouble.starts_with("the list cannot be written"), "{trouble}");
    std::fs::remove_dir(folder.path().join("blocked.cdb.new")).unwrap();
    list.step().await.unwrap();
    assert_eq!(list.server(1).await.unwrap().record.trouble, None);
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
}

#[test]
fn a_map_file_is_named_as_in_main_cf() {
    for (text, shown) in [
        ("/etc/postfix/blocked", Some("texthash:/etc/postfix/blocked")),
        ("texthash:/etc/a", Some("texthash:/etc/a")),
        ("cdb:/etc/a", Some("cdb:/etc/a")),
        ("lmdb:/etc/a", Some("lmdb:/etc/a")),
        ("hash:/etc/a", None),
        ("cdb:a", None),
        ("cdb:/etc/a b", None),
        ("cdb:/etc/a,b", None),
        ("cdb:/etc/", None),
        ("", None),
    ] {
        let way = Way::map_file(text).map(|way| way.to_string());
        assert_eq!(way.as_deref(), shown, "{text}");
    }
}

/// A map file as it was stored before there were types.
#[test]
fn a_map_file_without_a_type_is_a_texthash() {
    #[derive(minicbor::Encode)]
    enum Before {
        #[n(1)]
        MapFile(#[n(0)] String),
    }
    let stored = minicbor::to_vec(Before::MapFile("/etc/a".to_owned())).unwrap();
    let way: Way = minicbor::decode(&stored).unwrap();
    assert_eq!(Some(way), Way::map_file("/etc/a"));
}

/// Server 1 takes a map file, which is to hold this address.
async fn with_map(list: Suppression, first: &str) -> (TempDir, PathBuf, Suppression) {
    with_map_of(list, "texthash", first).await
}

async fn with_map_of(list: Suppression, map: &str, first: &str) -> (TempDir, PathBuf, Suppression) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocked");
    let map = Way::map_file(&format!("{map}:{}", path.display())).unwrap();
    list.add_server(&Server::new(1, "mx1", map), "test").await.unwrap();
    list.add(1, &address(first), "test").await.unwrap();
    (folder, path, list)
}

#[tokio::test]
async fn a_map_file_is_replaced_whole_numbered_and_rolled_back() {
    let (_folder, path, list) = with_map(list(), "a@far.example").await;
    list.add(1, &address("b@far.example"), "test").await.unwrap();
    let dry = list.distribute(1, "admin", true).await.unwrap();
    assert_eq!((dry.version, dry.added, path.exists()), (1, 2, false));
    list.distribute(1, "admin", false).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# reprieve version 1:"), "{text}");
    assert!(text.contains("\na@far.example 554 5.7.1 "), "{text}");

    list.release(1, &address("a@far.example"), "admin").await.unwrap();
    list.add(1, &address("c@far.example"), "test").await.unwrap();
    let second = list.distribute(1, "admin", false).await.unwrap();
    assert_eq!((second.version, second.added, second.removed, second.addresses), (2, 1, 1, 2));
    let changes = list.changes(1, 2, 10).await.unwrap();
    assert_eq!(changes.added, ["c@far.example"]);
    assert_eq!(changes.removed, ["a@far.example"]);
    let first = list.changes(1, 1, 1).await.unwrap();
    assert_eq!((first.added, first.removed.len()), (vec!["a@far.example".to_owned()], 0));
    assert_eq!(list.changes(1, 3, 10).await, Err(Refused::NoVersion(3)));
    assert_eq!(list.changes(OWN, 1, 10).await, Err(Refused::NoVersions));
    assert_eq!(list.distribute(1, "admin", false).await.unwrap().added, 0, "nothing changed");
    assert_eq!(list.distributions(1).await.unwrap().len(), 2);
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);

    list.roll_back(1, 1, "test").await.unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("a@far.example"));
    assert!(list.roll_back(1, 7, "test").await.is_err());
    list.step().await.unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("version 1:"), "pinned");
    list.resume(1, "test").await.unwrap();
    for (version, spoilt) in [(3, &b"somebody else's\n"[..]), (4, b"no text: \xff\n\xe4 b\n")] {
        std::fs::write(&path, spoilt).unwrap();
        assert!(matches!(list.drift(1).await.unwrap(), distribute::Drift::Changed(_)));
        list.step().await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("# reprieve version {version}:")), "{text}");
    }
}

#[tokio::test]
async fn a_reload_that_fails_keeps_the_old_version_and_rings() {
    let (folder, path, list) = with_map(list(), "a@far.example").await;
    list.step().await.unwrap();
    // What the systemd service does once Postfix has read the file.
    let reload = || {
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(folder.path().join("blocked.read"), text.lines().next().unwrap()).unwrap();
    };
    reload();
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);

    list.add(1, &address("b@far.example"), "test").await.unwrap();
    list.step().await.unwrap();
    let behind = distribute::Drift::Behind { has: 1, last: 2 };
    assert_eq!(list.drift(1).await.unwrap(), behind);
    assert_eq!(list.server(1).await.unwrap().record.trouble, None);
    list.clock().advance(SignedDuration::from_mins(2));
    list.step().await.unwrap();
    let server = list.server(1).await.unwrap().record;
    assert_eq!(server.trouble.as_deref(), Some("it has not read version 2"));
    assert_eq!((server.version, server.acknowledged), (2, 1));
    reload();
    list.step().await.unwrap();
    assert_eq!(list.server(1).await.unwrap().record.trouble, None);
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
}

/// Whoever opens the file at any moment reads one whole version.
#[tokio::test(flavor = "multi_thread")]
async fn a_map_file_is_never_seen_half_written() {
    let list = Suppression::new(Store::in_memory(), Clock::system());
    let (_folder, path, list) = with_map(list, "first@far.example").await;
    list.distribute(1, "test", false).await.unwrap();
    let addresses = |version: u64| if version == 1 { 1 } else { 2_000 * (version - 1) + 1 };
    let (reading, done) =
        (path.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let ended = std::sync::Arc::clone(&done);
    let (begins, begun) = tokio::sync::oneshot::channel();
    let reader = tokio::task::spawn_blocking(move || {
        let (mut seen, mut begins) = (std::collections::BTreeSet::new(), Some(begins));
        while !ended.load(std::sync::atomic::Ordering::Relaxed) {
            let text = std::fs::read_to_string(&reading).unwrap();
            let version = text.strip_prefix("# reprieve version ").unwrap();
            let version: u64 = version.split(':').next().unwrap().parse().unwrap();
            assert!(text.ends_with('\n'));
            assert_eq!(text.lines().count() as u64, addresses(version) + 1, "{version}");
            seen.insert(version);
            begins.take().map(|begins| begins.send(()));
        }
        seen
    });
    begun.await.unwrap();
    for version in 2..=6 {
        let mut lines = String::new();
        for n in 0..2_000 {
            writeln!(lines, "user{n}.{version}@far.example").unwrap();
        }
        list.roll(1).merge(&lines);
        list.distribute(1, "test", false).await.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(!reader.await.unwrap().is_empty());
}

#[tokio::test]
async fn the_socketmap_answers_and_a_release_is_at_once() {
    let list = list();
    list.add_server(&Server::new(2, "mx2", Way::Socketmap), "test").await.unwrap();
    list.add(2, &address("a@far.example"), "test").await.unwrap();
    let (mut client, server) = tokio::io::duplex(4096);
    let serving = {
        let list = list.clone();
        tokio::spawn(async move { socketmap::session(&list, server).await })
    };
    let mut ask = async |question: &str| {
        let request = format!("{}:{question},", question.len());
        client.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 1000];
        let read = client.read(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    };
    assert!(ask("mx2 A@far.example").await.contains(":OK 554 5.7.1 "));
    assert_eq!(ask("2 b@far.example").await, "9:NOTFOUND ,");
    assert_eq!(ask("mx2 far.example").await, "9:NOTFOUND ,");
    assert_eq!(ask("own a@far.example").await, "9:NOTFOUND ,");
    assert!(ask("mx9 a@far.example").await.contains("PERM"));
    list.release(2, &address("a@far.example"), "admin").await.unwrap();
    assert_eq!(ask("mx2 a@far.example").await, "9:NOTFOUND ,");
    list.add(2, &address("\"b c\"@far.example"), "test").await.unwrap();
    assert!(ask("mx2 <\"B c\"@Far.example>").await.contains(":OK "));
    let renamed = change::Change { id: 2, name: Some("mx3".to_owned()), ..Default::default() };
    list.change(renamed, "test").await.unwrap();
    assert!(ask("mx2 b@far.example").await.contains("PERM"), "no server has this name now");
    assert_eq!(ask("mx3 b@far.example").await, "9:NOTFOUND ,");
    client.write_all(b"99999:x,").await.unwrap();
    assert!(serving.await.unwrap().is_err(), "a request too long ends the session");
}

#[tokio::test]
async fn no_two_servers_have_one_name_or_one_file() {
    let list = list();
    let change = |id, name: &str, way: &str| change::Change {
        id,
        name: Some(name.to_owned()),
        way: Some(way.to_owned()),
        ..change::Change::default()
    };
    let next = change::Change::NEXT;
    list.change(change(next, "mx1", "texthash:/etc/a"), "test").await.unwrap();
    for (name, way, taken) in
        [("mx1", "socketmap", "mx1"), ("own", "socketmap", "own"), ("mx2", "cdb:/etc/a", "/etc/a")]
    {
        let refused = list.change(change(next, name, way), "test").await.map(|_| ());
        assert_eq!(refused, Err(Refused::Taken(taken.to_owned())));
    }
    list.change(change(next, "mx2", "cdb:/etc/b"), "test").await.unwrap();
    let refused = list.change(change(2, "mx1", "cdb:/etc/b"), "test").await.map(|_| ());
    assert_eq!(refused, Err(Refused::Taken("mx1".to_owned())));
    assert_eq!(list.servers().await.unwrap().len(), 3);
    // Its own are its own.
    list.change(change(2, "mx2", "texthash:/etc/b"), "test").await.unwrap();
}

#[tokio::test]
async fn a_reason_that_is_switched_off_can_be_cancelled() {
    let list = list();
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    list.add(OWN, &address("b@far.example"), "test").await.unwrap();
    assert_eq!(list.cancel_reason(OWN, Reason::UnknownUser).await, Ok(1));
    assert!(!list.covers(&address("a@far.example")).await.unwrap());
    assert!(list.covers(&address("b@far.example")).await.unwrap());
    assert_eq!(Class::parse("rejecting"), Some(Class::Rejecting));
}
