//! The list as its users meet it: errors in, addresses blocked and given
//! back, uploads, distribution, lookups.

mod given;
mod learnt;
mod uploaded;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
