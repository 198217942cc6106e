// The panel of `%runpod panel`: one module, no build step, nothing from a network.
// What an answer holds comes as HTML that the kernel has escaped; everything else is set as text.

const ROW = 26; // pixels
const SPARE = 8; // rows drawn above and below those in view
const TEXT = 20000; // characters of a stream that are kept
const ITEMS = 200;
const DRAFT = 20000; // characters of a draft that survive a restart
const SENT = 9500000; // bytes: a larger message would close the connection of a Jupyter server
const HEARD_MS = 700; // a kernel that hears clicks has answered by then
const SILENT_MS = 4000;
const SILENT = "The kernel does not answer: it runs something, or it was restarted elsewhere (then run the cell with %runpod panel again).";
const [NUMBER, ID, HANDLER, VERSION, OUTCOME, , STARTED, MS, IN, OUT, RAM, GPU, COLD, GOLDEN, NOTE] = Array(15).keys();
const RUN_LIMIT = 10e6;
const BAD = new Set(["LOST", "TOO LARGE", "INTERRUPTED", "FAILED", "TIMED_OUT"]);

function set(node, props) {
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && !key.startsWith("aria")) node[key] = value;
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  return node;
}

function h(tag, props = {}, ...children) {
  const node = set(document.createElement(tag), props);
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

function s(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const size = (count) =>
  count == null ? "" : count < 1000 ? `${count} B` : count < 1e6 ? `${(count / 1e3).toFixed(1)} kB`
    : count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
const time = (ms) =>
  ms == null ? "" : ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
const clock = (at) => (at == null ? "" : new Date(at * 1000).toLocaleTimeString([], { hour12: false }));
const tone = (outcome) => (BAD.has(outcome) ? "bad" : outcome === "COMPLETED" ? "good" : "dim");
const badge = (outcome, kind = tone(outcome)) => h("span", { className: `rpp-badge rpp-${kind}` }, outcome);
const dot = (outcome, kind = tone(outcome)) => h("span", { className: `rpp-state rpp-${kind}` }, outcome);
const bytes = (text) => new Blob([text]).size;
let unique = 0;

// JSON as it is typed: where it stops being JSON. Browsers tell that in words of their own, and not always.
function parsed(text) {
  try { return JSON.parse(text); } catch (error) {
    const isPart = (length) => { // what would do as the beginning of JSON fails at its end
      const start = text.slice(0, length);
      try { JSON.parse(start); return true; } catch ({ message }) {
        return /end of|unterminated/i.test(message) || Number(/position (\d+)/.exec(message)?.[1]) >= start.length;
      }
    };
    let [low, high] = [0, text.length];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (isPart(middle)) low = middle;
      else high = middle - 1;
    }
    const lines = text.slice(0, low).split("\n");
    const found = low < text.length ? `unexpected ${JSON.stringify(text[low])}` : "it ends too early";
    throw new Error(`not JSON: ${found} at line ${lines.length}, column ${lines.at(-1).length + 1}`);
  }
}

// ---------------------------------------------------------------- the input of a job

function fieldOf(field, changed) {
  const id = `rpp-${unique++}`;
  const described = field.about || (field.rule && !field.choices) ? `${id}-about` : null;
  const hint = field.default === null ? "" : "default" in field ? `default ${JSON.stringify(field.default)}` : field.said ? `default ${field.said}` : "";
  const common = { id, onchange: changed, oninput: changed, "aria-describedby": described, "aria-required": field.required || null };
  const made = (CONTROLS[field.control] || CONTROLS.any)(field, common, hint, changed);
  const label = h("label", { htmlFor: id }, field.name, field.required && h("span", { className: "rpp-needed", title: "required" }, "*"));
  const about = described && h("div", { id: described, className: "rpp-dim" }, [field.about, field.choices ? "" : field.rule].filter(Boolean).join(" · "));
  return { name: field.name, required: field.required, ...made, node: h("div", { className: "rpp-field" }, label, h("div", {}, made.node, about)) };
}

const any = (text) => {
  if (text === "") return undefined;
  try { return JSON.parse(text); } catch { return text; }
};
const shown = (value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

function textControl(read, rows = 1) {
  return (field, common, hint) => {
    const node = h("textarea", { ...common, rows, placeholder: hint, spellcheck: false });
    return { node, get: () => read(node.value), set: (value) => { node.value = shown(value); } };
  };
}

function numberControl(step) {
  return (field, common, hint) => {
    const node = h("input", { ...common, type: "number", step, placeholder: hint });
    const get = () => (node.value === "" ? undefined : Number(node.value));
    if (field.low == null) return { node, get, set: (value) => { node.value = value ?? ""; } };
    node.placeholder = hint.replace("default ", "");
    const span = field.high - field.low;
    const slider = h("input", {
      type: "range", min: field.low, max: field.high, step: step === "1" ? 1 : span / 100, "aria-label": `${field.name}, slider`,
      value: field.default ?? field.low, oninput: () => { node.value = slider.value; common.oninput(); },
    });
    node.addEventListener("input", () => { if (node.value !== "") slider.value = node.value; });
    const set = (value) => { node.value = value ?? ""; slider.value = value ?? field.default ?? field.low; };
    return { node: h("div", { className: "rpp-pair" }, slider, node), get, set };
  };
}

function choiceControl(choices) {
  return (field, common, hint) => {
    const options = choices || field.choices;
    const node = h("select", common, h("option", { value: "" }, field.required ? "choose…" : hint || "not given"),
      options.map((choice, at) => h("option", { value: at }, String(choice))));
    const get = () => (node.value === "" ? undefined : options[Number(node.value)]);
    return { node, get, set: (value) => { const at = options.indexOf(value); node.value = at < 0 ? "" : at; } };
  };
}

function jsonControl(field, common, hint) {
  const node = h("textarea", { ...common, rows: 2, className: "rpp-code", placeholder: hint || "JSON", spellcheck: false });
  const get = () => (node.value.trim() === "" ? undefined : parsed(node.value));
  return { node, get, set: (value) => { node.value = value === undefined ? "" : JSON.stringify(value); } };
}

function uploadControl(kind) {
  return (field, common, hint, changed) => {
    let held; // the base64 text of a file, with what it is called
    const accept = kind === "file" ? "" : `${kind}/*`;
    const preview = h("div", { className: "rpp-preview" });
    const text = h("input", { ...common, type: "text", placeholder: hint || "URL or base64" });
    const file = h("input", { type: "file", accept, className: "rpp-file", "aria-label": `upload ${field.name}`, onchange: () => take(file.files[0]) });
    const look = (source, said) => {
      const player = { image: "img", audio: "audio", video: "video" }[kind];
      const seen = player && source ? h(player, { src: source, controls: player !== "img", alt: said, "aria-label": said }) : null;
      const clear = h("button", { type: "button", className: "rpp-link", onclick: () => { held = undefined; file.value = ""; look(); changed(); } }, "remove");
      preview.replaceChildren(...(said ? [seen, h("span", { className: "rpp-dim" }, said), clear].filter(Boolean) : []));
      text.hidden = Boolean(said);
    };
    const take = (chosen) => {
      if (!chosen) return;
      const reader = new FileReader();
      reader.onload = () => {
        const whole = reader.result;
        held = (field.default || "").toString().startsWith("data:") ? whole : whole.slice(whole.indexOf(",") + 1);
        look(whole, `${chosen.name}, ${size(chosen.size)}`);
        changed();
      };
      reader.readAsDataURL(chosen);
    };
    const drop = (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); };
    const node = h("div", { className: "rpp-upload", ondragover: (event) => event.preventDefault(), ondrop: drop }, h("div", { className: "rpp-pair" }, text, file), preview);
    const set = (value) => {
      const long = typeof value === "string" && (value.length > 500 || /^(data:|iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)/.test(value));
      held = long ? value : undefined;
      text.value = long ? "" : shown(value);
      if (!long) return look();
      const source = value.startsWith("data:") ? value : kind === "file" ? "" : `data:${kind}/*;base64,${value}`;
      look(source, `as in the last job, ${size(Math.round(value.length * 0.75))}`);
    };
    return { node, get: () => held ?? (text.value === "" ? undefined : text.value), set };
  };
}

const CONTROLS = {
  text: textControl((text) => (text === "" ? undefined : text)),
  any: textControl(any),
  integer: numberControl("1"),
  number: numberControl("any"),
  boolean: choiceControl([true, false]),
  choice: choiceControl(null),
  json: jsonControl,
  ...Object.fromEntries(["image", "audio", "video", "file"].map((kind) => [kind, uploadControl(kind)])),
};

function makeForm(onchange) {
  const id = `rpp-${unique++}`;
  const area = h("textarea", { className: "rpp-code rpp-json", rows: 7, spellcheck: false, "aria-label": "input as JSON", "aria-describedby": id, oninput: () => update() });
  const fieldset = h("div", { className: "rpp-fields" });
  const said = h("div", { id, className: "rpp-dim rpp-said", role: "status" });
  let fields = [];
  let rest = {}; // keys that the form has no field for
  let asJson = true;
  const node = h("div", { className: "rpp-form" }, fieldset, area, said);

  function collected() {
    const input = { ...rest };
    for (const field of fields) {
      let value;
      try { value = field.get(); } catch (error) { throw new Error(`${field.name}: ${error.message}`); }
      if (value !== undefined) input[field.name] = value;
      else if (field.required) throw new Error(`${field.name} is missing`);
    }
    return input;
  }
  const input = () => (asJson ? parsed(area.value) : collected());
  function update() {
    let trouble = "";
    try {
      const count = bytes(JSON.stringify({ input: input() }));
      said.textContent = `request ${size(count)} of 10 MB`;
      if (count > SENT) trouble = `${size(count)}: too large to send from here; %runpod job @file.json takes it`;
    } catch (error) { trouble = error.message; }
    if (trouble) said.textContent = trouble;
    said.classList.toggle("rpp-wrong", Boolean(trouble) && !/ is missing$/.test(trouble));
    area.setAttribute("aria-invalid", Boolean(trouble));
    onchange(trouble);
  }
  function fill(value) {
    const plain = value && typeof value === "object" && !Array.isArray(value);
    const given = plain ? value : {};
    rest = Object.fromEntries(Object.entries(given).filter(([key]) => !fields.some((field) => field.name === key)));
    for (const field of fields) field.set(given[field.name]);
    area.value = value === undefined ? (fields.length ? "{}" : '{"prompt": "..."}') : JSON.stringify(value, null, 2);
    if (value !== undefined && !plain) asJson = true;
    draw();
  }
  function draw() {
    fieldset.hidden = asJson;
    area.hidden = !asJson;
    update();
  }
  return {
    node, input, fill,
    get json() { return asJson; },
    get canForm() { return fields.length > 0; },
    fields(list) { fields = list.map((field) => fieldOf(field, update)); fieldset.replaceChildren(...fields.map((field) => field.node)); asJson = !fields.length; },
    mode(json) {
      if (json === asJson || (!json && !fields.length)) return;
      let value;
      try { value = input(); } catch { if (asJson) return; value = { ...rest, ...Object.fromEntries(fields.map((f) => { try { return [f.name, f.get()]; } catch { return [f.name]; } })) }; }
      asJson = json;
      fill(value);
    },
  };
}

// ---------------------------------------------------------------- the history

function makeHistory(open, marked) {
  let rows = [];
  let live = [];
  let view = [];
  let found = null; // rows whose bodies hold the filter's text
  let at = 0; // the row that has, or would get, the focus
  const marks = new Set();
  const nodes = new Map(); // of the rows that are drawn: what is pressed must stay in its place, or its click is lost
  const columns = ["", "job", "handler", "status", "took", "in", "out", "RAM", "at", "note"];
  const body = h("div", { className: "rpp-rows", role: "rowgroup" });
  const scroller = h("div", { className: "rpp-scroller", onscroll: () => later(draw) }, body);
  const empty = h("div", { className: "rpp-dim rpp-empty" });
  const head = h("div", { role: "rowgroup" }, h("div", { className: "rpp-row rpp-columns", role: "row" },
    columns.map((name, i) => h("div", { role: "columnheader", className: `rpp-c${i}` }, name || h("span", { className: "rpp-hidden" }, "compare")))));
  const node = h("div", { className: "rpp-grid", role: "grid", "aria-label": "jobs, newest first: Enter opens, Space marks two to compare", onkeydown: key }, head, scroller);
  const whole = h("div", { className: "rpp-history" }, node, empty);
  let frame = 0;
  const later = (what) => { if (!frame) frame = requestAnimationFrame(() => { frame = 0; what(); }); };

  function filter(words, outcome) {
    const text = words.trim().toLowerCase();
    const fits = (row) => (!outcome || (outcome === "golden" ? row[GOLDEN] : row[OUTCOME] === outcome))
      && (!text || [row[ID], row[HANDLER], row[OUTCOME], row[NOTE]].some((part) => String(part).toLowerCase().includes(text)) || found?.has(row[NUMBER]));
    view = rows.filter(fits).reverse();
    at = Math.min(at, Math.max(view.length - 1, 0));
    node.setAttribute("aria-rowcount", view.length + live.length + 1);
    later(draw);
    return view;
  }
  function draw() {
    const all = [...live, ...view];
    body.style.height = `${all.length * ROW}px`;
    scroller.style.height = `${Math.min(Math.max(all.length, 3), 12) * ROW + 2}px`;
    empty.hidden = all.length > 0;
    empty.textContent = rows.length ? "No job fits the filter." : "No job has run yet: run one above, in a cell, or through the endpoint.";
    const first = Math.max(Math.floor(scroller.scrollTop / ROW) - SPARE, 0);
    const last = Math.min(first + Math.ceil((scroller.clientHeight || 300) / ROW) + 2 * SPARE, all.length);
    const focused = node.contains(node.ownerDocument.activeElement) && node.ownerDocument.activeElement.classList.contains("rpp-row");
    const seen = new Set(all.slice(first, last).map((row, i) => drawn(row, first + i)));
    for (const [name, old] of nodes) if (!seen.has(old)) { old.remove(); nodes.delete(name); }
    [...seen].forEach((row, i) => { if (body.children[i] !== row) body.insertBefore(row, body.children[i]); });
    if (focused) body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  }
  function drawn(row, index) {
    const isLive = row.live;
    const marked = !isLive && marks.has(row[NUMBER]);
    const cells = isLive
      ? ["", row.id.slice(0, 13), `${row.handler} v${row.version}`, dot("RUNNING", "live"), "", "", "", "", "", row.count ? `${row.count} items` : ""]
      : [marked ? "☑" : "☐", `${row[GOLDEN] ? "★ " : ""}${row[ID].slice(0, 13)}`, `${row[HANDLER]} v${row[VERSION]}`, dot(row[OUTCOME]), time(row[MS]), size(row[IN]), size(row[OUT]), size(row[RAM]), clock(row[STARTED]), row[NOTE]];
    const over = !isLive && row[OUT] > RUN_LIMIT;
    const name = isLive ? row.id : row[NUMBER];
    const own = nodes.get(name) || h("div", { role: "row" }, columns.map(() => h("div")));
    nodes.set(name, own);
    set(own, {
      className: `rpp-row${marked ? " rpp-marked" : ""}`, tabIndex: index === at ? 0 : -1, "aria-rowindex": index + 2, "aria-selected": String(marked),
      style: `top:${index * ROW}px`, title: isLive ? row.id : `${row[ID]} ${row[NOTE]}`,
    });
    own.onclick = (event) => { at = index; if (event.target.classList.contains("rpp-c0")) mark(row); else open(row); draw(); };
    cells.forEach((cell, i) => {
      const now = h("div", { role: "gridcell", className: `rpp-c${i}${over && i === 6 ? " rpp-wrong" : ""}` }, cell);
      if (!own.children[i].isEqualNode(now)) own.children[i].replaceWith(now);
    });
    return own;
  }
  function mark(row) {
    if (row.live) return;
    if (!marks.delete(row[NUMBER])) {
      if (marks.size === 2) marks.delete(marks.values().next().value);
      marks.add(row[NUMBER]);
    }
    marked([...marks].sort((one, other) => one - other)); // what came first is what something became
  }
  function key(event) {
    const all = [...live, ...view];
    const page = Math.floor(scroller.clientHeight / ROW) - 1;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -all.length, End: all.length };
    if (event.key in moves) {
      at = Math.max(0, Math.min(all.length - 1, at + moves[event.key]));
      if (at * ROW < scroller.scrollTop) scroller.scrollTop = at * ROW;
      if ((at + 1) * ROW > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = (at + 1) * ROW - scroller.clientHeight;
      draw();
      body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    } else if (event.key === "Enter" && all[at]) open(all[at]);
    else if (event.key === " " && all[at]) { mark(all[at]); draw(); }
    else return;
    event.preventDefault();
  }
  return {
    node: whole, filter, draw: () => later(draw),
    get rows() { return rows; },
    start(list) { rows = list; },
    found(numbers) { found = numbers && new Set(numbers); },
    put(list) {
      for (const row of list) {
        let i = rows.length - 1;
        while (i >= 0 && rows[i][NUMBER] > row[NUMBER]) i -= 1;
        if (i >= 0 && rows[i][NUMBER] === row[NUMBER]) rows[i] = row;
        else rows.splice(i + 1, 0, row);
      }
    },
    live(states) { live = states.map((state) => ({ live: true, ...state })); later(draw); },
  };
}

// ---------------------------------------------------------------- plots

const sorted = (values) => [...values].sort((one, other) => one - other);
const percentile = (values, share) => values[Math.min(values.length - 1, Math.ceil((share / 100) * values.length) - 1)];

function plot(title, said, series, unit, lines = []) {
  const [width, height, left, bottom] = [320, 140, 54, 8];
  const values = series.flatMap((one) => one.points.map(([, y]) => y)).filter((y) => y != null);
  if (!values.length) return h("figure", { className: "rpp-plot" }, h("figcaption", {}, h("b", {}, title), ` ${said || "nothing was measured yet"}`));
  const top = Math.max(...values);
  const low = Math.min(...values.filter((y) => y > 0));
  const log = top / low > 50;
  const floor = log ? Math.log10(low) - 0.05 : 0;
  const part = (y) => (log ? (Math.log10(Math.max(y, low)) - floor) / (Math.log10(top) + 0.05 - floor) : y / (top * 1.05));
  const count = Math.max(...series.flatMap((one) => one.points.map(([x]) => x)), 2);
  const x = (n) => left + ((n - 1) / Math.max(count - 1, 1)) * (width - left - 10) + 2;
  const y = (value) => height - bottom - part(value) * (height - bottom - 12);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${said}` });
  for (const mark of log ? [low, Math.sqrt(low * top), top] : [0, top / 2, top]) {
    svg.append(s("line", { class: "rpp-rule", x1: left, x2: width, y1: y(mark), y2: y(mark) }));
    const text = s("text", { class: "rpp-tick", x: left - 6, y: y(mark) + 3, "text-anchor": "end" });
    text.textContent = unit(mark);
    svg.append(text);
  }
  for (const [name, value] of lines) if (value != null && value <= top) {
    svg.append(s("line", { class: "rpp-share", x1: left, x2: width, y1: y(value), y2: y(value) }));
    const text = s("text", { class: "rpp-tick", x: width, y: y(value) - 3, "text-anchor": "end" });
    text.textContent = name;
    svg.append(text);
  }
  for (const one of series) svg.append(s("path", { class: `rpp-dots ${one.kind}`, d: one.points.filter(([, value]) => value != null).map(([n, value]) => `M${x(n).toFixed(1)} ${y(value).toFixed(1)}h.01`).join("") }));
  const keys = series.length > 1 ? series.map((one) => h("span", { className: `rpp-key ${one.kind}` }, one.name)) : [];
  return h("figure", { className: "rpp-plot" }, h("figcaption", {}, h("b", {}, title), " ", keys, h("div", { className: "rpp-dim" }, `${said}${log ? " · logarithmic" : ""}`)), svg);
}

function plots(rows) {
  const points = (column, cold) => rows.map((row, i) => [i + 1, cold == null || Boolean(row[COLD]) === cold ? row[column] : null]);
  const warm = sorted(rows.filter((row) => !row[COLD] && row[MS] != null).map((row) => row[MS]));
  const cold = rows.filter((row) => row[COLD] && row[MS] != null).map((row) => row[MS]);
  const shares = warm.length ? [50, 95, 99].map((share) => [`p${share}`, percentile(warm, share)]) : [];
  const said = [warm.length && `warm ${shares.map(([name, ms]) => `${name} ${time(ms)}`).join(", ")} (${warm.length})`, cold.length && `cold ${time(percentile(sorted(cold), 50))} (${cold.length})`];
  const largest = (column) => rows.reduce((most, row) => Math.max(most, row[column] || 0), 0);
  const used = rows.some((row) => row[GPU] != null);
  return h("div", { className: "rpp-plots" },
    plot("Latency", said.filter(Boolean).join(" · "), [{ name: "warm", kind: "rpp-one", points: points(MS, false) }, { name: "cold", kind: "rpp-two", points: points(MS, true) }], time, shares.slice(0, 2)),
    plot("Sizes", rows.length ? `largest answer ${size(largest(OUT))}, request ${size(largest(IN))}` : "", [{ name: "answer", kind: "rpp-one", points: points(OUT) }, { name: "request", kind: "rpp-two", points: points(IN) }], size, [["10 MB, /run", RUN_LIMIT], ["20 MB, /runsync", 2 * RUN_LIMIT]]),
    plot("Memory", largest(RAM) ? `RAM peak ${size(largest(RAM))}${used ? `, GPU ${size(largest(GPU))}` : ""}` : "", [{ name: "RAM", kind: "rpp-one", points: points(RAM) }, ...(used ? [{ name: "GPU", kind: "rpp-two", points: points(GPU) }] : [])], size));
}

// ---------------------------------------------------------------- what to type elsewhere

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
function python(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`).join(", ")}}`;
  return JSON.stringify(value);
}

function snippets(url, key, name, input) {
  const body = JSON.stringify({ input });
  const asked = Object.keys(input).length ? `{"input": ${python(input)}}` : "{}"; // RunPod's client takes an empty input for none, and adds one
  return {
    curl: `curl -X POST ${url}/${name}/runsync \\\n  -H "Authorization: Bearer ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d ${quoted(body)}`,
    Python: `import os\nos.environ["RUNPOD_ENDPOINT_BASE_URL"] = "${url}"\nimport runpod\n\nendpoint = runpod.Endpoint("${name}", api_key="${key}")\nprint(endpoint.run_sync(${asked}))`,
    JavaScript: `import runpodSdk from "runpod-sdk";\n\nconst runpod = runpodSdk("${key}", { baseUrl: "${url}" });\nconst endpoint = runpod.endpoint("${name}");\nconsole.log(await endpoint.runSync(${body}));`,
  };
}

async function copy(text, button) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = h("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1200);
}

// ---------------------------------------------------------------- all of it

function render({ model, el }) {
  const view = `v${Math.random().toString(36).slice(2)}`;
  const waiting = new Map();
  const live = new Map();
  let asked = 0;
  let handler = "";
  let endpoint = {};
  let current = null; // {id, row, input}: the job that the result pane shows
  let sending = 0; // jobs whose id is not known yet
  let replayed = null; // the row whose input runs again
  let draft = {};
  let draftKey = "";
  let closed = false;

  const ask = (what, given = {}) => new Promise((done, failed) => {
    const id = `${view}-${asked++}`;
    waiting.set(id, { done, failed, late: setTimeout(() => tell(SILENT), SILENT_MS) });
    model.send({ ask: what, given, id });
  });
  const save = (more) => {
    draft = { ...draft, ...more };
    try { if (draftKey) localStorage.setItem(draftKey, JSON.stringify(draft)); } catch { /* no room, or not allowed: a draft is a convenience */ }
  };
  const tell = (text, wrong = false) => { notice.textContent = text; notice.classList.toggle("rpp-wrong", wrong); };
  const safely = (act) => async (...given) => { try { await act(...given); } catch (error) { tell(error.message, true); } };
  const button = (name, act, props = {}) => h("button", { type: "button", onclick: safely(act), ...props }, name);

  // the form
  const form = makeForm((trouble) => {
    run.disabled = closed || !handler || Boolean(trouble);
    if (handler) {
      let text = "";
      try { text = JSON.stringify(form.input()); } catch { /* not whole yet */ }
      if (text && text.length < DRAFT) save({ inputs: { ...draft.inputs, [handler]: text } });
    }
    drawEndpoint();
  });
  const choose = h("select", { "aria-label": "handler", onchange: safely(() => pick(choose.value)) });
  const said = h("span", { className: "rpp-dim" });
  const asForm = h("button", { type: "button", "aria-pressed": "true", onclick: () => { mode(false); save({ json: false }); } }, "Form");
  const asJson = h("button", { type: "button", "aria-pressed": "false", onclick: () => { mode(true); save({ json: true }); } }, "JSON");
  const run = button("Run", () => start({ input: form.input() }), { className: "rpp-primary", title: "Ctrl+Enter", disabled: true });
  const cancel = button("Cancel", stop, { disabled: true });
  const notice = h("div", { className: "rpp-notice", role: "status" });
  const banner = h("div", { className: "rpp-banner", role: "alert", hidden: true });

  function mode(json) {
    form.mode(json);
    asForm.setAttribute("aria-pressed", String(!form.json));
    asJson.setAttribute("aria-pressed", String(form.json));
    asForm.disabled = !form.canForm;
  }
  async function pick(name) {
    handler = name;
    save({ handler });
    const { fields, last } = await ask("form", { handler });
    if (handler !== name) return; // another was picked since, and its form may have come first
    form.fields(fields);
    const kept = draft.inputs?.[handler];
    form.fill(kept ? JSON.parse(kept) : last ?? undefined);
    mode(form.canForm ? Boolean(draft.json) : true);
    for (const option of choose.options) if (option.value === name) said.textContent = option.dataset.said;
    folder.value = `${name}-worker`;
    drawEndpoint();
  }
  function handlers(list) {
    choose.replaceChildren(...list.map((one) => h("option", { value: one.name, "data-said": one.said.slice(one.said.indexOf("(")) }, one.said.split(" (")[0].replace(/^Handler /, ""))));
    if (!list.length) tell("No handler is registered yet: run a cell that begins with %%runpod_handler.");
    const name = list.some((one) => one.name === handler) ? handler : list[0]?.name;
    if (name) { choose.value = name; safely(pick)(name); }
  }
  async function start(given) {
    tell("");
    current = { id: null };
    sending += 1;
    panes.result.replaceChildren(h("div", { className: "rpn-head" }, badge("IN_QUEUE", "dim"), h("b", {}, handler)));
    try {
      const { id, waits } = await ask("run", { handler, ...given });
      if (current.id === null) current = { id, waits: true };
      if (ended.has(id)) finish(ended.get(id));
      else { if (waits) tell("A cell is running: the job waits for its end, as it would in the queue."); drawLive(); }
    } catch (error) {
      panes.result.replaceChildren();
      throw error;
    } finally {
      sending -= 1;
      if (!sending) ended.clear();
    }
  }
  async function ending(what, given) { // what the kernel says to it, where it hears clicks while it runs something
    const heard = ask(what, given);
    const late = await Promise.race([heard.then(() => false), new Promise((done) => setTimeout(() => done(true), HEARD_MS))]);
    if (!late) return heard;
    // else its interrupt, where the front end offers it
    const handled = !el.dispatchEvent(new CustomEvent("rp-notebook:interrupt", { bubbles: true, cancelable: true, composed: true }));
    tell(handled ? "The kernel was interrupted." : "The kernel is busy and hears no clicks here: press Stop (■) in the notebook's toolbar.", !handled);
    return null;
  }
  async function stop() {
    const id = current?.id;
    if (!id) return;
    const heard = await ending("cancel", { id });
    if (heard && !heard.running && !live.has(id)) {
      current = null;
      cancel.disabled = true;
      panes.result.replaceChildren(h("div", { className: "rpn-head" }, badge("CANCELLED"), h("b", {}, handler), h("span", { className: "rpp-dim" }, "before it began")));
    }
  }

  // the result
  const ended = new Map(); // what was told of our jobs that have ended
  const panes = { result: h("div", { className: "rpp-result", "aria-live": "polite" }) };
  const tools = h("div", { className: "rpp-tools" });
  function finish(told) {
    ended.delete(told.id);
    cancel.disabled = true;
    tell("");
    const row = history.rows.findLast((one) => one[ID] === told.id);
    show({ ...told, row: row?.[NUMBER] });
    if (replayed != null && row) { const before = replayed; replayed = null; safely(compare)([before, row[NUMBER]]); }
  }
  function show(told) {
    current = { id: told.id, row: told.row, input: told.input };
    panes.result.innerHTML = told.html;
    drawTools();
  }
  function drawTools() {
    const row = history.rows.find((one) => one[NUMBER] === current?.row);
    if (!row) return tools.replaceChildren();
    const golden = button(row[GOLDEN] ? "★ Golden" : "☆ Mark golden", async () => {
      await ask("golden", { row: row[NUMBER], golden: !row[GOLDEN] });
      row[GOLDEN] = row[GOLDEN] ? 0 : 1;
      drawTools();
      drawHistory();
    }, { "aria-pressed": String(Boolean(row[GOLDEN])), title: "keep it for good, as a test of the export" });
    const again = button("Replay", async () => { replayed = row[NUMBER]; await start({ row: row[NUMBER], handler: row[HANDLER] }); }, { title: "the same input on the handler as it is now" });
    const use = button("Use input", () => form.fill(current.input), { disabled: current.input === undefined });
    tools.replaceChildren(golden, again, use);
  }
  function drawLive() {
    const state = current?.id && live.get(current.id);
    cancel.disabled = !state && !current?.waits;
    if (!state) return;
    if (state.node?.parentNode !== panes.result) {
      const parts = {
        seconds: h("span", {}), bar: h("progress", { max: 1, "aria-label": "progress", hidden: true }), progress: h("span", { className: "rpp-dim" }),
        text: h("pre", { className: "rpp-stream", hidden: true }), items: h("pre", { className: "rpp-stream", hidden: true }), count: h("div", { className: "rpp-dim" }),
      };
      const head = h("div", { className: "rpn-head" }, badge("RUNNING", "live"), h("b", {}, state.handler), parts.seconds, parts.bar, parts.progress, h("span", { className: "rpp-dim rpp-id" }, state.id));
      state.node = h("div", { className: "rpn", "aria-live": "off" }, head, parts.text, parts.items, parts.count);
      state.parts = parts;
      tools.replaceChildren();
      panes.result.replaceChildren(state.node);
    }
    const { parts } = state;
    parts.seconds.textContent = `${((performance.now() - state.since) / 1000).toFixed(1)} s`;
    if (state.progress != null) {
      parts.bar.hidden = state.part == null;
      if (state.part != null) parts.bar.value = state.part;
      parts.progress.textContent = state.progress;
    }
    parts.text.hidden = !state.text;
    parts.items.hidden = !state.items.length;
    if (state.count !== state.drawn) {
      state.drawn = state.count;
      parts.text.textContent = state.text;
      parts.items.textContent = state.items.join("\n");
      for (const part of [parts.text, parts.items]) part.scrollTop = part.scrollHeight;
      parts.count.textContent = state.count ? `${state.count} item${state.count === 1 ? "" : "s"} so far` : "";
    }
  }
  const ticking = setInterval(() => { if (live.size) drawLive(); }, 100);

  // the history
  const words = h("input", { type: "search", placeholder: "filter: id, handler, note, text of a body", "aria-label": "filter jobs", oninput: () => { drawHistory(); search(); } });
  const outcome = h("select", { "aria-label": "filter by status", onchange: () => drawHistory() },
    ["", "golden", "COMPLETED", "FAILED", "LOST", "TOO LARGE", "CANCELLED", "TIMED_OUT", "INTERRUPTED"].map((name) => h("option", { value: name }, name || "all")));
  const comparing = button("Compare", () => compare(pair), { disabled: true, title: "mark two jobs with Space, or their box" });
  const total = h("span", { className: "rpp-dim" });
  let pair = [];
  const history = makeHistory(safely(open), (marks) => { pair = marks; comparing.disabled = marks.length !== 2; });
  let typed = 0;
  function search() {
    clearTimeout(typed);
    const text = words.value.trim();
    history.found(null);
    if (text.length > 2) typed = setTimeout(safely(async () => { const numbers = await ask("search", { text }); if (words.value.trim() === text) { history.found(numbers); drawHistory(); } }), 250);
  }
  function drawHistory() {
    const seen = history.filter(words.value, outcome.value);
    total.textContent = seen.length === history.rows.length ? `${seen.length} job${seen.length === 1 ? "" : "s"}` : `${seen.length} of ${history.rows.length} jobs`;
    if (!pages.Plots.hidden) drawPlots();
  }
  async function open(row) {
    if (row.live) { current = { id: row.id }; return drawLive(); }
    const told = await ask("job", { row: row[NUMBER] });
    show({ ...told, id: row[ID], row: row[NUMBER] });
    panes.result.scrollIntoView({ block: "nearest" });
  }
  async function compare([one, other]) {
    const { html, sides } = await ask("compare", { rows: [one, other] });
    const column = (side) => { const node = h("div", {}); node.innerHTML = side; return node; };
    const differences = h("div", {});
    differences.innerHTML = html;
    panes.result.replaceChildren(h("b", {}, "What differs"), differences, h("div", { className: "rpp-sides" }, sides.map(column)));
    current = { id: null, row: other };
    drawTools();
  }
  const pages = {};
  function drawPlots() {
    const name = handler;
    pages.Plots.replaceChildren(plots(history.rows.filter((row) => !name || row[HANDLER] === name)));
  }

  // the endpoint
  let pictured = ""; // what its page was drawn from: a field that loses the focus to a button here must not have the button drawn anew
  function drawEndpoint() {
    if (!pages.Endpoint) return;
    let input = { prompt: "..." };
    try { const now = form.input(); if (JSON.stringify(now).length < 2000) input = now; } catch { /* not whole yet */ }
    const picture = JSON.stringify([endpoint, handler, input]);
    if (picture === pictured) return;
    pictured = picture;
    const serving = button(endpoint.url ? "Stop the endpoint" : "Start the endpoint", async () => { endpoint = await ask("serve", { stop: Boolean(endpoint.url) }); drawEndpoint(); }, { disabled: !handler });
    if (!endpoint.url) {
      return pages.Endpoint.replaceChildren(h("p", {}, "Every HTTP client that talks to RunPod can talk to this kernel: its jobs run on the same warm handler, and show in the history."), serving);
    }
    const name = encodeURIComponent(handler);
    const address = `${endpoint.url}/${name}`;
    const copied = (text, what) => { const node = h("button", { type: "button", className: "rpp-link", "aria-label": `copy ${what}`, onclick: () => copy(text, node) }, "copy"); return node; };
    const blocks = Object.entries(snippets(endpoint.url, endpoint.key, name, input)).map(([title, text]) =>
      h("div", { className: "rpp-snippet" }, h("div", {}, h("b", {}, title), copied(text, title)), h("pre", { tabIndex: 0, "aria-label": title }, text)));
    pages.Endpoint.replaceChildren(h("div", { className: "rpp-line" }, h("code", {}, address), copied(address, "URL"), serving), ...blocks);
  }

  // the export
  const folder = h("input", { type: "text", "aria-label": "folder", spellcheck: false });
  const force = h("input", { type: "checkbox", id: `${view}-force` });
  const log = h("div", { className: "rpp-log", role: "log", tabIndex: 0, "aria-label": "log" });
  const report = h("div", {});
  let working = 0;
  function work(what, more = {}) {
    return async () => {
      const began = performance.now();
      report.replaceChildren();
      log.replaceChildren();
      const seconds = h("span", { className: "rpp-dim" });
      log.append(h("div", {}, `${what === "export" ? "Exporting to" : "Proving"} ${folder.value} `, seconds));
      for (const each of [exporting, proving]) each.disabled = true;
      giving.disabled = false;
      clearInterval(working);
      working = setInterval(() => { seconds.textContent = `${((performance.now() - began) / 1000).toFixed(1)} s`; }, 100);
      try {
        const { waits } = await ask(what, { handler, folder: folder.value, force: force.checked, ...more });
        if (waits) log.append(h("div", {}, "a cell is running: this begins when it has ended"));
      } catch (error) { worked({ error: error.message }); }
    };
  }
  function worked(told) {
    clearInterval(working);
    for (const each of [exporting, proving]) each.disabled = false;
    giving.disabled = true;
    if (told.error) log.append(h("div", { className: "rpp-wrong" }, told.error));
    report.innerHTML = told.html || "";
  }
  const exporting = button("Export", work("export"), { className: "rpp-primary" });
  const proving = button("Prove", work("prove"), { title: "replay the jobs through the exported worker under the real SDK" });
  const giving = button("Cancel", () => ending("give_up"), { disabled: true, title: "end the export or the proof" });

  // pages
  const names = ["History", "Plots", "Endpoint", "Export"];
  const tabs = names.map((name) => h("button", { type: "button", role: "tab", id: `${view}-tab-${name}`, "aria-controls": `${view}-${name}`, onclick: () => turn(name), onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(name) + step + names.length) % names.length];
    turn(next);
    tabs[names.indexOf(next)].focus();
  } }, name));
  for (const name of names) pages[name] = h("div", { className: "rpp-page", role: "tabpanel", id: `${view}-${name}`, "aria-labelledby": `${view}-tab-${name}`, tabIndex: -1 });
  function turn(name) {
    names.forEach((each, i) => {
      pages[each].hidden = each !== name;
      tabs[i].setAttribute("aria-selected", String(each === name));
      tabs[i].tabIndex = each === name ? 0 : -1;
    });
    save({ page: name });
    if (name === "Plots") drawPlots();
    if (name === "History") history.draw();
  }
  pages.History.append(h("div", { className: "rpp-line" }, words, outcome, comparing, total), history.node);
  pages.Export.append(h("div", { className: "rpp-line" }, h("label", {}, "folder ", folder), h("label", { htmlFor: force.id }, force, " replace an edited folder"), exporting, proving, giving), log, report);

  const root = h("section", { className: "rpp", "aria-label": "rp-notebook panel", "data-lm-suppress-shortcuts": "true", "data-jp-suppress-context-menu": "true", onkeydown: (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !run.disabled && form.node.contains(event.target)) { event.preventDefault(); run.click(); }
    event.stopPropagation();
  } },
    banner,
    h("div", { className: "rpp-top" },
      h("div", { className: "rpp-left" }, h("div", { className: "rpp-line" }, choose, said, h("span", { className: "rpp-mode", role: "group", "aria-label": "how to give the input" }, asForm, asJson)), form.node, h("div", { className: "rpp-line" }, run, cancel, notice)),
      h("div", { className: "rpp-right" }, panes.result, tools)),
    h("div", { className: "rpp-tabs", role: "tablist", "aria-label": "more" }, tabs), ...names.map((name) => pages[name]));
  el.append(root);
  turn("History");
  panes.result.append(h("div", { className: "rpp-dim" }, "The result of a job shows here."));

  // what the kernel says
  function events(told) {
    for (const id of told.ended) live.delete(id);
    for (const state of told.live) {
      const known = live.get(state.id) || { since: performance.now(), text: "", items: [] };
      live.set(state.id, { ...known, ...state, text: (known.text + (state.text || "")).slice(-TEXT), items: [...known.items, ...(state.items || [])].slice(-ITEMS) });
    }
    if (told.rows.length) { history.put(told.rows); drawHistory(); }
    if (told.live.length || told.ended.length) history.live([...live.values()]);
    for (const each of told.told) {
      if (each.id === current?.id) finish(each);
      else if (sending) ended.set(each.id, each); // it was faster than the reply that tells its id
    }
    if (current?.id && told.ended.includes(current.id) && current.row == null && !told.told.length) {
      const row = history.rows.findLast((one) => one[ID] === current.id);
      if (row) safely(open)(row); // somebody else's job, watched while it ran
    }
    drawLive();
  }
  const heard = {
    events,
    handlers: (told) => { if (root.dataset.ready) handlers(told.handlers); },
    refused: (told) => { if (told.id === current?.id) { current = null; panes.result.replaceChildren(); cancel.disabled = true; } tell(told.why, true); },
    log: (told) => log.append(h("div", {}, told.line)),
    report: worked,
    reply: ({ id, value, error }) => {
      const call = waiting.get(id);
      waiting.delete(id);
      clearTimeout(call?.late);
      if (notice.textContent === SILENT) tell("");
      if (error) call?.failed(new Error(error));
      else call?.done(value);
    },
  };
  const decoder = new TextDecoder();
  const onMessage = (message, buffers) => { if (buffers?.length) heard[message.kind]?.(JSON.parse(decoder.decode(buffers[0]))); };
  function die() {
    closed = true;
    for (const node of root.querySelectorAll("button, select, textarea, input")) node.disabled = true;
    const again = document.body.dataset.rpNotebook && h("button", { type: "button", onclick: () => root.dispatchEvent(new CustomEvent("rp-notebook:reopen", { bubbles: true, composed: true })) }, "Open again");
    banner.replaceChildren("The kernel has restarted or the panel was opened elsewhere. Nothing is lost: run the cell with %runpod panel again. ", again || "");
    banner.hidden = false;
  }
  model.on("msg:custom", onMessage);
  model.on("comm_live_update", die);
  const slow = setTimeout(() => tell("The kernel is busy: the panel fills when its cell has ended."), 2500);
  safely(async () => {
    // What is asked before the front end has a subshell for us waits for the cells that are queued: ask again.
    const again = [400, 1500].map((ms) => setTimeout(() => ask("hello").then(first), ms));
    let first;
    const told = await new Promise((done) => { first = done; ask("hello").then(first); });
    [...again, slow].forEach(clearTimeout);
    tell("");
    draftKey = `rp-notebook:${location.pathname}:${told.history}`;
    try { draft = JSON.parse(localStorage.getItem(draftKey)) || {}; } catch { draft = {}; }
    endpoint = told.endpoint;
    for (const state of told.live) live.set(state.id, { ...state, since: performance.now(), text: "", items: [] });
    history.start(told.rows.filter((row) => !live.has(row[ID])));
    history.live([...live.values()]);
    handler = told.first || draft.handler || "";
    turn(draft.page in pages ? draft.page : "History");
    drawHistory();
    root.dataset.ready = "true";
    handlers(told.handlers);
  })();

  return () => {
    clearInterval(ticking);
    clearInterval(working);
    clearTimeout(slow);
    for (const call of waiting.values()) clearTimeout(call.late);
    waiting.clear();
    model.off("msg:custom", onMessage);
    model.off("comm_live_update", die);
  };
}

export default { render };
