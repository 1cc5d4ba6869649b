//! A record that cannot be read does not take a list with it: the others are
//! shown, and a line names the one and what to do.

use axum::http::{Method, StatusCode};
use minicbor::{Decode, Encode};
use reprieve::account::Role;
use reprieve::account::token::Scope;
use reprieve::clock::Timestamp;
use reprieve::portal::Settings;
use reprieve::queue::Item;
use reprieve::store::{Batch, Index, Record, Table};
use serde_json::json;

use crate::api::{ask, token};
use crate::appeals::{apply, issue};
use crate::client::Client;
use crate::sorted::enqueue;
use crate::stage::Stage;
use crate::{console, organisation};

/// A record of its table by its first bytes alone, and under index keys.
macro_rules! rotten {
    ($name:ident, $table:expr) => {
        #[derive(Encode, Decode)]
        struct $name(#[n(0)] u8, #[cbor(skip)] Vec<(Index, Vec<u8>)>);

        impl Record for $name {
            const TABLE: Table = $table;

            fn key(&self) -> Vec<u8> {
                vec![0xab; 16]
            }

            fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
                self.1.clone()
            }
        }
    };
}

rotten!(BadItem, Table::Item);
rotten!(BadHeld, Table::Held);
rotten!(BadAppeal, Table::Appeal);
rotten!(BadStanding, Table::Standing);
rotten!(BadRecipient, Table::Recipient);
rotten!(BadRule, Table::Rule);
rotten!(BadEntry, Table::Audit);

/// Its key, as `reprieve store verify` writes it.
const KEY: &str = "abababababababababababababababab";

async fn put<R: Record>(stage: &Stage, record: &R) {
    let mut batch = Batch::new();
    batch.insert(record);
    stage.store.commit(batch).await.unwrap();
}

fn due(at: Timestamp) -> Vec<u8> {
    Item::due_key(at)
}

#[tokio::test]
async fn an_unreadable_item_leaves_the_queue_s_lists_standing() {
    let stage = console().await;
    let now = stage.clock.now();
    enqueue(&stage, 1, "aino", 1, None).await;
    enqueue(&stage, 2, "bertta", 0, Some(9)).await;
    let keys = vec![(Index::ItemDue, due(now)), (Index::ItemKept, due(now))];
    put(&stage, &BadItem(0, keys)).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let token = token(&stage, "eve", Role::Operator, Scope::Read).await;
    for (state, name) in [("", "aino"), ("", "bertta"), ("waiting", "aino"), ("failed", "bertta")] {
        let page = anna.get(&format!("/admin/queue?state={state}")).await;
        assert_eq!(page.status, StatusCode::OK, "{state}");
        assert!(page.body.contains(name), "{state}: {}", page.body);
        assert_eq!(page.body.matches(KEY).count(), 1, "{state}: the line");
        assert!(page.body.contains("reprieve store verify"), "{state}: what to do");
        let path = format!("/api/v1/queue?state={state}");
        let answer = ask(&stage, Method::GET, &path, &token, &[]).await;
        assert!(answer.text.contains(name), "{state}: {}", answer.text);
        assert_eq!(answer.body["unreadable"], json!([{ "table": "Item", "key": KEY }]), "{state}");
    }
    assert_eq!(anna.get("/admin").await.status, StatusCode::OK, "the overview counts it");
}

/// Nothing else waits: the list is not called empty, which would be good.
#[tokio::test]
async fn a_queue_of_one_unreadable_item_is_not_called_empty() {
    let stage = console().await;
    put(&stage, &BadItem(0, vec![(Index::ItemDue, due(stage.clock.now()))])).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let page = anna.get("/admin/queue").await.body;
    assert!(page.contains(KEY) && !page.contains("Nothing waits. Good."), "{page}");
}

#[tokio::test]
async fn unreadable_records_of_other_lists_are_named_in_the_same_way() {
    let stage = console().await;
    let id = issue(&stage, |held| "Roses".clone_into(&mut held.subject)).await;
    apply(&stage, id).await;
    put(&stage, &BadHeld(0, Vec::new())).await;
    let soon = stage.clock.now().as_microsecond().to_be_bytes();
    let due = [&[0], &soon[..]].concat();
    put(&stage, &BadAppeal(0, vec![(Index::AppealDue, due)])).await;
    put(&stage, &BadStanding(0, Vec::new())).await;
    // As a start reads them.
    let (store, clock) = (stage.store.clone(), stage.clock.clone());
    let stage = Stage::over(store, "https://mail.example", clock, Settings::default(), |_| {});
    // These a start needs: they are damaged since.
    put(&stage, &BadRecipient(0, Vec::new())).await;
    put(&stage, &BadRule(0, Vec::new())).await;
    put(&stage, &BadEntry(0, Vec::new())).await;
    stage.console.search.fill().await.unwrap();
    stage.console.senders.fill().await.unwrap();
    stage.console.recipients.fill().await.unwrap();
    stage.console.rules.fill().await.unwrap();
    stage.appeals.fill().await.unwrap();
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let token = token(&stage, "eve", Role::Operator, Scope::Read).await;
    for (path, readable) in [
        ("held", "Roses"),
        ("appeals", "Roses"),
        ("appeals?sort=name", "Roses"),
        ("senders", ""),
        ("recipients", ""),
        ("rules", ""),
        ("audit", "log-in"),
        ("audit?sort=oldest", "log-in"),
    ] {
        let shown = anna.get(&format!("/admin/{}", path.replace("held", "quarantine"))).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
        assert!(shown.body.contains(readable), "{path}: {}", shown.body);
        assert_eq!(shown.body.matches(KEY).count(), 1, "{path}: {}", shown.body);
        let answer = ask(&stage, Method::GET, &format!("/api/v1/{path}"), &token, &[]).await;
        assert!(answer.text.contains(readable), "{path}: {}", answer.text);
        assert_eq!(answer.body["unreadable"][0]["key"], KEY, "{path}: {}", answer.text);
    }
    let export = anna.get("/admin/audit.csv").await.body;
    assert!(export.contains("log-in") && !export.contains(KEY), "{export}");
    let role = Role::OrganisationAdmin(vec![organisation("example")]);
    let mut bo = Client::enter(&stage, "bo", role).await;
    for path in ["quarantine", "appeals", "appeals?sort=name", "recipients", "rules"] {
        let shown = bo.get(&format!("/admin/{path}")).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
        assert!(!shown.body.contains(KEY), "{path}: whose it is, nobody knows");
    }
}
