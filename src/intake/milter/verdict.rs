//! What the intake decided, as the MTA is told it.
//!
//! All refused or deferred: the reply, whole. Nobody left: discard, because
//! our copy is durable. Else those who are not to have it are taken out of
//! the envelope, with their RCPT's very bytes (Postfix compares exactly),
//! forged fields go, and ours stand in front.

use super::packet::Answer as Said;
use super::transaction::Transaction;
use super::wire::{Stream, Wire};
use crate::intake::{Answer, forged};
use crate::mail::Message;

/// How this MTA wants fields.
pub struct Form<'a> {
    /// Our name in Authentication-Results.
    pub host: &'a str,
    /// Values begin with the white space behind the colon.
    pub spaced: bool,
}

/// Says what becomes of the message.
pub fn say<S: Stream>(
    wire: &mut Wire<S>,
    form: &Form<'_>,
    transaction: &Transaction,
    message: &Message,
    answer: &Answer,
) {
    if !answer.reply.is_positive() {
        return wire.say(&Said::Reply(&answer.reply));
    }
    if answer.pass.is_empty() && transaction.unread == 0 {
        return wire.say(&Said::Discard);
    }
    for (name, index) in forged::fields(message, form.host, answer.own) {
        wire.say(&Said::RemoveHeader { index, name: name.as_bytes() });
    }
    insert(wire, form, &answer.head);
    for (slot, path) in &transaction.exact {
        if !answer.pass.contains(slot) {
            wire.say(&Said::DeleteRecipient(path));
        }
    }
    wire.say(&Said::Accept);
}

/// Each field goes to the very front, so the last goes first.
fn insert<S: Stream>(wire: &mut Wire<S>, form: &Form<'_>, head: &str) {
    let head = Message::new(head.as_bytes().to_vec().into());
    let fields: Vec<_> = head.fields().collect();
    for field in fields.iter().rev() {
        // Inside a value the protocol's line end is LF.
        let value: Vec<u8> = field.value.iter().copied().filter(|byte| *byte != b'\r').collect();
        let value = match value.strip_prefix(b" ") {
            Some(bare) if !form.spaced => bare,
            _ => &value,
        };
        wire.say(&Said::InsertHeader { index: 0, name: field.name, value });
    }
}
