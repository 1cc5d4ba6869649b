use super::*;
use crate::mail::{Address, ReversePath};

fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn queue() -> (Queue, Clock, Store) {
    let clock = Clock::stopped_at(start());
    let store = Store::in_memory();
    (Queue::new(store.clone(), clock.clone(), Settings::default()), clock, store)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

async fn enqueue(queue: &Queue, recipients: &[&str], due_at: Timestamp) -> Item {
    let recipients = recipients.iter().zip(0..).map(|(one, slot)| (address(one), slot)).collect();
    let item = queue.draft(Draft {
        kind: Kind::Release,
        held: Uuid::now_v7(),
        body: Uuid::now_v7(),
        mail_from: ReversePath::Null,
        recipients,
        trace: String::new(),
        eight_bit: false,
        smtputf8: false,
        due_at,
    });
    let mut batch = Batch::new();
    queue.enqueue(&mut batch, &item);
    queue.store.commit(batch).await.unwrap();
    item
}

fn report(outcome: Outcome) -> Report {
    Report::new(outcome, "mx", "words")
}

async fn settle(queue: &Queue, claimed: &Claimed, outcomes: &[Outcome]) -> Result<Item, Refusal> {
    let reports: Vec<Report> = outcomes.iter().copied().map(report).collect();
    let mut batch = Batch::new();
    let item = queue.settle(&mut batch, claimed, &reports, None);
    queue.store.commit(batch).await.map(|_| item)
}

#[tokio::test]
async fn nothing_is_claimed_before_it_is_due_and_then_once() {
    let (queue, clock, _) = queue();
    let item = enqueue(&queue, &["a@one.example"], start() + SignedDuration::from_secs(60)).await;
    assert!(queue.claim(10).await.unwrap().is_empty());
    clock.advance(SignedDuration::from_secs(60));
    let (mine, yours) = tokio::join!(queue.claim(10), queue.claim(10));
    let all: Vec<Claimed> = mine.unwrap().into_iter().chain(yours.unwrap()).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].item().id, item.id);
    assert!(!all[0].interrupted);
    assert!(queue.claim(10).await.unwrap().is_empty());
}

/// What a rotten item looks like: its index key stands, its record is none.
#[derive(minicbor::Encode, minicbor::Decode)]
struct Rotten(#[n(0)] u8, #[cbor(skip)] Option<Index>);

impl crate::store::Record for Rotten {
    const TABLE: crate::store::Table = crate::store::Table::Item;
    fn key(&self) -> Vec<u8> {
        vec![self.0; 16]
    }
    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        self.1.map(|index| (index, Item::due_key(start()))).into_iter().collect()
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_does_not_stop_the_queue() {
    let (queue, clock, store) = queue();
    for n in 0..4 {
        let mut batch = Batch::new();
        batch.insert(&Rotten(n, Some(Index::ItemDue)));
        store.commit(batch).await.unwrap();
    }
    assert!(queue.claim(2).await.is_err());
    let good = enqueue(&queue, &["a@one.example"], start() + SignedDuration::from_secs(1)).await;
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(queue.claim(2).await.unwrap()[0].item().id, good.id);
}

#[tokio::test]
async fn a_worker_that_slept_cannot_settle_anothers_claim() {
    let (queue, clock, _) = queue();
    enqueue(&queue, &["a@one.example"], start()).await;
    let slept = queue.claim(1).await.unwrap().remove(0);
    clock.advance(SignedDuration::from_secs(91));
    let awake = queue.claim(1).await.unwrap().remove(0);
    assert!(awake.interrupted);
    let late = settle(&queue, &slept, &[Outcome::Permanent]).await;
    assert!(matches!(late, Err(Refusal::Conflict(_))));
    settle(&queue, &awake, &[Outcome::Delivered]).await.unwrap();
    assert_eq!(queue.load().await.unwrap(), Load::default());
}

#[tokio::test]
async fn a_renewed_lease_is_kept_and_a_lost_one_is_told() {
    let (queue, clock, _) = queue();
    enqueue(&queue, &["a@one.example"], start()).await;
    let mut first = queue.claim(1).await.unwrap().remove(0);
    clock.advance(SignedDuration::from_secs(60));
    assert!(queue.renew(&mut first).await.unwrap());
    clock.advance(SignedDuration::from_secs(60));
    assert!(queue.claim(1).await.unwrap().is_empty());
    clock.advance(SignedDuration::from_secs(60));
    assert_eq!(queue.claim(1).await.unwrap().len(), 1);
    assert!(!queue.renew(&mut first).await.unwrap());
}

#[tokio::test]
async fn only_who_waits_is_tried_again_and_the_delays_grow() {
    let (queue, clock, _) = queue();
    let item = enqueue(&queue, &["a@one.example", "b@one.example"], start()).await;
    let claimed = queue.claim(1).await.unwrap().remove(0);
    settle(&queue, &claimed, &[Outcome::Delivered, Outcome::Transient]).await.unwrap();
    clock.advance(SignedDuration::from_secs(299));
    assert!(queue.claim(1).await.unwrap().is_empty());
    clock.advance(SignedDuration::from_secs(1));
    let claimed = queue.claim(1).await.unwrap().remove(0);
    assert!(!claimed.interrupted);
    let states: Vec<_> = claimed.item().recipients.iter().map(|one| one.state).collect();
    assert_eq!(states, [ItemState::Delivered, ItemState::Waiting]);
    let item_now = settle(&queue, &claimed, &[Outcome::Transient]).await.unwrap();
    assert_eq!(item_now.due_at, start() + SignedDuration::from_secs(900));
    assert_eq!(item_now.recipients[1].reply.as_deref(), Some("words"));
    assert_eq!(item_now.attempts, 2);
    assert_eq!(item_now.id, item.id);
}

#[tokio::test]
async fn after_five_days_what_waits_has_failed_and_can_be_retried_until_forgotten() {
    let (queue, clock, _) = queue();
    let item = enqueue(&queue, &["a@one.example"], start()).await;
    let mut attempts = 0;
    while queue.find(item.id).await.unwrap().unwrap().record.is_open() {
        let due = queue.find(item.id).await.unwrap().unwrap().record.due_at;
        clock.advance(due.duration_since(clock.now()));
        let claimed = queue.claim(1).await.unwrap().remove(0);
        settle(&queue, &claimed, &[Outcome::Transient]).await.unwrap();
        attempts += 1;
    }
    assert_eq!(clock.now(), start() + SignedDuration::from_hours(120));
    assert_eq!(attempts, 4 + 107 + 1);
    let row = queue.find(item.id).await.unwrap().unwrap();
    assert_eq!(row.record.recipients[0].state, ItemState::Failed);
    let mut batch = Batch::new();
    queue.retry(&mut batch, &row).unwrap();
    queue.store.commit(batch).await.unwrap();
    let claimed = queue.claim(1).await.unwrap().remove(0);
    settle(&queue, &claimed, &[Outcome::Permanent]).await.unwrap();
    assert_eq!(queue.purge(10).await.unwrap(), 0);
    clock.advance(SignedDuration::from_hours(14 * 24));
    let mut batch = Batch::new();
    batch.insert(&Rotten(0, Some(Index::ItemKept)));
    queue.store.commit(batch).await.unwrap();
    assert_eq!(queue.purge(10).await.unwrap(), 1, "one that cannot be read keeps nobody");
    assert!(queue.find(item.id).await.unwrap().is_none());
    assert!(matches!(queue.purge(10).await, Err(Fault::Damaged(_))));
}

#[tokio::test]
async fn claim_and_cancel_have_one_winner() {
    for cancel_first in [true, false] {
        let (queue, _, store) = queue();
        let item = enqueue(&queue, &["a@one.example"], start()).await;
        let row = queue.find(item.id).await.unwrap().unwrap();
        let mut batch = Batch::new();
        queue.cancel(&mut batch, &row);
        if cancel_first {
            store.commit(batch).await.unwrap();
            assert!(queue.claim(1).await.unwrap().is_empty());
        } else {
            assert_eq!(queue.claim(1).await.unwrap().len(), 1);
            assert!(matches!(store.commit(batch).await, Err(Refusal::Conflict(_))));
        }
    }
}

#[tokio::test]
async fn a_retry_never_takes_an_item_from_a_worker() {
    let (queue, clock, _) = queue();
    let item = enqueue(&queue, &["a@one.example"], start()).await;
    queue.claim(1).await.unwrap();
    let row = queue.find(item.id).await.unwrap().unwrap();
    assert!(queue.retry(&mut Batch::new(), &row).is_none());
    clock.advance(SignedDuration::from_secs(91));
    assert!(queue.retry(&mut Batch::new(), &row).is_some());
}

#[tokio::test]
async fn load_says_how_much_waits_and_how_late() {
    let (queue, clock, _) = queue();
    assert_eq!(queue.load().await.unwrap(), Load::default());
    enqueue(&queue, &["a@one.example"], start()).await;
    enqueue(&queue, &["b@one.example"], start() + SignedDuration::from_secs(60)).await;
    clock.advance(SignedDuration::from_secs(30));
    let load = queue.load().await.unwrap();
    assert_eq!(load, Load { open: 2, late: SignedDuration::from_secs(30) });
}
