//! The engines beside the filter, asked for real: Debian's clamd, rspamd and
//! spamd on private ports with signatures and rules of our own, and fakes that hang, lie or go away. A
//! daemon that is not installed is skipped with a word (never where `CI` is
//! set).

mod clamd;
mod daemon;
mod mail;
mod rspamd;
mod spamd;
