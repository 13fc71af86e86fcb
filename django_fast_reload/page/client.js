// Added to HTML pages while DEBUG is on (inject.py). Its data attributes tell how the page was made:
// version: of the code; time: seconds since the machine's start, when; files: the templates; method: of the request.
(() => {
  const page = document.currentScript.dataset;
  const templates = new Set(JSON.parse(page.files || "[]"));
  let seen = Number(page.time);
  let source, box, dismissed;

  // A browser keeps six connections to a server, so only the pages one can see hold one.
  function listen() {
    if (document.hidden || source) return;
    source = new EventSource("/__devserver__/events");
    source.onmessage = (event) => hear(JSON.parse(event.data));
  }

  function pause() {
    source?.close();
    source = undefined;
  }

  function hear(now) {
    if (now.state === "serving" && now.version !== page.version) return reload();
    if (now.state === "broken") showFailure(now.failure, now.editor);
    else if (now.notice) show(now.notice.title, now.notice.text);
    else if (now.tests?.state === "red" && now.tests.run !== dismissed) showTests(now.tests, now.editor);
    else hide();
    linkFrames(now.editor);
    const news = now.touched.filter(([time]) => time > seen);
    if (!news.length) return;
    seen = news.at(-1)[0];
    const paths = news.map(([, path]) => path);
    if (paths.some((path) => !path.endsWith(".css") && concerns(path))) reload();
    else if (paths.some((path) => path.endsWith(".css"))) swapStylesheets();
  }

  // A page whose templates are not known (another engine than Django's) is concerned by all of them.
  function concerns(path) {
    const name = path.split("/").pop();
    const links = [...document.querySelectorAll("[src]")].map((element) => new URL(element.src, location).pathname);
    if (links.some((link) => decodeURI(link).endsWith("/" + name))) return true;
    return /\.(html?|txt|mo|svg|jinja2?)$/.test(name) && (templates.size === 0 || templates.has(path));
  }

  function swapStylesheets() {
    for (const old of document.querySelectorAll('link[rel~="stylesheet"]')) {
      const url = new URL(old.href);
      if (url.origin !== location.origin) continue;
      url.searchParams.set("devserver", seen);
      const fresh = old.cloneNode();
      fresh.href = url;
      fresh.onload = () => old.remove();
      fresh.onerror = () => fresh.remove();
      old.after(fresh);
    }
  }

  // Reloading the answer to a form would ask whether to send it again.
  function reload() {
    pause();
    if (page.method === "GET") location.reload();
    else show("The code has changed", "This page answered a form, so it stays. Load it again when you like.");
  }

  function element(name, text = "", className = "") {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = className;
    return made;
  }

  // Constructed stylesheets and a shadow root: no Content-Security-Policy forbids them, no style of the page reaches in.
  function show(title, text, ...more) {
    hide();
    box = element("devserver-box");
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    const root = box.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    const close = element("button", "×");
    close.ariaLabel = "Close";
    close.onclick = hide;
    const panel = element("section");
    panel.role = "alert";
    panel.append(close, element("h1", title), ...more, element("pre", text));
    root.append(panel);
    document.documentElement.append(box);
  }

  function place(editor, frame) {
    return editor.replace(/\{(path|where|line|column)\}/g, (_, name) => encodeURI(frame[name]));
  }

  // Django's own page for an error of a request names files and lines; let them open the editor too.
  function linkFrames(editor) {
    for (const code of document.querySelectorAll("#traceback .frame > code.fname")) {
      const line = Number(/line (\d+)/.exec(code.nextSibling?.textContent)?.[1]);
      if (!line || code.querySelector("a")) continue;
      const link = element("a", code.textContent);
      link.href = place(editor, { path: link.textContent, where: link.textContent, line, column: 1 });
      code.replaceChildren(link);
    }
  }

  function showFailure(failure, editor) {
    const more = [];
    if (failure.hint) more.push(element("p", failure.hint));
    for (const frame of failure.frames.filter((frame) => !frame.library).slice(0, 1)) {
      const link = element("a", `${frame.where}:${frame.line}`);
      link.href = place(editor, frame);
      const source = element("pre");
      for (const [number, text] of frame.source) {
        source.append(element("span", `${String(number).padStart(4)}  ${text}`, number === frame.line ? "here" : ""));
      }
      more.push(link, source);
    }
    show(failure.title, failure.text, ...more);
  }

  function showTests(tests, editor) {
    const number = tests.failed ?? tests.failures.length;
    const more = [];
    for (const failure of tests.failures.slice(0, 3)) {
      const link = element("a", failure.where ? `${failure.where}:${failure.line}` : failure.test);
      link.title = failure.test;
      link.href = failure.where ? place(editor, { column: 1, ...failure }) : "";
      more.push(link, element("pre", failure.message.split("\n")[0]));
    }
    show(number === 1 ? "1 test fails" : `${number} tests fail`, "", ...more);
    const panel = box.shadowRoot.querySelector("section");
    panel.className = "small";
    panel.querySelector("button").onclick = () => {
      dismissed = tests.run;
      hide();
    };
  }

  function hide() {
    box?.remove();
    box = undefined;
  }

  const STYLE = `
    section { position: fixed; inset: auto 1rem 1rem; z-index: 2147483647; max-width: 60rem; max-height: 80vh; margin: auto;
      overflow: auto; box-sizing: border-box; padding: 1.25rem; border-radius: 12px; background: #161618; color: #e6e6ea;
      font: 14px/1.5 system-ui, sans-serif; box-shadow: 0 8px 40px #0008; border: 1px solid #444; }
    .small { inset: auto 1rem 1rem auto; max-width: 26rem; max-height: 40vh; padding: .75rem 1rem; font-size: 13px; }
    .small h1 { font-size: 1rem; margin-bottom: .25rem; } .small pre { margin: 0 0 .5rem; } .small > pre:last-child { display: none; }
    h1 { font-size: 1.1rem; margin: 0 2rem .75rem 0; color: #ff8a80; white-space: pre-wrap; overflow-wrap: anywhere; }
    p { margin: 0 0 .75rem; } a { color: #9ecbff; }
    pre span { display: block; min-width: max-content; } pre .here { background: #4a1f22; }
    pre { font: 12px/1.6 ui-monospace, monospace; margin: .5rem 0 0; overflow-x: auto; color: #bbb; }
    button { float: right; font: inherit; font-size: 1.2rem; color: inherit; background: none; border: 0; cursor: pointer; }
  `;

  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : listen()));
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  addEventListener("pagehide", pause);
  addEventListener("pageshow", listen);
  listen();
})();
