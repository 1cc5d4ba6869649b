//! A held message for the tests of every room above.

use std::net::IpAddr;

use uuid::Uuid;

use super::{Fingerprint, Held, HeldRecipient, Reference, State, Telling};
use crate::clock::{SignedDuration, Timestamp};
use crate::directory::OrganisationId;
use crate::filter::Class;
use crate::filter::verdict::Door;
use crate::mail::{Address, Message, ReversePath};
use crate::reputation::Proofs;

/// Held for these recipients since `now`; from `sender@far.example`, nothing
/// proved, from 192.0.2.7.
pub fn held(recipients: &[&str], now: Timestamp) -> Held {
    let sender = Address::parse("sender@far.example").unwrap();
    let message = Message::new(b"Subject: roof\r\n\r\nhello\r\n".as_slice().into());
    let copy = |address: &&str| {
        let address = Address::parse(address).unwrap();
        let name = address.domain().as_str().split('.').next().unwrap().to_owned();
        HeldRecipient {
            address,
            organisation: OrganisationId::new(&name).unwrap(),
            named: true,
            class: Class::Unwanted,
            door: Door::Release,
            state: State::Held,
            changed_at: now,
            item: None,
            due_at: None,
            outcome: None,
        }
    };
    let id = Uuid::now_v7();
    let last = id.as_bytes();
    Held {
        id,
        reference: Reference::from_random([last[11], last[12], last[13], last[14], last[15]]),
        received_at: now,
        expires_at: now + SignedDuration::from_hours(14 * 24),
        fingerprint: Fingerprint::of(&message),
        rfc5321_mail_from: ReversePath::Address(sender.clone()),
        client: IpAddr::from([192, 0, 2, 7]),
        rfc5322_from: Some(sender),
        proofs: Proofs::NONE,
        subject: "roof".to_owned(),
        from_text: "<sender@far.example>".to_owned(),
        message_id: String::new(),
        size: message.bytes().len() as u64,
        attachments: 0,
        digest: message.hash(),
        score: 6.0,
        findings: Vec::new(),
        telling: Telling::Reply,
        language: None,
        recipients: recipients.iter().map(copy).collect(),
        automatic: false,
        erased: false,
        trace: "Received: by mx.ours\r\n".to_owned(),
        eight_bit: false,
        smtputf8: false,
    }
}
