//! One command line, parsed once into a [`Command`] that cannot be wrong.
//!
//! RFC 5321 section 4.1, RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531
//! (SMTPUTF8), and Postfix's XCLIENT and XFORWARD. The line comes from
//! anybody: it is refused unless it is UTF-8 without control characters, and
//! no answer repeats a byte of it.

use crate::mail::{Address, AddressError, Reply, ReversePath};

use super::forward::Attributes;

/// What a client may ask. Arguments are checked as far as syntax goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Ehlo(String),
    Helo(String),
    Mail(Mail),
    Rcpt(ForwardPath),
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    StartTls,
    XClient(Attributes),
    XForward(Attributes),
    /// Known, but not offered here: AUTH, LHLO, EXPN, ETRN and kin.
    NotOffered,
    /// RFC 3030, not offered. Its chunk follows whatever we answer.
    Bdat,
}

/// MAIL FROM with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub from: ReversePath,
    /// SIZE=, bytes.
    pub size: Option<usize>,
    /// BODY=8BITMIME.
    pub eight_bit: bool,
    pub smtputf8: bool,
}

/// What stands in RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// RFC 5321 section 4.5.1: `<Postmaster>` without a domain.
    Postmaster(String),
    Address {
        address: Address,
        /// Exactly as written between the brackets.
        raw: String,
    },
}

/// Why a line is no command. No variant quotes the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("Commands end with CRLF, and have no CR, LF or NUL elsewhere")]
    LineEnd,
    #[error("Line too long")]
    TooLong,
    #[error("Commands are printable ASCII or UTF-8")]
    Characters,
    #[error("Command not recognised")]
    Unknown,
    #[error("A host name or address literal must follow")]
    HostName,
    #[error("Syntax: {0}")]
    Usage(&'static str),
    #[error("Parameter not recognised")]
    Parameter,
    #[error("Parameter repeated, or its value is not valid")]
    ParameterValue,
    #[error("The sender's address is not valid")]
    Sender,
    #[error("The recipient's address is not valid")]
    Recipient,
    #[error("The null path cannot receive mail")]
    NullRecipient,
    #[error("Relaying is not permitted; address the recipient directly")]
    Route,
    #[error("This address needs SMTPUTF8")]
    NeedsUtf8,
}

impl SyntaxError {
    /// The answer to such a line.
    pub fn reply(self) -> Reply {
        let (code, enhanced) = match self {
            Self::LineEnd | Self::TooLong => (500, (5, 5, 2)),
            Self::Unknown => (500, (5, 5, 1)),
            Self::Characters | Self::Usage(_) => (501, (5, 5, 2)),
            Self::HostName | Self::ParameterValue => (501, (5, 5, 4)),
            Self::Parameter => (555, (5, 5, 4)),
            Self::Sender => (501, (5, 1, 7)),
            Self::Recipient => (501, (5, 1, 3)),
            Self::NullRecipient => (550, (5, 1, 3)),
            Self::Route => (550, (5, 7, 1)),
            Self::NeedsUtf8 => (553, (5, 6, 7)),
        };
        Reply::new(code, enhanced, self.to_string())
    }
}

impl Command {
    /// Parses a line without its CRLF. `utf8`: the transaction was begun with
    /// SMTPUTF8, so that RCPT may use it too.
    ///
    /// # Errors
    /// [`SyntaxError`], whose reply is the answer to the line.
    pub fn parse(line: &[u8], utf8: bool) -> Result<Self, SyntaxError> {
        if memchr::memchr3(b'\r', b'\n', 0, line).is_some() {
            return Err(SyntaxError::LineEnd);
        }
        let line = std::str::from_utf8(line).map_err(|_| SyntaxError::Characters)?;
        if line.chars().any(char::is_control) {
            return Err(SyntaxError::Characters);
        }
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim_matches(' ');
        let is = |word: &str| verb.eq_ignore_ascii_case(word);
        match verb.len() {
            4 if is("MAIL") => mail(argument).map(Self::Mail),
            4 if is("RCPT") => rcpt(argument, utf8).map(Self::Rcpt),
            4 if is("DATA") => bare(argument, Self::Data, "DATA"),
            4 if is("EHLO") => host_name(argument).map(Self::Ehlo),
            4 if is("HELO") => host_name(argument).map(Self::Helo),
            4 if is("QUIT") => bare(argument, Self::Quit, "QUIT"),
            4 if is("RSET") => bare(argument, Self::Rset, "RSET"),
            4 if is("NOOP") => Ok(Self::Noop),
            4 if is("HELP") => Ok(Self::Help),
            4 if is("VRFY") && argument.is_empty() => Err(SyntaxError::Usage("VRFY address")),
            4 if is("VRFY") => Ok(Self::Vrfy),
            4 if is("BDAT") => Ok(Self::Bdat),
            8 if is("STARTTLS") => bare(argument, Self::StartTls, "STARTTLS"),
            7 if is("XCLIENT") => Attributes::parse(argument).map(Self::XClient),
            8 if is("XFORWARD") => Attributes::parse(argument).map(Self::XForward),
            4 if NOT_OFFERED.iter().any(|word| is(word)) => Ok(Self::NotOffered),
            _ => Err(SyntaxError::Unknown),
        }
    }
}

/// RFC 4954, 2033, 5321, 1985 and 821.
const NOT_OFFERED: [&str; 8] = ["AUTH", "LHLO", "EXPN", "ETRN", "TURN", "SEND", "SOML", "SAML"];

fn bare(argument: &str, command: Command, usage: &'static str) -> Result<Command, SyntaxError> {
    if argument.is_empty() { Ok(command) } else { Err(SyntaxError::Usage(usage)) }
}

/// Many clients name themselves badly; that is for the filter to judge. Here
/// it need only be one word that can stand in a trace header.
fn host_name(argument: &str) -> Result<String, SyntaxError> {
    let good = (1..=255).contains(&argument.len())
        && argument.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    good.then(|| argument.to_owned()).ok_or(SyntaxError::HostName)
}

/// RFC 5321 section 4.1.1.2.
fn mail(argument: &str) -> Result<Mail, SyntaxError> {
    let usage = SyntaxError::Usage("MAIL FROM:<address> [SIZE=] [BODY=] [SMTPUTF8]");
    let rest = keyword(argument, "FROM:").ok_or(usage)?;
    let (path, parameters) = path(rest).ok_or(usage)?;
    let mut mail = parameters_of_mail(parameters)?;
    if !path.is_empty() {
        mail.from = ReversePath::Address(address(path, mail.smtputf8, SyntaxError::Sender)?);
    }
    Ok(mail)
}

fn parameters_of_mail(parameters: &str) -> Result<Mail, SyntaxError> {
    let mut mail = Mail { from: ReversePath::Null, size: None, eight_bit: false, smtputf8: false };
    let mut body = false;
    for parameter in parameters.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        let first = match name.to_ascii_uppercase().as_str() {
            "SIZE" => mail.size.replace(size(value)?).is_none(),
            "BODY" => {
                mail.eight_bit = match value.map(str::to_ascii_uppercase).as_deref() {
                    Some("8BITMIME") => true,
                    Some("7BIT") => false,
                    _ => return Err(SyntaxError::ParameterValue),
                };
                !std::mem::replace(&mut body, true)
            }
            "SMTPUTF8" if value.is_none() => !std::mem::replace(&mut mail.smtputf8, true),
            "SMTPUTF8" => false,
            _ => return Err(SyntaxError::Parameter),
        };
        if !first {
            return Err(SyntaxError::ParameterValue);
        }
    }
    Ok(mail)
}

/// RFC 1870 section 4: 1 to 20 digits.
fn size(value: Option<&str>) -> Result<usize, SyntaxError> {
    let digits = value.filter(|v| (1..=20).contains(&v.len()) && v.bytes().all(is_digit));
    let digits = digits.ok_or(SyntaxError::ParameterValue)?;
    Ok(digits.parse().unwrap_or(usize::MAX))
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// RFC 5321 section 4.1.1.3. No parameter of RCPT is offered.
fn rcpt(argument: &str, utf8: bool) -> Result<ForwardPath, SyntaxError> {
    let usage = SyntaxError::Usage("RCPT TO:<address>");
    let rest = keyword(argument, "TO:").ok_or(usage)?;
    let (path, parameters) = path(rest).ok_or(usage)?;
    if !parameters.is_empty() {
        return Err(SyntaxError::Parameter);
    }
    if path.is_empty() {
        return Err(SyntaxError::NullRecipient);
    }
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster(path.to_owned()));
    }
    let address = address(path, utf8, SyntaxError::Recipient)?;
    if address.is_routed() {
        return Err(SyntaxError::Route);
    }
    Ok(ForwardPath::Address { address, raw: path.to_owned() })
}

/// The address of a path; `invalid` tells whose it is.
fn address(path: &str, utf8: bool, invalid: SyntaxError) -> Result<Address, SyntaxError> {
    match Address::parse_utf8(path) {
        Ok(_) if !utf8 && !path.is_ascii() => Err(SyntaxError::NeedsUtf8),
        Ok(address) => Ok(address),
        // Nobody else's mail is passed on, whichever way it is asked for.
        Err(AddressError::SourceRoute | AddressError::Literal)
            if invalid == SyntaxError::Recipient =>
        {
            Err(SyntaxError::Route)
        }
        Err(_) => Err(invalid),
    }
}

fn keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    // RFC 5321 section 3.3 forbids the space that old devices put here.
    word.eq_ignore_ascii_case(keyword).then(|| rest.trim_start_matches(' '))
}

/// Splits `<path> parameters`, minding that a quoted string may hold `>`.
fn path(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let rest = &inner[at + 1..];
                let parameters = rest.strip_prefix(' ').or(rest.is_empty().then_some(""))?;
                return Some((&inner[..at], parameters.trim_start_matches(' ')));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Code and enhanced code of the refusal of `line`.
    fn refusal(line: &str) -> String {
        let reply = Command::parse(line.as_bytes(), false).unwrap_err().reply();
        let (class, subject, detail) = reply.enhanced().unwrap();
        format!("{} {class}.{subject}.{detail}", reply.code())
    }

    fn rcpt_of(line: &str) -> Address {
        match Command::parse(line.as_bytes(), false).unwrap() {
            Command::Rcpt(ForwardPath::Address { address, .. }) => address,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_mail_with_its_parameters() {
        let line = b"mail from: <\"a > b\"@Example.ORG> SIZE=10240 body=8BITMIME SMTPUTF8";
        let Ok(Command::Mail(mail)) = Command::parse(line, false) else { panic!() };
        assert_eq!(mail.from.to_string(), "\"a > b\"@example.org");
        assert_eq!((mail.size, mail.eight_bit, mail.smtputf8), (Some(10240), true, true));
    }

    #[test]
    fn refuses_parameters_that_are_not_offered() {
        assert_eq!(refusal("MAIL FROM:<> RET=HDRS"), "555 5.5.4");
        assert_eq!(refusal("MAIL FROM:<> AUTH=<>"), "555 5.5.4");
        assert_eq!(refusal("MAIL FROM:<> BODY=BINARYMIME"), "501 5.5.4");
        assert_eq!(refusal("MAIL FROM:<> SIZE=x"), "501 5.5.4");
        assert_eq!(refusal("MAIL FROM:<> SIZE=1 SIZE=1"), "501 5.5.4");
        assert_eq!(refusal("RCPT TO:<a@ours.example> NOTIFY=NEVER"), "555 5.5.4");
    }

    #[test]
    fn s_26_non_ascii_needs_smtputf8() {
        assert_eq!(refusal("MAIL FROM:<ü@x>"), "553 5.6.7");
        assert!(Command::parse("MAIL FROM:<ü@x> SMTPUTF8".as_bytes(), false).is_ok());
        assert_eq!(refusal("RCPT TO:<ü@ours.example>"), "553 5.6.7");
        assert!(Command::parse("RCPT TO:<ü@ours.example>".as_bytes(), true).is_ok());
    }

    #[test]
    fn s_27_bad_addresses() {
        assert_eq!(refusal("MAIL FROM:<a@xn--->"), "501 5.1.7");
        assert_eq!(refusal(&format!("MAIL FROM:<{}@a.test>", "a".repeat(300))), "501 5.1.7");
        assert_eq!(refusal(&format!("RCPT TO:<{}@ours>", "a".repeat(300))), "501 5.1.3");
        assert_eq!(refusal("RCPT TO:<henry\u{2163}@ours>"), "501 5.1.3");
        assert_eq!(refusal("RCPT TO:<>"), "550 5.1.3");
    }

    #[test]
    fn s_28_s_29_paths_that_two_parsers_read_differently() {
        for path in [
            ";for i in 0;do id;done;",
            "(any@legit.com",
            "any@legit.com(a.attack.com",
            "any@legit.com'@any.attack.com",
            "@legit.com,@any.com:'any@attack.com",
        ] {
            assert_eq!(refusal(&format!("MAIL FROM:<{path}>")), "501 5.1.7", "{path}");
        }
    }

    #[test]
    fn s_31_no_way_of_asking_for_a_relay() {
        for path in [
            "\"victim@other\"@ours",
            "victim%other@ours",
            "@ours:victim@other",
            "other!victim@ours",
        ] {
            assert_eq!(refusal(&format!("RCPT TO:<{path}>")), "550 5.7.1", "{path}");
        }
        assert_eq!(rcpt_of("RCPT TO:<a@OURS.example>").to_string(), "a@ours.example");
    }

    #[test]
    fn s_14_s_25_lines_that_are_no_lines() {
        assert_eq!(Command::parse(b"NOOP\nMAIL FROM:<a@b>", false), Err(SyntaxError::LineEnd));
        assert_eq!(Command::parse(b"NOOP\r", false), Err(SyntaxError::LineEnd));
        assert_eq!(Command::parse(b"NOOP\0", false), Err(SyntaxError::LineEnd));
        assert_eq!(Command::parse(b"\x80\x81", false), Err(SyntaxError::Characters));
    }

    #[test]
    fn knows_what_it_does_not_offer() {
        for line in ["AUTH PLAIN x", "lhlo a", "EXPN list", "ETRN x"] {
            assert_eq!(Command::parse(line.as_bytes(), false), Ok(Command::NotOffered), "{line}");
        }
        assert_eq!(Command::parse(b"BDAT 5", false), Ok(Command::Bdat));
        assert_eq!(Command::parse(b"", false), Err(SyntaxError::Unknown));
    }

    proptest! {
        /// The twin of the fuzz target `smtp_command`.
        #[test]
        fn never_panics_and_never_repeats_the_line(line in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Err(error) = Command::parse(&line, line.len().is_multiple_of(2)) {
                let reply = error.reply().to_string();
                prop_assert!(reply.len() <= 510 && reply.is_ascii());
            }
        }

        #[test]
        fn what_is_accepted_has_one_reading(local in "[ -~]{1,20}", domain in "[ -~]{1,20}") {
            let line = format!("RCPT TO:<{local}@{domain}>");
            if let Ok(Command::Rcpt(ForwardPath::Address { address, raw })) =
                Command::parse(line.as_bytes(), false)
            {
                prop_assert_eq!(Address::parse(&raw), Ok(address.clone()));
                prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
            }
        }
    }
}
