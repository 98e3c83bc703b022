// Fertig console. Everything works without this script; with it times are local, pages stay fresh and keys work.
"use strict";
(() => {
  const $ = (s, r = document) => r.querySelector(s);
  const $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const lang = document.documentElement.lang;
  const said = document.body.dataset;
  const store = { get: k => { try { return localStorage.getItem(k); } catch { return null; } }, set: (k, v) => { try { localStorage.setItem(k, v); } catch { /* private mode */ } } };

  // Times: the server writes the account's zone, the visitor reads their own.
  const locale = lang === "en" ? "en-GB" : "de-DE";
  const forms = {
    datetime: new Intl.DateTimeFormat(locale, lang === "en" ? { day: "numeric", month: "short", year: "2-digit", hour: "2-digit", minute: "2-digit" } : { day: "2-digit", month: "2-digit", year: "2-digit", hour: "2-digit", minute: "2-digit" }),
    time: new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }),
    full: new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" }),
  };
  const localise = root => {
    for (const t of $$("time[datetime]", root)) {
      const d = new Date(t.dateTime);
      t.title = forms.full.format(d) + "\n" + t.textContent;
      t.textContent = forms[t.dataset.form].format(d).replace(",", "");
    }
    countdown(root);
  };
  const pad = n => String(n).padStart(2, "0");
  const countdown = (root = document) => {
    for (const e of $$("[data-until]", root)) {
      const s = Math.max(0, Math.round((new Date(e.dataset.until) - Date.now()) / 1000));
      const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
      e.textContent = d ? `${d} d ${h} h` : h ? `${h} h ${pad(m)} min` : m >= 10 ? `${m} min` : m ? `${m} min ${pad(s % 60)} s` : `${s} s`;
    }
  };
  localise(document);
  setInterval(countdown, 1000);
  const zone = $("#zone");
  if (zone) zone.textContent = zone.dataset.text.replace("#", Intl.DateTimeFormat().resolvedOptions().timeZone);

  // Navigation: on a narrow screen, show where we are.
  $(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // Sign in by a link: /login#token=... What follows the # never leaves the browser but in the form.
  const token = $("#f-token");
  const arrive = () => {
    const handed = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token || !handed) return;
    history.replaceState(null, "", location.pathname + location.search);
    token.value = handed;
    token.form.requestSubmit();
  };
  arrive();
  addEventListener("hashchange", arrive);

  // Forms: choices of a filter apply at once; nothing is sent twice.
  document.addEventListener("change", e => { if (e.target.matches("[data-submit]")) e.target.form.requestSubmit(); });
  document.addEventListener("submit", e => {
    const f = e.target;
    if (f.method !== "post" || e.defaultPrevented) return;
    if (f.dataset.sent) { e.preventDefault(); return; }
    f.dataset.sent = "1";
    setTimeout(() => delete f.dataset.sent, 5000);
  });

  // Selection: ticked rows are remembered while the page refreshes itself.
  const ticks = () => $$('input[name="key"]');
  const all = $("#all");
  const tally = () => {
    const n = ticks().filter(t => t.checked).length, bar = $("#bulkbar"), out = $("#bulk-n");
    if (!bar) return;
    out.dataset.idle ??= out.textContent;
    bar.classList.toggle("some", n > 0);
    out.textContent = n ? said.selected.replace("#", n.toLocaleString(locale)) : out.dataset.idle;
    const a = $("#all");
    if (a) { a.checked = n > 0 && n === ticks().length; a.indeterminate = n > 0 && n < ticks().length; }
  };
  if (all) all.hidden = false;
  document.addEventListener("change", e => {
    if (e.target.id === "all") ticks().forEach(t => t.checked = e.target.checked);
    if (e.target.id === "all" || e.target.name === "key") tally();
  });
  tally();

  // Fresh: a hint that something changed makes the page fetch itself and swap the parts marked data-live.
  const button = $("#live"), lost = $("#live-lost");
  let source, paused = store.get("fertig.paused") === "1", due = 0, busy = false;
  const refresh = async () => {
    if (busy || paused) return;
    busy = true;
    try {
      const res = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "error" });
      if (!res.ok) return;
      const next = new DOMParser().parseFromString(await res.text(), "text/html");
      if (paused) return;
      for (const old of $$("[data-live][id]")) {
        const fresh = next.getElementById(old.id);
        if (!fresh || old.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]),textarea,select")) continue;
        localise(fresh);
        if (old.innerHTML === fresh.innerHTML && old.className === fresh.className) continue;
        const ticked = new Set($$('input[name="key"]:checked', old).map(t => t.value));
        const at = $("tr.at", old)?.dataset.key, focus = document.activeElement, test = old.contains(focus) ? focus.getAttribute("data-test") || focus.getAttribute("href") : null;
        const open = $$("details", old).map(d => d.open);
        old.replaceWith(fresh);
        $$('input[name="key"]', fresh).forEach(t => t.checked = ticked.has(t.value));
        if (at) $$("[data-row]", fresh).find(r => r.dataset.key === at)?.classList.add("at");
        $$("details", fresh).forEach((d, i) => d.open = open[i] || false);
        if (test) $$("a,button", fresh).find(e => (e.getAttribute("data-test") || e.getAttribute("href")) === test)?.focus();
        const a = $("#all", fresh); if (a) a.hidden = false;
      }
      tally();
    } catch { /* the next hint tries again */ } finally { busy = false; }
  };
  const hint = () => { clearTimeout(due); due = setTimeout(refresh, 250 + Math.random() * 250); };
  const show = () => {
    button.setAttribute("aria-pressed", String(paused));
    button.title = paused ? button.dataset.go : button.dataset.pause;
    $("[data-live-text]", button).textContent = paused ? said.livePaused : said.liveOn;
  };
  const connect = () => {
    source = new EventSource("/live");
    source.onopen = () => { lost.hidden = true; button.classList.remove("lost"); hint(); };
    source.onerror = () => { lost.hidden = false; button.classList.add("lost"); if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000); };
    source.addEventListener("changed", hint);
  };
  const toggle = () => {
    paused = !paused;
    store.set("fertig.paused", paused ? "1" : "0");
    show();
    if (paused) { source?.close(); lost.hidden = true; } else { connect(); hint(); }
  };
  if (button && $("[data-live]") && !document.body.dataset.noLive) {
    button.hidden = false;
    button.addEventListener("click", toggle);
    show();
    if (!paused) connect();
    addEventListener("pagehide", () => source?.close());
    addEventListener("pageshow", e => { if (e.persisted && !paused) connect(); });
  }

  // Keys.
  const help = $("#help");
  $("#help-link")?.addEventListener("click", e => { e.preventDefault(); help.showModal(); });
  let g = 0;
  const move = step => {
    const rows = $$("[data-row]");
    if (!rows.length) return;
    const i = rows.findIndex(r => r.classList.contains("at"));
    rows[i]?.classList.remove("at");
    const row = rows[Math.min(rows.length - 1, Math.max(0, i + step))];
    row.classList.add("at");
    row.scrollIntoView({ block: "nearest" });
    $("[data-open]", row)?.focus({ preventScroll: true });
  };
  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || help?.open) return;
    if (e.target.matches("input:not([type=checkbox]),textarea,select")) { if (e.key === "Escape") e.target.blur(); return; }
    if (g && Date.now() - g < 1500) {
      g = 0;
      const to = $(`[data-go="${CSS.escape(e.key)}"]`);
      if (to) { e.preventDefault(); location.assign(to.href); return; }
    }
    switch (e.key) {
      case "g": g = Date.now(); break;
      case "?": e.preventDefault(); help?.showModal(); break;
      case "/": { const q = $("#q"); if (q) { e.preventDefault(); q.focus(); q.select(); } else { location.assign("/orders"); } break; }
      case "j": e.preventDefault(); move(1); break;
      case "k": e.preventDefault(); move(-1); break;
      case "x": { const t = $('tr.at input[name="key"]'); if (t) { t.checked = !t.checked; tally(); } break; }
      case "p": if (button && !button.hidden) toggle(); break;
    }
  });
  document.addEventListener("click", e => { const m = $(".me[open]"); if (m && !m.contains(e.target)) m.open = false; });
})();
