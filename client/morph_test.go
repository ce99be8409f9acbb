package client_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/devserve/devserve/internal/leaktest"
)

// TestMorph morphs random pages into others made of them, in Chromium: what comes out is what was rendered, apart from what
// a script has added; elements with an id in both are the same ones; what is typed stays with its field.
func TestMorph(t *testing.T) {
	leaktest.Check(t)
	r := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{ResolveDir: "src", Loader: api.LoaderTS, Contents: `export * from "./patch"`},
		Bundle: true, Format: api.FormatIIFE, GlobalName: "morph",
	})
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	s := newSite(t)
	b := openTab(t, startBrowser(t))
	s.put("/", "<!doctype html><script>"+string(r.OutputFiles[0].Contents)+randomPages+"</script>")
	b.open(s.url(""))
	const each = 250
	for from := 0; from < 2000; from += each {
		if got := b.eval(fmt.Sprintf("search(%d, %d)", from, from+each)); got != "fine" {
			t.Fatal(strings.ReplaceAll(got, "\\n", "\n"))
		}
	}
	if got := b.eval("large()"); got != "fine" {
		t.Error(got)
	}
}

const randomPages = `
function random(seed) {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) % n);
  };
}
const words = ["one", "two", "three", " ", "four"];
const tags = ["div", "span", "section", "article", "input", "header", "ul"];
let ids = 0;

function grow(doc, r, depth) {
  if (r(4) === 0) return doc.createTextNode(words[r(words.length)]);
  const e = doc.createElement(tags[r(tags.length)]);
  if (r(4) === 0) e.id = "i" + ids++;
  if (r(3) === 0) e.className = words[r(3)];
  if (r(5) === 0) e.title = words[r(3)];
  if (depth < 4 && e.localName !== "input") for (let n = r(5); n > 0; n--) e.append(grow(doc, r, depth + 1));
  return e;
}

function change(doc, r) {
  const all = [...doc.body.querySelectorAll("*")];
  const any = () => all[r(all.length)] ?? doc.body;
  const inner = () => { for (let i = 0; i < 9; i++) { const e = any(); if (e.localName !== "input") return e; } return doc.body; };
  const e = any();
  const target = inner();
  const at = target.childNodes[r(target.childNodes.length + 1)] ?? null;
  switch (r(8)) {
    case 0: return target.insertBefore(grow(doc, r, 3), at);
    case 1: return e !== doc.body && e.remove();
    case 2: return !e.contains(target) && e !== doc.body && target.insertBefore(e, at);
    case 3: { if (e === doc.body) return; const w = doc.createElement("div"); e.replaceWith(w); return w.append(e); }
    case 4: return e !== doc.body && e.localName !== "input" && e.replaceWith(...e.childNodes);
    case 5: return e.className = words[r(3)];
    case 6: return r(2) ? e.removeAttribute("title") : e.setAttribute("title", words[r(3)]);
    case 7: return target.append(words[r(words.length)]);
  }
}

const parse = (text) => new DOMParser().parseFromString(text, "text/html");
const shown = (root) => root.outerHTML;

function round(seed) {
  const r = random(seed);
  ids = 0;
  const made = parse("<title>t</title><body>");
  for (let n = 1 + r(5); n > 0; n--) made.body.append(grow(made, r, 0));
  const before = made.documentElement.outerHTML;
  for (let n = 1 + r(6); n > 0; n--) change(made, r);
  const after = made.documentElement.outerHTML;
  const [old, now] = [parse(before), parse(after)];
  const page = document.documentElement;
  for (const a of [...page.attributes]) page.removeAttribute(a.name);
  page.innerHTML = old.documentElement.innerHTML;
  if (page.outerHTML !== old.documentElement.outerHTML) return "";

  const scripted = r(2) === 0;
  const all = [...document.body.querySelectorAll("*"), document.body].filter((e) => e.localName !== "input");
  if (scripted) {
    for (let n = r(4); n > 0; n--) {
      const e = all[r(all.length)];
      e.insertBefore(document.createElement("x-added"), e.childNodes[r(e.childNodes.length + 1)] ?? null);
    }
  }
  const known = new Map([...document.querySelectorAll("[id]")].map((e) => [e.id, e]));
  for (const e of document.querySelectorAll("input[id]")) e.value = "typed " + e.id;

  morph.patch(page, old.documentElement, now.documentElement);

  for (const e of document.querySelectorAll("x-added")) e.remove();
  page.normalize();
  now.documentElement.normalize();
  if (shown(page) !== shown(now.documentElement)) {
    return ["seed " + seed, "was    " + before, "now    " + shown(now.documentElement), "morphed " + shown(page)].join("\n");
  }
  for (const e of document.querySelectorAll("[id]")) {
    const same = known.get(e.id);
    if (same && same.localName === e.localName && same !== e) return "seed " + seed + ": another #" + e.id + "\nwas " + before + "\nnow " + shown(now.documentElement);
    if (same && e.localName === "input" && e.value !== "typed " + e.id) return "seed " + seed + ": #" + e.id + " lost " + e.value;
  }
  return "";
}

function search(from, to) {
  for (let seed = from; seed < to; seed++) {
    try {
      const wrong = round(seed);
      if (wrong) return wrong;
    } catch (thrown) {
      return "seed " + seed + ": " + (thrown.stack ?? thrown);
    }
  }
  return "fine";
}

// A page of 20,000 nodes, of which one changes, and one whose 1,500 items come in another order.
function large() {
  const rows = Array.from({ length: 5000 }, (_, i) => "<tr><td>" + i + "<td>" + i % 7);
  const page = (rows) => "<title>t</title><table>" + rows.join("") + "</table>";
  const items = Array.from({ length: 1500 }, (_, i) => "<tr><td>" + (i % 100));
  for (const [a, n] of [[rows, rows.map((x, i) => (i === 2500 ? "<tr><td>new" : x))], [items, items.slice().reverse()]]) {
    const [old, now] = [parse(page(a)), parse(page(n))];
    document.documentElement.innerHTML = old.documentElement.innerHTML;
    const began = performance.now();
    morph.patch(document.documentElement, old.documentElement, now.documentElement);
    const took = performance.now() - began;
    if (took > 10000) return "took " + took + " ms";
    if (document.documentElement.outerHTML !== now.documentElement.outerHTML) return "differs";
    console.log("took " + Math.round(took) + " ms");
  }
  return "fine";
}
`
