//! Debian's chromium behind its driver, at phone size.

#![allow(dead_code, reason = "each test that drives a browser uses its part")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A driver that ends with this value.
pub struct Driver {
    child: Child,
    /// Kept open: a driver that cannot write its lines ends.
    _lines: BufReader<ChildStdout>,
    url: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 360 pixels wide, touched, and high enough to show most pages whole.
    Small,
    /// 390 x 844 pixels, touched.
    Phone,
    /// 1280 x 900 pixels.
    Desk,
}

/// A browser's page.
pub struct Page {
    client: Client,
    /// Pixels.
    width: i64,
    _profile: TempDir,
}

/// As long as a loaded machine may take; an event ends it at once.
const PATIENCE: Duration = Duration::from_mins(1);

impl Driver {
    /// `None`, in plain words, where there is no browser to drive.
    pub fn start() -> Option<Self> {
        // fantoccini's client asks for one; the driver is on loopback, without TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "chromium-driver is missing, and CI must not skip the browser's stories"
            );
            println!("skipped: there is no chromedriver; apt-get install chromium-driver");
            return None;
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let url = format!("http://127.0.0.1:{}", port.trim().trim_end_matches('.'));
                return Some(Self { child, _lines: lines, url });
            }
            line.clear();
        }
        panic!("chromedriver ended before it listened");
    }

    /// A phone of 390 x 844 pixels.
    pub async fn phone(&self, scheme: Scheme) -> Page {
        self.page(Size::Phone, scheme).await
    }

    pub async fn page(&self, size: Size, scheme: Scheme) -> Page {
        let profile = tempfile::tempdir().unwrap();
        // 0 is dark, 1 is light.
        let preferred = u8::from(scheme == Scheme::Light);
        let args = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--accept-lang=en".to_owned(),
            format!("--blink-settings=preferredColorScheme={preferred}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut options = json!({ "args": args });
        let (width, height) = match size {
            Size::Small => (360, 1800),
            Size::Phone => (390, 844),
            Size::Desk => (1280, 900),
        };
        if size == Size::Desk {
            let window = json!(format!("--window-size={width},{height}"));
            options["args"].as_array_mut().unwrap().push(window);
        } else {
            options["mobileEmulation"] =
                json!({"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2.0}});
        }
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        let client = ClientBuilder::rustls()
            .unwrap()
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .expect("chromium starts; apt-get install chromium");
        Page { client, width, _profile: profile }
    }
}

impl Page {
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn close(self) {
        self.client.close().await.unwrap();
    }

    /// Waits for the heading.
    pub async fn shows(&self, heading: &str) {
        let path = format!("//h1[contains(normalize-space(.), \"{heading}\")]");
        let until = Instant::now() + PATIENCE;
        loop {
            let wait = self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&path));
            let Err(error) = wait.await else { return };
            // A page that is just being left aborts the search for its heading.
            let patient = Instant::now() < until;
            assert!(patient, "no heading {heading:?} in {}: {error}", self.text().await);
        }
    }

    pub async fn text(&self) -> String {
        let body = self.client.find(Locator::Css("body")).await.unwrap();
        body.text().await.unwrap()
    }

    /// Waits for a text anywhere on the page.
    pub async fn shows_text(&self, text: &str) {
        let path = format!("//*[contains(normalize-space(.), \"{text}\")]");
        let wait = self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&path)).await;
        assert!(wait.is_ok(), "no {text:?} in {}", self.text().await);
    }

    /// Waits for an element.
    pub async fn waits_for(&self, css: &str) {
        let wait = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        assert!(wait.is_ok(), "no {css} in {}", self.text().await);
    }

    /// Keeps a picture of the page, if REPRIEVE_SHOTS names a folder.
    pub async fn keep(&self, name: &str) {
        if let Some(folder) = std::env::var_os("REPRIEVE_SHOTS") {
            let picture = self.client.screenshot().await.unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), picture)
                .unwrap();
        }
    }

    pub async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    pub async fn is_dark(&self) -> bool {
        let asked = "return matchMedia('(prefers-color-scheme: dark)').matches";
        self.run(asked).await == json!(true)
    }

    pub async fn click(&self, css: &str) {
        let element = self.client.find(Locator::Css(css)).await.unwrap();
        element.click().await.unwrap();
    }

    async fn key(&self, value: char) {
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.unwrap();
    }

    pub async fn press(&self, text: &str) {
        for value in text.chars() {
            self.key(value).await;
        }
    }

    pub async fn press_down(&self) {
        self.key(Key::Down.into()).await;
    }

    pub async fn press_enter(&self) {
        self.key(Key::Enter.into()).await;
    }

    /// Presses Tab until the element has the focus, which must be visible.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..120 {
            self.key(Key::Tab.into()).await;
            let there = format!(
                "const one = document.activeElement; if (!one?.matches('{css}')) return null; \
                 const shown = one.closest('.choice') ?? one; \
                 return getComputedStyle(shown).outlineStyle !== 'none'"
            );
            match self.run(&there).await {
                Value::Null => {}
                visible => return assert_eq!(visible, json!(true), "{css}: the focus is visible"),
            }
        }
        panic!("no way to {css} by keyboard");
    }

    /// axe-core finds nothing, nothing is wider than the phone, and what is
    /// pressed is at least 44 pixels high.
    pub async fn is_accessible(&self, name: &str) {
        let wide = self.run("return document.documentElement.scrollWidth").await;
        assert!(wide.as_i64().unwrap() <= self.width, "{name} is {wide} pixels wide");
        let low = "return [...document.querySelectorAll('button, .choice, footer nav a, .back')]\
             .filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 44).map(one => one.outerHTML)";
        assert_eq!(self.run(low).await, json!([]), "{name} has small targets");
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/node_modules/axe-core/axe.min.js");
        let Ok(axe) = std::fs::read_to_string(path) else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "axe-core is missing, and CI must not skip it: run npm ci in tests/browser"
            );
            println!("skipped: axe-core on {name}; run npm ci in tests/browser");
            return;
        };
        self.client.execute(&axe, Vec::new()).await.unwrap();
        let run = "const done = arguments[arguments.length - 1]; \
             axe.run(document, {rules: {'target-size': {enabled: true}}}) \
             .then(found => done(found.violations.map(one => \
                 one.id + ': ' + one.nodes.map(node => node.html + ' ' + node.failureSummary).join('; '))), \
                 failed => done(['' + failed]))";
        let found = self.client.execute_async(run, Vec::new()).await.unwrap();
        assert_eq!(found, json!([]), "axe-core on {name}");
    }

    /// What a finger aims at on a stranger's page is at least 44 pixels high;
    /// a link within a sentence is as high as its line (WCAG 2.2, 2.5.8).
    pub async fn is_easy_to_touch(&self, name: &str) {
        let low = "return [...document.querySelectorAll(\
             'a, button, select, textarea, input:not([type=hidden]):not([type=radio])')]\
             .filter(one => one.checkVisibility() && !one.matches('.skip, footer p a') \
                 && one.getBoundingClientRect().height < 44).map(one => one.outerHTML)";
        assert_eq!(self.run(low).await, json!([]), "{name} has small targets");
    }

    /// Sends every form of this page by script, and every form of every
    /// answer, as a scanner does that follows where it is led. `choice` is
    /// the button that it chooses first.
    pub async fn submit_every_form(&self, choice: &str) {
        let run = format!(
            "const done = arguments[arguments.length - 1]; \
             const send = async (page, depth) => {{ \
                 for (const form of page.querySelectorAll('form')) {{ \
                     const button = {choice}; if (button) button.checked = true; \
                     const answer = await fetch(form.getAttribute('action'), \
                         {{method: 'POST', body: new URLSearchParams(new FormData(form))}}); \
                     const next = new DOMParser().parseFromString(await answer.text(), 'text/html'); \
                     if (depth > 0) await send(next, depth - 1); \
                 }} \
             }}; \
             send(document, 3).then(() => done(true), failed => done('' + failed))"
        );
        let sent = self.client.execute_async(&run, Vec::new()).await.unwrap();
        assert_eq!(sent, json!(true));
    }
}
