//! Lists that are uploaded: in force as a whole, and given back as a whole.

use super::*;

/// A file that is in force as soon as it is registered; its only column holds
/// the addresses.
fn upload(file: &str) -> Upload {
    Upload {
        server: OWN,
        file: file.to_owned(),
        by: "admin".to_owned(),
        column: String::new(),
        at_once: true,
    }
}

#[tokio::test]
async fn an_upload_is_all_or_nothing_and_in_force_after_a_restart() {
    let list = list();
    let file = "name,mail\nA,a@far.example\nB,A@far.example\nC,*@far.example\nD,d@far.example\nE,postmaster@far.example\n";
    let upload = Upload { column: "mail".to_owned(), at_once: false, ..upload("list.csv") };
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

#[tokio::test]
async fn an_address_of_both_a_list_and_an_error_goes_as_one() {
    let list = list();
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    let upload = upload("list.csv");
    list.register(&upload, &b"a@far.example\nb@far.example\n"[..]).await.unwrap();
    assert_eq!(list.cancel_reason(OWN, Reason::UnknownUser).await, Ok(1));
    let again = Suppression::new(list.store().clone(), list.clock().clone());
    again.load().await.unwrap();
    for list in [&list, &again] {
        assert!(!list.covers(&address("a@far.example")).await.unwrap());
        assert!(list.covers(&address("b@far.example")).await.unwrap());
    }
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
    let upload = upload("list.csv");
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
