//! Every address of the console is a value of [`Place`]: routes, links and
//! form actions are written by the same function.

use std::fmt;

/// A page or an action of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    Home,
    Login,
    Logout,
    /// With a login and the secret of its setup link.
    Setup(&'a str, &'a str),
    Quarantine,
    /// One held message, by its id.
    Held(&'a str),
    Release(&'a str),
    Delete(&'a str),
    Read(&'a str),
    /// Block the sender of a held message.
    Block(&'a str),
    /// Teach the content model by a held message.
    Train(&'a str),
    /// A decision about many: its preview, its beginning, its progress.
    Bulk,
    RunBulk,
    Job(&'a str),
    StopJob(&'a str),
    Senders,
    Sender(&'a str),
    Decide(&'a str),
    Appeals,
    /// One appeal, by its id.
    Appeal(&'a str),
    AskAppeal(&'a str),
    GrantAppeal(&'a str),
    DenyAppeal(&'a str),
    Organisations,
    Organisation(&'a str),
    /// POST: one setting back to the file's value.
    OrganisationBack(&'a str),
    OrganisationLogo(&'a str),
    Recipients,
    Recipient(&'a str),
    RecipientDigest(&'a str),
    RecipientSessions(&'a str),
    Rules,
    EndRule,
    Queue,
    Retry(&'a str),
    GiveUp(&'a str),
    Statistics,
    Demote,
    Settings,
    Keys,
    NewKey,
    PromoteKey,
    RetireKey,
    Accounts,
    Disable,
    Enable,
    Reset,
    Tokens,
    RevokeToken,
    Account,
    /// End one session of one's own.
    EndSession,
    Password,
    LettersTo,
    Audit,
    AuditCsv,
    BlockingHome,
    /// A tab or an act of one server's delivery blocking.
    Blocking(&'a str, &'static str),
}

impl Place<'static> {
    /// Patterns as the router reads them.
    pub const ID: &'static str = "{id}";
    pub const SECRET: &'static str = "{secret}";
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home => f.write_str("/admin"),
            Self::Login => f.write_str("/admin/login"),
            Self::Logout => f.write_str("/admin/logout"),
            Self::Setup(login, secret) => write!(f, "/admin/setup/{login}/{secret}"),
            Self::Quarantine => f.write_str("/admin/quarantine"),
            Self::Held(id) => write!(f, "/admin/quarantine/{id}"),
            Self::Release(id) => write!(f, "/admin/quarantine/{id}/release"),
            Self::Delete(id) => write!(f, "/admin/quarantine/{id}/delete"),
            Self::Read(id) => write!(f, "/admin/quarantine/{id}/read"),
            Self::Block(id) => write!(f, "/admin/quarantine/{id}/block"),
            Self::Train(id) => write!(f, "/admin/quarantine/{id}/train"),
            Self::Bulk => f.write_str("/admin/many"),
            Self::RunBulk => f.write_str("/admin/many/run"),
            Self::Job(id) => write!(f, "/admin/many/{id}"),
            Self::StopJob(id) => write!(f, "/admin/many/{id}/stop"),
            Self::Senders => f.write_str("/admin/senders"),
            Self::Sender(id) => write!(f, "/admin/senders/{id}"),
            Self::Decide(id) => write!(f, "/admin/senders/{id}/decide"),
            Self::Appeals => f.write_str("/admin/appeals"),
            Self::Appeal(id) => write!(f, "/admin/appeals/{id}"),
            Self::AskAppeal(id) => write!(f, "/admin/appeals/{id}/ask"),
            Self::GrantAppeal(id) => write!(f, "/admin/appeals/{id}/grant"),
            Self::DenyAppeal(id) => write!(f, "/admin/appeals/{id}/deny"),
            Self::Organisations => f.write_str("/admin/organisations"),
            Self::Organisation(id) => write!(f, "/admin/organisations/{id}"),
            Self::OrganisationBack(id) => write!(f, "/admin/organisations/{id}/back"),
            Self::OrganisationLogo(id) => write!(f, "/admin/organisations/{id}/logo"),
            Self::Recipients => f.write_str("/admin/recipients"),
            Self::Recipient(id) => write!(f, "/admin/recipients/{id}"),
            Self::RecipientDigest(id) => write!(f, "/admin/recipients/{id}/digest"),
            Self::RecipientSessions(id) => write!(f, "/admin/recipients/{id}/end-sessions"),
            Self::Rules => f.write_str("/admin/rules"),
            Self::EndRule => f.write_str("/admin/rules/end"),
            Self::Queue => f.write_str("/admin/queue"),
            Self::Retry(id) => write!(f, "/admin/queue/{id}/retry"),
            Self::GiveUp(id) => write!(f, "/admin/queue/{id}/give-up"),
            Self::Statistics => f.write_str("/admin/statistics"),
            Self::Demote => f.write_str("/admin/statistics/demote"),
            Self::Settings => f.write_str("/admin/settings"),
            Self::Keys => f.write_str("/admin/keys"),
            Self::NewKey => f.write_str("/admin/keys/new"),
            Self::PromoteKey => f.write_str("/admin/keys/promote"),
            Self::RetireKey => f.write_str("/admin/keys/retire"),
            Self::Accounts => f.write_str("/admin/accounts"),
            Self::Disable => f.write_str("/admin/accounts/disable"),
            Self::Enable => f.write_str("/admin/accounts/enable"),
            Self::Reset => f.write_str("/admin/accounts/reset"),
            Self::Tokens => f.write_str("/admin/tokens"),
            Self::RevokeToken => f.write_str("/admin/tokens/revoke"),
            Self::Account => f.write_str("/admin/account"),
            Self::EndSession => f.write_str("/admin/account/end"),
            Self::Password => f.write_str("/admin/account/password"),
            Self::LettersTo => f.write_str("/admin/account/address"),
            Self::BlockingHome => f.write_str("/admin/blocking"),
            Self::Blocking(server, what) => write!(f, "/admin/blocking/{server}/{what}"),
            Self::Audit => f.write_str("/admin/audit"),
            Self::AuditCsv => f.write_str("/admin/audit.csv"),
        }
    }
}

impl maud::Render for Place<'_> {
    fn render_to(&self, buffer: &mut String) {
        format_args!("{self}").render_to(buffer);
    }
}

/// Text inside a query, percent-encoded (RFC 3986 section 2.3).
pub struct Encoded<'a>(pub &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                byte => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
