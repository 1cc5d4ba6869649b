// Comfort only: local times, the countdown, and news while something moves.
// Every page works without it, and it never sends a form.
"use strict";
(() => {
  const tag = document.documentElement.lang;
  const language = tag === "en" ? "en-GB" : tag;
  const clock = { hour: "2-digit", minute: "2-digit" };
  const day = { day: "numeric", month: "long", year: "numeric" };
  const said = (style, at) => new Intl.DateTimeFormat(language, style).format(at);

  const localise = () => {
    for (const time of document.querySelectorAll("time[data-local]")) {
      const at = new Date(time.dateTime);
      const today = at.toDateString() === new Date().toDateString();
      if (time.dataset.local === "clock") time.textContent = said(clock, at);
      else if (today) time.textContent = time.dataset.today.replace("T", said(clock, at));
      else time.textContent = said({ ...day, ...clock }, at);
    }
  };

  const count = () => {
    for (const time of document.querySelectorAll("time[data-due]")) {
      const seconds = Math.ceil((new Date(time.dataset.due) - Date.now()) / 1000);
      if (seconds >= 0 && seconds <= 120) {
        time.textContent = time.dataset.seconds.replace("N", seconds);
      }
    }
  };

  // The new page takes the old one's place only where it says something new,
  // and never while somebody is about to press a button in it.
  const refresh = async () => {
    const main = document.querySelector("main[data-refresh]");
    if (!main) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
      const news = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = news.querySelector("main");
      const told = (one) => one.querySelector("[role=status]")?.dataset.told;
      if (next && told(next) !== told(main)) {
        const focused = main.contains(document.activeElement);
        main.replaceWith(next);
        document.title = news.title;
        localise();
        count();
        if (focused) next.focus();
      }
    } catch {
      // The line is down: the next look will tell.
    }
    wait();
  };

  const wait = () => {
    const main = document.querySelector("main[data-refresh]");
    if (main) setTimeout(refresh, main.dataset.refresh * 1000);
  };

  localise();
  count();
  setInterval(count, 1000);
  wait();
})();
