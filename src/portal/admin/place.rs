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
    Account,
    /// End one session of one's own.
    EndSession,
    Password,
    Audit,
    AuditCsv,
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
            Self::Account => f.write_str("/admin/account"),
            Self::EndSession => f.write_str("/admin/account/end"),
            Self::Password => f.write_str("/admin/account/password"),
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
