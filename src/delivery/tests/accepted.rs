//! Mail that was accepted without a next hop in the session: delivered, or its
//! sender told, and never anybody else.

use super::*;

#[tokio::test]
async fn accepted_mail_is_delivered_and_its_body_goes_with_the_item() {
    let world = World::new();
    let content = stored::write(&envelope(&["anna@ours.example"]), &message_of(MESSAGE));
    let from = ReversePath::Address(address("sender@far.example"));
    let item = world.enqueue(Kind::Accepted, Uuid::nil(), from, "anna@ours.example", content).await;
    world.run().await;
    assert_eq!(unmarked(&world.sent.sent()[0].bytes), MESSAGE);
    assert!(world.tools.store.body(item.body).await.unwrap().is_none());
}

/// Accepted mail from `path` that its recipient's server refuses.
async fn refused(world: &World, path: &str, proved: Option<&str>, message: &'static [u8]) -> Item {
    let anna = "anna@ours.example";
    world.sent.answer(&address(anna), Outcome::Permanent, "550 5.1.1 unknown");
    let content = stored::write(&envelope(&[anna]), &message_of(message));
    let path = ReversePath::parse(path, false).unwrap();
    let mut item = world.draft(Kind::Accepted, Uuid::nil(), path, anna);
    item.origin = proved.map(|proved| Origin { proved: Some(address(proved)), score: 0.0 });
    world.post(&item, content).await;
    world.run().await;
    world.tools.queue.find(item.id).await.unwrap().expect("a failed item is kept").record
}

#[tokio::test]
async fn accepted_mail_that_fails_is_told_to_a_proved_reverse_path_once() {
    let world = World::new();
    refused(&world, "sender@far.example", Some("sender@far.example"), MESSAGE).await;
    let sent = world.sent.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].mail_from, ReversePath::Null);
    assert_eq!(sent[0].rcpt_to, [address("sender@far.example")]);
    let dsn = String::from_utf8(sent[0].bytes.clone()).unwrap();
    for line in [
        "Final-Recipient: rfc822; anna@ours.example",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 unknown",
        "From: <notices@notice.example>",
        "DKIM-Signature: ",
    ] {
        assert!(dsn.contains(line), "{line} is missing in:\n{dsn}");
    }
    assert!(!dsn.contains("hello"), "nothing of the body");
    refused(&world, "sender@far.example", Some("sender@far.example"), MESSAGE).await;
    assert_eq!(world.sent.sent().len(), 1, "one in 24 hours");
}

#[tokio::test]
async fn accepted_mail_that_fails_is_no_backscatter() {
    const LIST: &[u8] = b"From: sender@far.example\r\nPrecedence: bulk\r\n\r\nhello\r\n";
    const OWN: &[u8] = b"From: sender@far.example\r\nReprieve-Notice: 1\r\n\r\nhello\r\n";
    let sender = "sender@far.example";
    for (path, proved, message) in [
        (sender, None, MESSAGE),
        ("victim@other.example", Some(sender), MESSAGE),
        ("", Some(sender), MESSAGE),
        ("owner-list@far.example", Some(sender), MESSAGE),
        (sender, Some(sender), LIST),
        (sender, Some(sender), OWN),
    ] {
        let world = World::new();
        let item = refused(&world, path, proved, message).await;
        assert_eq!(world.sent.sent().len(), 0, "{path} {proved:?}");
        assert!(world.is_idle().await, "{path}: nothing is written");
        // Kept as it failed: to be seen, and tried again.
        assert_eq!(item.recipients[0].state, ItemState::Failed);
        assert!(world.tools.store.body(item.body).await.unwrap().is_some());
        let counted = "reprieve_told_total{how=\"withheld\"} 1";
        assert!(world.tools.maillog.encode().contains(counted), "{path}");
    }
    let world = World::new();
    world.tools.notices.set_ready(false);
    refused(&world, sender, Some(sender), MESSAGE).await;
    assert_eq!(world.sent.sent().len(), 0, "the notice domain is not ready");
}
