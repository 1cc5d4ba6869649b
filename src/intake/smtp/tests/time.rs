//! Clients that take their time, with tokio's clock moved: every deadline is
//! met at its second, and a thousand of them do not slow a good one.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::dialogues::{Client, Writes};
use super::{Running, Script, beside, server, settings};
use crate::intake::smtp::limits::COMMAND_BYTES;
use crate::intake::smtp::wire::{Stream, Wire};
use crate::intake::smtp::{Limits, Settings};

/// A client in memory, so that the clock may run ahead of no packet.
struct Slow {
    stream: DuplexStream,
    script: Script,
    began: Instant,
}

impl Slow {
    fn connect() -> Self {
        let script = Script::default();
        let server = server(settings(), &script);
        let (ours, theirs) = duplex(64 << 10);
        let wire = Wire::new(Stream::Memory(theirs), COMMAND_BYTES);
        let ip = "192.0.2.7".parse().unwrap();
        tokio::spawn(async move {
            let pass = server.enter();
            server.session(wire, ip, ip, pass, CancellationToken::new()).await;
        });
        Self { stream: ours, script, began: Instant::now() }
    }

    /// What has been said until `end` is in it.
    async fn until(&mut self, end: &str) -> String {
        let mut said = String::new();
        while !said.contains(end) {
            let mut piece = [0; 512];
            let count = self.stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "closed after {said:?}");
            said.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        said
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The last words of the server, and when it said them.
    async fn last_words(&mut self) -> (String, u64) {
        let said = self.until("421").await;
        (said, self.began.elapsed().as_secs())
    }

    async fn reach_data(&mut self) {
        self.say(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@ours.example>\r\nDATA\r\n").await;
        self.until("354 ").await;
        self.began = Instant::now();
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_five_minutes() {
    let mut client = Slow::connect();
    let (said, after) = client.last_words().await;
    assert!(said.contains("421 4.4.2"), "{said}");
    assert_eq!(after, 300);
}

#[tokio::test(start_paused = true)]
async fn s_34_a_byte_every_nine_seconds_is_no_command() {
    let mut client = Slow::connect();
    client.until("220 ").await;
    for _ in 0..7 {
        client.say(b"N").await;
        sleep(Duration::from_secs(9)).await;
    }
    let (said, after) = client.last_words().await;
    assert!(said.contains("421 4.4.2"), "{said}");
    assert!((60..=63).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn s_34_a_byte_a_second_is_no_message() {
    let mut client = Slow::connect();
    client.reach_data().await;
    for _ in 0..31 {
        client.say(b"x").await;
        sleep(Duration::from_secs(1)).await;
    }
    let (said, after) = client.last_words().await;
    assert!(said.contains("421 4.4.2"), "{said}");
    assert!((30..=31).contains(&after), "{after}");
    assert!(client.script.inner().received.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_at_a_modem_s_pace_is_taken() {
    let mut client = Slow::connect();
    client.reach_data().await;
    for _ in 0..600 {
        client.say(&[b'x'; 500]).await;
        sleep(Duration::from_secs(1)).await;
    }
    client.say(b"\r\n.\r\n").await;
    client.until("250 2.0.0").await;
    assert_eq!(client.script.inner().received[0].1.bytes().len(), 300_002);
}

#[tokio::test(start_paused = true)]
async fn a_fast_beginning_does_not_buy_a_long_pause() {
    let mut client = Slow::connect();
    client.reach_data().await;
    client.say(&vec![b'x'; 180_000]).await;
    let (said, after) = client.last_words().await;
    assert!(said.contains("421 4.4.2"), "{said}");
    assert_eq!(after, 180);
}

#[tokio::test(start_paused = true)]
async fn no_session_lasts_for_ever() {
    let mut client = Slow::connect();
    client.until("220 ").await;
    let said = loop {
        client.say(b"MAIL FROM:<>\r\n").await;
        let said = client.until("\r\n").await;
        if said.contains("421") {
            break said;
        }
        client.say(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@ours.example>\r\nDATA\r\n").await;
        client.until("354 ").await;
        client.say(b"x\r\n.\r\n").await;
        client.until("250 2.0.0 Ok\r\n").await;
        sleep(Duration::from_mins(4)).await;
    };
    assert!(said.contains("421 4.4.2"), "{said}");
    assert!((7200..7500).contains(&client.began.elapsed().as_secs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn s_34_a_thousand_slow_clients_do_not_slow_a_good_one() {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: most.maximum, maximum: most.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let limits = Limits { connections_per_client: 2000, ..Limits::default() };
    let running = Running::start(Settings { limits, ..settings() }).await;
    let address = running.address;
    beside(move || {
        let slow: Vec<Client> = (0..1000)
            .map(|number| {
                let mut client = Client::connect(address, Writes::Whole);
                client.reply();
                if number % 2 == 0 {
                    client.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@ours.example>\r\nDATA\r\nx");
                } else {
                    client.send(b"EHL");
                }
                client
            })
            .collect();
        let mut good = Client::connect(address, Writes::Whole);
        good.reply();
        good.ask("EHLO client.example");
        for _ in 0..100 {
            good.ask("MAIL FROM:<a@sender.example>");
            good.ask("RCPT TO:<b@ours.example>");
            good.ask("DATA");
            assert!(good.ask("hello\r\n.").starts_with("250"));
        }
        drop(slow);
    })
    .await;
    assert_eq!(running.script.inner().received.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_transactions_first() {
    let running = Running::start(settings()).await;
    let (address, stop) = (running.address, running.stop.clone());
    let (idle, busy) = beside(move || {
        let mut idle = Client::connect(address, Writes::Whole);
        idle.reply();
        let mut busy = Client::connect(address, Writes::Whole);
        busy.reply();
        busy.ask("EHLO client.example");
        busy.ask("MAIL FROM:<a@sender.example>");
        busy.ask("RCPT TO:<b@ours.example>");
        stop.cancel();
        (idle, busy)
    })
    .await;
    let script = running.script.clone();
    let clients = beside(move || {
        let (mut idle, mut busy) = (idle, busy);
        assert!(idle.reply().starts_with("421 4.3.2"));
        assert_eq!(idle.reply(), "closed");
        assert!(busy.ask("DATA").starts_with("354"));
        assert!(busy.ask("hello\r\n.").starts_with("250"));
        assert!(busy.reply().starts_with("421 4.3.2"));
    });
    clients.await;
    running.end().await;
    assert_eq!(script.inner().received.len(), 1);
}
