//! Every address of the portal is a value of [`Path`]: routes, links and form
//! actions are written by the same function, so that a link cannot rot.
//!
//! A page of the sender is entered by the link itself or, after a step, by a
//! cookie that holds the way back ([`Entry`]), so that the address bar, the
//! history and what a shoulder-surfer photographs hold no token.

use std::fmt;

use super::words::escape;

/// A page or an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path<'a> {
    Root,
    /// GET shows, POST acts.
    Sender(Entry<'a>, Step),
    /// POST: a link pasted whole.
    Paste,
    Appeal(&'a str),
    /// POST: the sender answers.
    AppealAnswer(&'a str),
    /// The recipient's own page, and the form that asks for its link.
    Me,
    MeLink(&'a str),
    MeHeld(&'a str),
    MeDeed(&'a str, &'a str),
    MeSettings,
    /// POST: rules, flags, sessions.
    MeSenders,
    MeLeave,
    /// One message, by the digest's link.
    Message(&'a str),
    MessageDeed(&'a str, &'a str),
    Flag(&'a str),
    FlagUndo(&'a str),
    /// POST: the recipient's mail server saw it moved to Junk, or out of it.
    FlagJunk(&'a str),
    FlagNotJunk(&'a str),
    Lost,
    Help,
    About,
    Statistics,
    Live,
    Ready,
    Robots,
    /// A file whose name carries the hash of its content.
    Asset(&'a str),
    /// An organisation's logo: its id and the hash of the picture.
    Logo(&'a str),
}

/// How the sender comes to his page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// By the link: the token stands in the address.
    Link(&'a str),
    /// By the cookie that was set when the link was opened.
    Cookie,
}

/// What a recipient decides about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Deliver,
    /// Deliver, and let the sender's mail through from now on.
    Accept,
    Block,
    Spam,
    /// Not spam after all.
    Undo,
}

impl Deed {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Accept => "accept",
            Self::Block => "block",
            Self::Spam => "spam",
            Self::Undo => "undo",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Deliver, Self::Accept, Self::Block, Self::Spam, Self::Undo];
        all.into_iter().find(|deed| deed.as_str() == word)
    }
}

/// What a form of the sender does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The page itself; its form declares what the message is.
    Declare,
    Release,
    Disown,
    Withdraw,
}

impl Step {
    /// Its word in nonces and addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declare => "declare",
            Self::Release => "release",
            Self::Disown => "disown",
            Self::Withdraw => "withdraw",
        }
    }
}

impl Path<'static> {
    /// The path's pattern as the router reads it: [`Path::Sender`] of this
    /// token is `/r/{token}`.
    pub const TOKEN: &'static str = "{token}";
    pub const NAME: &'static str = "{name}";
    pub const DEED: &'static str = "{deed}";
}

impl Path<'_> {
    /// Its address, piece by piece.
    fn write(&self, mut put: impl FnMut(&str)) {
        let mut all = |pieces: &[&str]| pieces.iter().for_each(|piece| put(piece));
        match *self {
            Self::Root => all(&["/"]),
            Self::Sender(entry, step) => {
                match entry {
                    Entry::Link(token) => all(&["/r/", token]),
                    Entry::Cookie => all(&["/held"]),
                }
                if step != Step::Declare {
                    all(&["/", step.as_str()]);
                }
            }
            Self::Paste => all(&["/r"]),
            Self::Appeal(token) => all(&["/a/", token]),
            Self::AppealAnswer(token) => all(&["/a/", token, "/answer"]),
            Self::Me => all(&["/me"]),
            Self::MeLink(token) => all(&["/me/", token]),
            Self::MeHeld(name) => all(&["/me/held/", name]),
            Self::MeDeed(name, deed) => all(&["/me/held/", name, "/", deed]),
            Self::MeSettings => all(&["/me/settings"]),
            Self::MeSenders => all(&["/me/senders"]),
            Self::MeLeave => all(&["/me/leave"]),
            Self::Message(token) => all(&["/d/", token]),
            Self::MessageDeed(token, deed) => all(&["/d/", token, "/", deed]),
            Self::Flag(token) => all(&["/f/", token]),
            Self::FlagUndo(token) => all(&["/f/", token, "/undo"]),
            Self::FlagJunk(token) => all(&["/f/", token, "/junk"]),
            Self::FlagNotJunk(token) => all(&["/f/", token, "/not-junk"]),
            Self::Lost => all(&["/lost"]),
            Self::Help => all(&["/help"]),
            Self::About => all(&["/about"]),
            Self::Statistics => all(&["/stats"]),
            Self::Live => all(&["/health/live"]),
            Self::Ready => all(&["/health/ready"]),
            Self::Robots => all(&["/robots.txt"]),
            Self::Logo(name) => all(&["/logo/", name]),
            Self::Asset(name) => all(&["/assets/", name]),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = Ok(());
        self.write(|piece| written = written.and_then(|()| f.write_str(piece)));
        written
    }
}

impl maud::Render for Path<'_> {
    fn render_to(&self, buffer: &mut String) {
        self.write(|piece| escape(piece, buffer));
    }
}

#[cfg(test)]
mod tests {
    use maud::Render;

    use super::*;

    #[test]
    fn the_addresses_are_the_contract() {
        let link = Entry::Link(Path::TOKEN);
        let paths = [
            (Path::Sender(link, Step::Declare), "/r/{token}"),
            (Path::Sender(link, Step::Release), "/r/{token}/release"),
            (Path::Sender(link, Step::Disown), "/r/{token}/disown"),
            (Path::Sender(link, Step::Withdraw), "/r/{token}/withdraw"),
            (Path::Sender(Entry::Cookie, Step::Declare), "/held"),
            (Path::Sender(Entry::Cookie, Step::Withdraw), "/held/withdraw"),
            (Path::Appeal(Path::TOKEN), "/a/{token}"),
            (Path::Me, "/me"),
            (Path::MeLink(Path::TOKEN), "/me/{token}"),
            (Path::Flag(Path::TOKEN), "/f/{token}"),
            (Path::Lost, "/lost"),
            (Path::Help, "/help"),
            (Path::Statistics, "/stats"),
            (Path::Live, "/health/live"),
            (Path::Ready, "/health/ready"),
        ];
        for (path, text) in paths {
            assert_eq!(path.to_string(), text);
            assert_eq!(path.render().into_string(), text);
        }
        let strange = Path::MeHeld("\"><a&b>").render().into_string();
        assert_eq!(strange, "/me/held/&quot;&gt;&lt;a&amp;b&gt;");
    }
}
