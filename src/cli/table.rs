//! Every command and flag in one table: `--help` is made of it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

use super::{suppression, train};

/// A mail quarantine with a door for the sender.
#[derive(Debug, Parser)]
#[command(name = "reprieve", version, max_term_width = 100)]
pub(super) struct Table {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway
    Serve(Configured),
    /// Write an annotated configuration, keys and folders into DIR
    Init {
        /// An empty or new folder
        dir: PathBuf,
    },
    /// Look at configuration, keys, store, wiring and DNS; say what is wrong
    Check {
        #[command(flatten)]
        configured: Configured,
        /// Ask neither DNS nor any server
        #[arg(long)]
        offline: bool,
        /// An address that letters leave from, to look for its PTR record
        #[arg(long, value_name = "ADDRESS")]
        from: Vec<IpAddr>,
        /// Send a test mail to this served address through the MTA, and say what its answer proves
        #[arg(long, value_name = "ADDRESS", conflicts_with = "offline")]
        mail: Option<String>,
        /// The MTA that takes the test mail
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:25", requires = "mail")]
        mta: SocketAddr,
    },
    /// Keys that sign links: make, promote, retire, list
    #[command(subcommand)]
    Key(KeyCommand),
    /// Held messages: list, show, release, delete
    #[command(subcommand)]
    Held(HeldCommand),
    /// Letters to senders: whether they go out, and let them out again
    #[command(subcommand)]
    Notices(NoticesCommand),
    /// What could not be delivered: list, retry
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Who may use the console: add, list, disable, enable, reset
    #[command(subcommand)]
    Admin(AdminCommand),
    /// A stopped gateway's store: verify, rebuild
    #[command(subcommand)]
    Store(StoreCommand),
    /// Appeals of mass mailers: list, show, ask, grant, deny
    #[command(subcommand)]
    Appeals(AppealsCommand),
    /// Write a recipient the digest of what is held for him, now
    Digest {
        /// His address
        to: String,
        #[command(flatten)]
        configured: Configured,
    },
    /// Write the whole store into FILE, while the gateway runs or not
    Backup {
        /// A new file
        file: PathBuf,
        #[command(flatten)]
        configured: Configured,
    },
    /// Make a store of the backup FILE, where none is yet
    Restore {
        file: PathBuf,
        #[command(flatten)]
        configured: Configured,
    },
    /// Judge mails from files, and print what the filter says
    Replay {
        /// Mails (.eml), folders, or .tar.xz archives of them
        #[arg(required = true)]
        path: Vec<PathBuf>,
        /// The configuration to judge by, without what was taken down in the
        /// console; without it, the defaults without DNS
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// One JSON object a mail
        #[arg(long)]
        json: bool,
        /// Only how many there were of each class and verdict; and for folders
        /// named spam and ham, what the checks catch, alone and together
        #[arg(long)]
        summary: bool,
    },
    /// Delivery blocking: lists, servers, runs, logs
    #[command(subcommand)]
    Suppression(suppression::SuppressionCommand),
    /// Bounces from files: classify
    #[command(subcommand)]
    Bounce(BounceCommand),
    /// Teach the content model: spam, ham, new, show, export, import
    #[command(subcommand)]
    Train(train::Command),
    /// Run the whole story on this machine, with nothing installed
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
pub(super) enum BounceCommand {
    /// Print each recipient of each bounce, and why it failed
    Classify {
        /// Mails (.eml), folders, or .tar and .tar.xz archives of them
        #[arg(required = true)]
        path: Vec<PathBuf>,
        /// One JSON object a mail
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key that verifies but does not sign yet
    New(Keys),
    /// Make the key ID the one that signs
    Promote {
        id: u16,
        #[command(flatten)]
        keys: Keys,
    },
    /// Remove the key ID: every link that it signed ends
    Retire {
        id: u16,
        #[command(flatten)]
        keys: Keys,
    },
    /// Print every key
    List {
        #[command(flatten)]
        keys: Keys,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make the key that signs letters, unless there is one, and print its DNS record
    Dkim(Configured),
}

#[derive(Debug, Subcommand)]
pub(super) enum HeldCommand {
    /// Print held messages, the oldest first
    List {
        #[command(flatten)]
        configured: Configured,
        /// Begin behind this id or reference
        #[arg(long)]
        after: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print one message's record, by id or reference
    Show(One),
    /// Deliver it, whatever its sender may do himself
    Release(One),
    /// Withdraw it and erase its body
    Delete(One),
}

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Make an administrator, and print the link with which he sets himself up
    Add {
        #[command(flatten)]
        one: Administrator,
        #[arg(long, default_value = "operator",
              value_parser = ["operator", "organisation-admin", "auditor"])]
        role: String,
        /// An organisation that an organisation-admin decides for
        #[arg(long, value_name = "ID")]
        organisation: Vec<String>,
    },
    /// Print every administrator
    List {
        #[command(flatten)]
        configured: Configured,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End every session of one, and let him in no more
    Disable(Administrator),
    /// Let him in again
    Enable(Administrator),
    /// Forget his password and codes, and print a fresh link
    Reset(Administrator),
}

/// One administrator.
#[derive(Args, Clone, Debug)]
pub(super) struct Administrator {
    /// 1 to 64 lower-case letters, digits and . _ - @
    pub(super) login: String,
    #[command(flatten)]
    pub(super) configured: Configured,
    /// JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One held message.
#[derive(Args, Clone, Debug)]
pub(super) struct One {
    /// Its id, or its reference (7K2M-9QXD)
    pub(super) which: String,
    #[command(flatten)]
    pub(super) configured: Configured,
    /// JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum AppealsCommand {
    /// Print appeals, the most urgent first
    List {
        /// Those that were decided too
        #[arg(long)]
        decided: bool,
        #[command(flatten)]
        configured: Configured,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print one appeal, by id or by its message's reference
    Show(One),
    /// Ask its sender something
    Ask {
        #[command(flatten)]
        one: One,
        /// The question
        text: String,
        /// Who asks, for the audit
        #[arg(long, default_value = "operator")]
        by: String,
    },
    /// Let the campaign through, and deliver what is held
    Grant {
        #[command(flatten)]
        one: One,
        /// All mail of this proved sender, not this campaign alone
        #[arg(long)]
        identity: bool,
        /// For so many days
        #[arg(long, default_value_t = 90)]
        days: u16,
        /// For so many messages
        #[arg(long, default_value_t = 10_000)]
        volume: u32,
        /// What the sender reads
        #[arg(long, default_value = "")]
        reason: String,
        /// Who decides
        #[arg(long, default_value = "operator")]
        by: String,
    },
    /// Deny it, with a reason that the sender reads
    Deny {
        #[command(flatten)]
        one: One,
        #[arg(long)]
        reason: String,
        /// Who decides
        #[arg(long, default_value = "operator")]
        by: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum NoticesCommand {
    /// Say whether the breaker is open, since when and why
    Show {
        #[command(flatten)]
        configured: Configured,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Let letters out again, after you have seen why they bounced
    CloseBreaker(Configured),
}

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// Print what failed and is kept, and what each server said
    List {
        #[command(flatten)]
        configured: Configured,
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Deliver it now, by its item's id
    Retry {
        item: Uuid,
        #[command(flatten)]
        configured: Configured,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Read every frame, record, index key and message
    Verify(Configured),
    /// Build the index anew from the journal
    Rebuild {
        #[command(flatten)]
        configured: Configured,
        /// The engine, if another than the configuration's
        #[arg(long, value_parser = ["sled", "redb"])]
        index: Option<String>,
    },
}

/// Where a command's configuration is.
#[derive(Args, Clone, Debug)]
pub(super) struct Configured {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/reprieve/reprieve.toml")]
    pub(super) config: PathBuf,
    /// Override one key of it: --set release.delay="5 s"
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
}

/// Where the keys are.
#[derive(Args, Clone, Debug)]
pub(super) struct Keys {
    /// The folder of the keys (default: the configuration's)
    #[arg(long, value_name = "DIR")]
    pub(super) keys: Option<PathBuf>,
    #[command(flatten)]
    pub(super) configured: Configured,
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Demo {
    /// Run the story to its end, then exit
    #[arg(long)]
    pub(super) headless: bool,
    /// Send nothing
    #[arg(long)]
    pub(super) empty: bool,
    /// Print one line of JSON when everything listens
    #[arg(long)]
    pub(super) json: bool,
    /// Say what the gateway logs
    #[arg(long)]
    pub(super) verbose: bool,
    /// Where SMTP listens (port 0: any free)
    #[arg(long, value_name = "ADDRESS")]
    pub(super) smtp: Option<SocketAddr>,
    /// Where the sender's pages are
    #[arg(long, value_name = "ADDRESS")]
    pub(super) portal: Option<SocketAddr>,
    /// Where the outside world's inbox is
    #[arg(long, value_name = "ADDRESS")]
    pub(super) inbox: Option<SocketAddr>,
    /// Where the milter listens, for an MTA of yours to ask
    #[arg(long, value_name = "ADDRESS")]
    pub(super) milter: Option<SocketAddr>,
    /// Keep the state here
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Override one key of the configuration
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Feed real mails first: a folder or archive (needs --headless)
    #[arg(long, value_name = "DIR", requires = "headless")]
    pub(super) corpus: Vec<PathBuf>,
}
