//! The demo as a sender and as a browser: a plain SMTP client and a plain
//! HTTP client, each a conversation over one socket on loopback.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What a mail server answered to a message: the last reply, one line.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: u16,
    pub text: String,
}

/// A sending server's session; it can send one message after another.
pub struct Sender {
    stream: BufReader<TcpStream>,
}

impl Sender {
    /// Connects and greets as `helo`.
    ///
    /// # Errors
    /// If the server cannot be reached or does not greet.
    pub async fn connect(server: SocketAddr, helo: &str) -> std::io::Result<Self> {
        let stream = BufReader::new(TcpStream::connect(server).await?);
        let mut sender = Self { stream };
        sender.reply().await?;
        sender.say(&format!("EHLO {helo}")).await?;
        Ok(sender)
    }

    /// Sends `message` (CRLF line ends) and answers the reply that decided.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn send(
        &mut self,
        mail_from: &str,
        rcpt_to: &[&str],
        message: &[u8],
    ) -> std::io::Result<Answer> {
        let utf8 = if mail_from.is_ascii() { "" } else { " SMTPUTF8" };
        let mut answer = self.say(&format!("MAIL FROM:<{mail_from}> BODY=8BITMIME{utf8}")).await?;
        let mut taken = false;
        if answer.code == 250 {
            for to in rcpt_to {
                answer = self.say(&format!("RCPT TO:<{to}>")).await?;
                taken |= answer.code == 250;
            }
        }
        if !taken {
            self.say("RSET").await?;
            return Ok(answer);
        }
        answer = self.say("DATA").await?;
        if answer.code != 354 {
            return Ok(answer);
        }
        self.stream.write_all(&stuffed(message)).await?;
        self.reply().await
    }

    async fn say(&mut self, line: &str) -> std::io::Result<Answer> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> std::io::Result<Answer> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let (Some(code), Some(rest)) = (code, line.get(4..)) else {
                return Err(std::io::ErrorKind::InvalidData.into());
            };
            if line.as_bytes()[3] != b'-' {
                return Ok(Answer { code, text: rest.trim_end().to_owned() });
            }
        }
    }
}

/// RFC 5321 section 4.5.2, with the end of data.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    let mut start = true;
    for line in message.split_inclusive(|b| *b == b'\n') {
        if start && line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        start = line.ends_with(b"\r\n");
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// A page as a browser gets it.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A browser: keeps cookies, follows nothing by itself.
#[derive(Default)]
pub struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// GET `url` (`http://host:port/path`).
    ///
    /// # Errors
    /// If the server cannot be reached or answers no HTTP.
    pub async fn open(&mut self, url: &str) -> std::io::Result<Page> {
        self.ask("GET", url, "").await
    }

    /// POST a form; follows the redirect of an answer to a POST (303).
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub async fn submit(
        &mut self,
        url: &str,
        fields: &[(String, String)],
    ) -> std::io::Result<Page> {
        let form: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", quoted(name), quoted(value)))
            .collect();
        let page = self.ask("POST", url, &form.join("&")).await?;
        match page.header("location") {
            Some(to) if page.status == 303 => {
                let to = absolute(url, to);
                self.ask("GET", &to, "").await
            }
            _ => Ok(page),
        }
    }

    async fn ask(&mut self, method: &str, url: &str, form: &str) -> std::io::Result<Page> {
        let bad = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer");
        let rest = url.strip_prefix("http://").ok_or_else(bad)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = format!(
            "{method} /{path} HTTP/1.0\r\nHost: {host}\r\nAccept-Language: en\r\nConnection: close\r\n"
        );
        if !cookies.is_empty() {
            request += &format!("Cookie: {}\r\n", cookies.join("; "));
        }
        if method == "POST" {
            request += &format!(
                "Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                form.len()
            );
        }
        let mut stream = TcpStream::connect(host).await?;
        stream.write_all(format!("{request}\r\n{form}").as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
        let page = Page { status, head: head.to_owned(), body: body.to_owned() };
        self.keep_cookies(&page);
        Ok(page)
    }

    fn keep_cookies(&mut self, page: &Page) {
        for value in page.headers("set-cookie") {
            let pair = value.split(';').next().unwrap_or(value);
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.retain(|(known, _)| known != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

impl Page {
    /// The first header field of this name (in lower case).
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head.split("\r\n").filter_map(move |line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The form whose `action` ends with `action` (or the first): where it
    /// goes and its hidden fields, as the page says.
    pub fn form(&self, url: &str, action: &str) -> Option<Form> {
        let forms = self.body.split("<form").skip(1).map(|rest| {
            let end = rest.find("</form>").unwrap_or(rest.len());
            &rest[..end]
        });
        for form in forms {
            let to = attribute(form.split('>').next()?, "action").unwrap_or_default();
            if !to.ends_with(action) {
                continue;
            }
            let hidden = form
                .split("<input")
                .skip(1)
                .map(|input| input.split('>').next().unwrap_or(input))
                .filter(|input| attribute(input, "type").as_deref() == Some("hidden"))
                .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
            return Some(Form { url: absolute(url, &to), hidden: hidden.collect() });
        }
        None
    }

    /// The page's words, without its marks.
    pub fn words(&self) -> String {
        let mut words = String::new();
        let body = self.body.split_once("<main").map_or(self.body.as_str(), |(_, main)| main);
        let mut inside = true;
        for c in body.chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    words.push(' ');
                }
                c if !inside => words.push(c),
                _ => {}
            }
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A form of a page, ready to be filled in.
#[derive(Clone, Debug)]
pub struct Form {
    pub url: String,
    pub hidden: Vec<(String, String)>,
}

impl Form {
    /// Its hidden fields and one that the sender chose.
    pub fn with(&self, name: &str, value: &str) -> Vec<(String, String)> {
        let mut fields = self.hidden.clone();
        fields.push((name.to_owned(), value.to_owned()));
        fields
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&amp;", "&").replace("&quot;", "\""))
}

fn absolute(base: &str, to: &str) -> String {
    if to.starts_with("http://") {
        return to.to_owned();
    }
    let host_end = base.find("//").and_then(|at| base[at + 2..].find('/').map(|end| at + 2 + end));
    let host = &base[..host_end.unwrap_or(base.len())];
    match to {
        "" => base.to_owned(),
        to if to.starts_with('/') => format!("{host}{to}"),
        to => format!("{}/{to}", base.rsplit_once('/').map_or(base, |(folder, _)| folder)),
    }
}

/// application/x-www-form-urlencoded.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_stuffed_only_at_the_start_of_a_line() {
        assert_eq!(stuffed(b".a\r\nb.\r\n..\r\n"), b"..a\r\nb.\r\n...\r\n.\r\n");
        assert_eq!(stuffed(b"a"), b"a\r\n.\r\n");
        assert_eq!(stuffed(b""), b"\r\n.\r\n");
    }

    #[test]
    fn forms_are_read_from_pages() {
        let page = Page {
            status: 200,
            head: "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/".to_owned(),
            body:
                "<main><form method=\"post\" action=\"/r/x\"><input type=\"hidden\" name=\"nonce\" \
                   value=\"n&amp;1\"><input type=\"radio\" name=\"what\" value=\"1\"></form></main>"
                    .to_owned(),
        };
        let form = page.form("http://h:1/r/x", "").unwrap();
        assert_eq!(form.url, "http://h:1/r/x");
        assert_eq!(form.hidden, [("nonce".to_owned(), "n&1".to_owned())]);
        assert_eq!(page.header("set-cookie"), Some("a=b; Path=/"));
        assert_eq!(absolute("http://h:1/r/x", "y"), "http://h:1/r/y");
        assert_eq!(absolute("http://h:1", "/y"), "http://h:1/y");
    }
}
