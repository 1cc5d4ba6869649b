//! What the session said about a message: who sends it, from where, to whom.
//!
//! The envelope is stored with the message's bytes, so that a held message
//! can be judged again and delivered exactly as it was asked for.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::mail::{Address, ReversePath};

/// The SMTP client, as far as the session (or a listed proxy) tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address that checks, limits and SPF judge.
    pub ip: IpAddr,
    /// The name of a PTR record that leads back to `ip`; `None` if unverified.
    pub name: Option<String>,
    /// The HELO or EHLO argument, as sent.
    pub helo: String,
    /// TLS version and cipher, if the session is encrypted.
    pub tls: Option<String>,
    /// Whether the client said EHLO.
    pub esmtp: bool,
}

/// One RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub address: Address,
    /// The path exactly as the client wrote it, between `<` and `>`:
    /// a milter must delete a recipient with the same bytes.
    pub raw: String,
}

/// RFC 5321 section 2.3.1: the envelope of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub client: Client,
    /// Who authenticated at the MTA (milter macro `{auth_authen}`).
    pub authenticated: Option<String>,
    pub mail_from: ReversePath,
    /// In the order of the RCPT commands; a recipient's place is his slot.
    pub rcpt_to: Vec<Recipient>,
    /// BODY=8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    pub received_at: Timestamp,
    /// The id under which the session is logged.
    pub session_id: String,
}
