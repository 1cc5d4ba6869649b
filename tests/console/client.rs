//! A browser of an administrator, over the portal's router: it keeps cookies
//! and sends the tokens of the forms it has seen.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use reprieve::account::totp::Totp;
use reprieve::account::{Entry, Login, Role};
use reprieve::clock::SignedDuration;
use tower::ServiceExt;

use crate::stage::Stage;

pub const PASSWORD: &str = "correct horse battery";
const HOST: &str = "mail.example";

pub struct Client<'s> {
    pub stage: &'s Stage,
    pub cookies: BTreeMap<String, String>,
    /// The last form token that a page showed.
    pub form: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |one| one.to_str().unwrap())
    }
}

impl<'s> Client<'s> {
    pub fn new(stage: &'s Stage) -> Self {
        Self { stage, cookies: BTreeMap::new(), form: String::new() }
    }

    /// A client with an open session of a fresh account of this role.
    pub async fn enter(stage: &'s Stage, login: &str, role: Role) -> Self {
        let accounts = &stage.console.accounts;
        let by = Entry::new("console", "test");
        let name = Login::parse(login).unwrap();
        let secret = accounts.add(&by, name.clone(), role).await.unwrap();
        let totp = Totp::new();
        let code = totp.code(stage.clock.now());
        accounts.set_up(&by, (&name, &secret), PASSWORD, (&totp, &code)).await.unwrap();
        stage.clock.advance(SignedDuration::from_secs(60));
        let mut client = Self::new(stage);
        let code = totp.code(stage.clock.now());
        let answer = client.log_in(login, PASSWORD, &code).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        client
    }

    pub async fn log_in(&mut self, login: &str, password: &str, code: &str) -> Answer {
        self.get("/admin/login").await;
        let fields = [("login", login), ("password", password), ("code", code)];
        self.post("/admin/login", &fields).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, Body::empty()).await
    }

    /// Sends the fields with the last form token.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.form.clone();
        let mut all = vec![("form", form.as_str())];
        all.extend_from_slice(fields);
        let pairs: Vec<String> =
            all.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.ask(Method::POST, path, Body::from(pairs.join("&"))).await
    }

    pub async fn ask(&mut self, method: Method, path: &str, body: Body) -> Answer {
        self.ask_as(method, path, "application/x-www-form-urlencoded", body).await
    }

    /// Sends a file with a form, and the form's last token before it.
    pub async fn upload(&mut self, path: &str, column: &str, file: &[u8]) -> Answer {
        const KIND: &str = "multipart/form-data; boundary=b-o-u-n-d";
        let field = |name: &str, value: &str| {
            format!(
                "--b-o-u-n-d\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        };
        let mut body = field("form", &self.form) + &field("column", column);
        body += "--b-o-u-n-d\r\nContent-Disposition: form-data; name=\"file\"; \
                 filename=\"list.csv\"\r\nContent-Type: text/csv\r\n\r\n";
        let body = [body.as_bytes(), file, b"\r\n--b-o-u-n-d--\r\n"].concat();
        self.ask_as(Method::POST, path, KIND, Body::from(body)).await
    }

    pub async fn ask_as(&mut self, method: Method, path: &str, kind: &str, body: Body) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::CONTENT_TYPE, kind)
            .header("sec-fetch-site", "same-origin")
            .body(body)
            .unwrap();
        let answer = self.stage.portal.router().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = value.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        if let Some(rest) = body.split("name=\"form\" value=\"").nth(1) {
            rest.split('"').next().unwrap().clone_into(&mut self.form);
        }
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}
