package client_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/evanw/esbuild/pkg/api"

	"github.com/devserve/devserve/internal/leaktest"
)

// fast and slow change the speed of the page's timers, for what takes seconds by intent
// and for what must not wait for a timer at all.
const (
	fast = `<script>{ const real = setTimeout; window.setTimeout = (f, ms) => real(f, ms / 25) }</script>`
	slow = `<script>{ const real = setTimeout; window.setTimeout = (f, ms) => real(f, ms * 1000) }</script>`
)

const plainPage = `<!doctype html><title>t</title><client><body>hello`

// TestClient runs the client in Chromium, against a server that fails in every way.
func TestClient(t *testing.T) {
	leaktest.Check(t)
	browser := startBrowser(t)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *site, b *tab)
	}{
		{"starts once", startsOnce},
		{"reconnects and catches up", reconnects},
		{"does not wait when the network or the reader is back", wakes},
		{"backs off", backsOff},
		{"finds a dead stream", watchdog},
		{"does not ask while nobody looks", watchdogHidden},
		{"leaves and comes back through the back/forward cache", backForward},
		{"reloads once after a restart", restarted},
		{"reloads once after lost events", missed},
		{"shows a mark while the server is away", away},
		{"shows a mark while a build takes long", longBuild},
		{"swaps style sheets without a flash", cssSwap},
		{"swaps style sheets: the last wins", cssLastWins},
		{"keeps the styles when the new ones do not load", cssError},
		{"keeps a link's attributes", cssAttributes},
		{"finds style sheets everywhere", cssEverywhere},
		{"refreshes assets", assets},
		{"reloads for what a script loaded", assetsByScript},
		{"reloads the page whose file changed", htmlPages},
		{"hands modules to the registry", modules},
		{"reloads when modules cannot be replaced", modulesFail},
		{"handles one message at a time", oneAtATime},
		{"a failed entry runs after the fix", failedEntry},
		{"reads the sample messages", samples},
		{"never reloads in a loop", loop},
		{"goes on when the next page does not come", stays},
		{"takes an old page from a cache once", cached},
		{"loads a page again that did not arrive whole, once", torn},
		{"keeps the scroll position", scroll},
		{"overlay: what it shows", overlayContent},
		{"overlay: keyboard and focus", overlayKeyboard},
		{"overlay: over the page's own dialog", overlayAbove},
		{"overlay: foreign text is text", overlayForeign},
		{"overlay: copies as text", overlayCopy},
		{"overlay: goes and comes", overlayLife},
		{"overlay: several sources", overlaySources},
		{"overlay: outlives the page's own changes", overlayKept},
		{"overlay: looks", overlayLooks},
		{"works in a frame", inFrame},
		{"says so where there is no window", noWindow},
		{"decides", decides},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newSite(t), openTab(t, browser)) })
	}
	t.Run("works below a base path", func(t *testing.T) { belowBase(t, newSiteAt(t, "/sub/"), openTab(t, browser)) })
}

// open shows a page at path and waits for its stream.
func open(s *site, b *tab, path, html string) {
	s.t.Helper()
	s.put(path, html)
	n := s.streamed()
	b.open(s.url(strings.TrimPrefix(path, s.base)))
	s.wantStreams(n + 1)
	b.wantLog("[devserve] connected")
	b.mark()
}

func startsOnce(t *testing.T, s *site, b *tab) {
	open(s, b, "/", `<client><client><body>hello`)
	s.failed(1, "marker")
	b.want("document.querySelectorAll('devserve-overlay').length", "1")
	if n := s.streamed(); n != 1 {
		t.Errorf("two script tags opened %d streams", n)
	}
	if n := b.logged("[devserve] connected"); n != 1 {
		t.Errorf("connected was logged %d times", n)
	}
}

func reconnects(t *testing.T, s *site, b *tab) {
	s.put("/a.css", "body { color: rgb(1, 1, 1) }")
	open(s, b, "/", `<link rel=stylesheet href=/a.css><client><body>hello`)
	s.set(func() { s.refuse = true })
	s.drop()
	s.put("/a.css", "body { color: rgb(2, 2, 2) }")
	s.built("css /a.css") // while nobody listens
	s.set(func() { s.refuse = false })
	b.want("getComputedStyle(document.body).color", "rgb(2, 2, 2)")
	b.wantStays()
	s.set(func() {
		if last := s.opened[len(s.opened)-1]; last != "boot1-0" {
			t.Errorf("the stream was asked for what came after %q", last)
		}
	})
	if n := b.logged("[devserve] connected"); n != 2 {
		t.Errorf("connected was logged %d times", n)
	}

	// A killed process that comes back at once with the same events (it cannot, but a proxy can).
	s.stop()
	s.start()
	s.wantStreams(3)
	b.wantStays()
}

func wakes(t *testing.T, s *site, b *tab) {
	open(s, b, "/", slow+plainPage)
	for _, wake := range []string{
		"dispatchEvent(new Event('online'))",
		"document.dispatchEvent(new Event('visibilitychange'))",
		"dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
	} {
		n := s.streamed()
		s.drop()
		b.want("performance.now() > 0", "true")
		// The stream's end is not seen from here, so the page is woken until it comes.
		if !eventually(func() bool { b.run(wake); return s.streamed() > n }) {
			t.Errorf("%s does not reconnect at once", wake)
		}
	}
	b.wantStays()
}

func backsOff(t *testing.T, s *site, b *tab) {
	s.set(func() { s.refuse = true })
	s.put("/", `<script>{ const real = setTimeout; window.pauses = [];
		window.setTimeout = (f, ms) => { if (ms <= 5000 && ms !== 1000 && ms !== 3000) pauses.push(ms); return real(f, ms / 100) } }</script>`+plainPage)
	b.open(s.url(""))
	b.want("pauses.length > 10", "true")
	b.want("pauses[0] <= 250 && pauses.slice(5, 10).every((p) => p >= 2500) && new Set(pauses).size > 8", "true")
	s.set(func() { s.refuse = false })
	b.wantLog("[devserve] connected")
}

func watchdog(t *testing.T, s *site, b *tab) {
	s.put("/a.css", "body { color: rgb(1, 1, 1) }")
	open(s, b, "/", fast+`<link rel=stylesheet href=/a.css><client><body>hello`)
	// A stream that is open and silent while there are events: the status tells.
	s.set(func() { clear(s.streams) })
	s.put("/a.css", "body { color: rgb(2, 2, 2) }")
	s.built("css /a.css")
	b.want("getComputedStyle(document.body).color", "rgb(2, 2, 2)")

	// A silent stream and no status: nothing arrives at all. Armed again after the first time.
	s.set(func() { s.dead = true; clear(s.streams) })
	n := s.streamed()
	s.wantStreams(n + 1)
	s.set(func() { s.dead = false })

	// A stream that is fine is left alone.
	if !eventually(func() bool { return s.got("/_devserve/status") > 0 }) {
		t.Error("status was not asked for")
	}
	n, asked := s.streamed(), s.got("/_devserve/status")
	if !eventually(func() bool { return s.got("/_devserve/status") > asked+2 || s.streamed() > n+1 }) || s.streamed() > n+1 {
		t.Errorf("a good stream was given up: %d streams more", s.streamed()-n)
	}
	b.wantStays()
}

const hide = `
	Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => window.seen ? 'visible' : 'hidden' });
	document.dispatchEvent(new Event('visibilitychange'))`

func watchdogHidden(t *testing.T, s *site, b *tab) {
	open(s, b, "/", fast+plainPage)
	b.run(hide)
	asked := s.got("/_devserve/status")
	// The page's own timers measure that nothing happens for three times the watchdog's time.
	b.run("setTimeout(() => window.later = true, 45000)")
	b.want("window.later", "true")
	if n := s.got("/_devserve/status"); n > asked+1 {
		t.Errorf("a hidden page asked for the status %d times", n-asked)
	}
	asked = s.got("/_devserve/status")
	b.run("window.seen = true; document.dispatchEvent(new Event('visibilitychange'))")
	if !eventually(func() bool { return s.got("/_devserve/status") > asked }) {
		t.Error("a page that is looked at again does not ask")
	}
}

func backForward(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	b.run("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
	if !eventually(func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.streams) == 0 }) {
		t.Fatal("pagehide does not close the stream")
	}
	s.built("css /other.css")
	b.run("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
	s.wantStreams(2)
	b.wantLog("updated in")
	b.wantStays() // it was not behind, after all
}

func restarted(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	s.stop()
	s.restart()
	s.start()
	b.wantReload()
	b.mark()
	b.wantLog("[devserve] reloading: the server was started again")
	b.wantLog("[devserve] reloaded: the server was started again")
	s.built("css /other.css")
	b.wantLog("updated in")
	b.wantStays()
	if n := s.got("/"); n != 2 {
		t.Errorf("the page was asked for %d times", n)
	}
}

func missed(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	s.set(func() { s.refuse = true })
	s.drop()
	s.built()
	s.forget()
	s.set(func() { s.refuse = false })
	b.wantReload()
	b.wantLog("[devserve] reloaded: changes were missed while offline")

	// A gap in the numbers.
	b.mark()
	s.wantStreams(3) // of the page before it was cut off, afterwards, and of the page that was loaded then
	b.want("window.stays", "yes")
	s.set(func() { s.last += 3 })
	s.built()
	b.wantReload()
	b.wantLog("an event was lost")
}

const badgeText = "document.querySelector('devserve-badge')?.shadowRoot.textContent"

func away(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	s.stop()
	b.want(badgeText, "devserve does not answer. Trying again…")
	b.screenshot("badge")
	if got := b.eval("document.elementFromPoint(innerWidth - 40, innerHeight - 24).tagName"); got == "DEVSERVE-BADGE" {
		t.Error("the mark takes the pointer")
	}
	s.start()
	b.want(badgeText, "undefined")
	b.wantStays()
}

func longBuild(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	s.publish("building", `{"build": 1, "files": []}`)
	b.want(badgeText, "Building…")
	s.built()
	b.want(badgeText, "undefined")
}

// watchColors notes every colour that the body has in a frame.
const watchColors = `
	window.colors = new Set();
	(function f() { colors.add(getComputedStyle(document.body).color); requestAnimationFrame(f) })()`

func cssSwap(t *testing.T, s *site, b *tab) {
	s.put("/styles/a b.css", "body { color: rgb(1, 1, 1) }")
	open(s, b, "/", `<link rel=stylesheet href="styles/a%20b.css?v=1"><client><body>hello`)
	b.run(watchColors)
	gate := make(chan struct{})
	s.set(func() { s.hold["/styles/a b.css"] = gate })
	s.put("/styles/a b.css", "body { background: rgb(9, 9, 9); color: rgb(2, 2, 2) }")
	s.built("css /styles/a b.css")
	b.want("document.querySelectorAll('link').length", "2") // both, while the new one loads
	b.want("getComputedStyle(document.body).color", "rgb(1, 1, 1)")
	close(gate)
	b.want("getComputedStyle(document.body).color", "rgb(2, 2, 2)")
	b.want("document.querySelectorAll('link').length", "1")
	b.want("[...colors].join(' ')", "rgb(1, 1, 1) rgb(2, 2, 2)")
	if got := b.eval("document.querySelector('link').outerHTML"); strings.Contains(got, "data-devserve-loading") || !strings.Contains(got, "v=1") {
		t.Errorf("left behind: %s", got)
	}

	// Styles that are gone are gone.
	s.put("/styles/a b.css", "body { color: rgb(3, 3, 3) }")
	s.built("css /styles/a%20b.css")
	b.want("getComputedStyle(document.body).color", "rgb(3, 3, 3)")
	b.want("getComputedStyle(document.body).backgroundColor", "rgba(0, 0, 0, 0)")
	b.wantStays()
}

func cssLastWins(t *testing.T, s *site, b *tab) {
	s.put("/a.css", "body { color: rgb(0, 0, 0) }")
	open(s, b, "/", `<link rel=stylesheet href=/a.css><client><body>hello`)
	gate := make(chan struct{})
	s.set(func() { s.hold["/a.css"] = gate })
	for i := range 5 {
		s.put("/a.css", fmt.Sprintf("body { color: rgb(%d, 0, 0) }", i+1))
		s.built("css /a.css")
	}
	b.want("document.querySelectorAll('link').length", "2")
	close(gate)
	b.want("getComputedStyle(document.body).color", "rgb(5, 0, 0)")
	b.want("document.querySelectorAll('link').length", "1")
	b.wantStays()
}

func cssError(t *testing.T, s *site, b *tab) {
	s.put("/a.css", "body { color: rgb(1, 1, 1) }")
	open(s, b, "/", `<link rel=stylesheet href=/a.css><client><body>hello`)
	s.set(func() { delete(s.files, "/a.css") })
	s.built("css /a.css")
	b.wantLog("did not load")
	b.want("document.querySelectorAll('link').length", "1")
	b.want("getComputedStyle(document.body).color", "rgb(1, 1, 1)")
	s.wantAnswers("/a.css", 3) // as it was, not any more, and whether that is so
	s.put("/a.css", "body { color: rgb(2, 2, 2) }")
	s.built("css /a.css")
	b.want("getComputedStyle(document.body).color", "rgb(2, 2, 2)")

	// A link that never loaded: the file is created later.
	b.run("document.head.insertAdjacentHTML('beforeend', '<link rel=stylesheet href=/new.css>')")
	s.wantAnswers("/new.css", 2) // it is not there, and that is so
	s.put("/new.css", "body { color: rgb(3, 3, 3) }")
	s.built("css /new.css")
	b.want("getComputedStyle(document.body).color", "rgb(3, 3, 3)")
	b.wantStays()
}

func cssAttributes(t *testing.T, s *site, b *tab) {
	s.put("/a.css", "body { color: rgb(1, 1, 1) }")
	open(s, b, "/", `<link id=m rel="stylesheet" media="(min-width: 1px)" href=/a.css integrity="sha256-8Y1M2nzlmM7fCgbaJDhF8C7rQKJ2QkIJ3T9Dbo8KY9A=">
		<link id=d rel=stylesheet disabled href=/d.css><link id=alt rel="alternate stylesheet" title=Night href=/alt.css><client><body>hello`)
	s.put("/a.css", "body { color: rgb(2, 2, 2) }")
	s.put("/d.css", "body { color: rgb(4, 4, 4) }")
	s.put("/alt.css", "body { color: rgb(5, 5, 5) }")
	s.built("css /a.css", "css /d.css", "css /alt.css")
	b.want("getComputedStyle(document.body).color", "rgb(2, 2, 2)")
	b.want("document.querySelector('#m').media + document.querySelector('#m').integrity", "(min-width: 1px)")
	b.want("document.querySelectorAll('link').length", "3")
	b.want("document.querySelector('#d').disabled", "true")
	b.run("document.querySelector('#d').disabled = false")
	b.want("getComputedStyle(document.body).color", "rgb(4, 4, 4)")
	b.want("document.querySelector('#alt').title", "Night")

	// One that a script chose stays chosen.
	b.want("getComputedStyle(document.body).color", "rgb(4, 4, 4)")
	b.run("document.querySelector('#alt').disabled = true; document.querySelector('#alt').disabled = false")
	b.want("getComputedStyle(document.body).color", "rgb(5, 5, 5)")
	s.put("/alt.css", "body { color: rgb(6, 6, 6) }")
	s.built("css /alt.css")
	b.want("getComputedStyle(document.body).color", "rgb(6, 6, 6)")
	b.wantStays()
}

func cssEverywhere(t *testing.T, s *site, b *tab) {
	s.put("/a.css", "@import '/deep.css';")
	s.put("/deep.css", "p { color: rgb(1, 1, 1) }")
	open(s, b, "/", `<link rel=stylesheet href=/a.css><style>@import "/inline.css";</style><client><body><p>hello<div id=host></div>
		<script>const r = document.querySelector('#host').attachShadow({ mode: 'open' });
		r.innerHTML = '<link rel=stylesheet href=/a.css><p>shadow'</script>`)
	b.want("getComputedStyle(r.querySelector('p')).color", "rgb(1, 1, 1)")
	s.put("/deep.css", "p { color: rgb(2, 2, 2) }")
	s.built("css /a.css") // the server knows who imports it
	b.want("getComputedStyle(document.querySelector('p')).color", "rgb(2, 2, 2)")
	b.want("getComputedStyle(r.querySelector('p')).color", "rgb(2, 2, 2)")
	s.built("css /unknown.css")
	b.wantStays()

	// One that only a <style> imports.
	s.built("css /inline.css")
	b.wantReload()
	b.wantLog("reloaded: /inline.css changed and no link loads it")
}

const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="10"><g id="g"><rect width="9" height="9"/></g></svg>`

func assets(t *testing.T, s *site, b *tab) {
	s.put("/i/a.svg", fmt.Sprintf(svg, 10))
	s.put("/i/f.woff2", "no font, but asked for")
	s.put("/a.css", `@media all { .bg { background: no-repeat url(i/a.svg) } } @font-face { font-family: x; src: url("i/f.woff2") } body { font-family: x }`)
	open(s, b, "/", `<link rel=stylesheet href=/a.css><link rel=icon href=/i/a.svg><client><body>
		<img id=img src="i/a.svg?x=1#f"><img id=set srcset="/i/a.svg 1x, /i/b.svg 2x"><picture><source srcset=/i/a.svg><img id=pic></picture>
		<div class=bg></div><div id=style style="background-image: url('/i/a.svg')"></div>
		<svg><use href="/i/a.svg#g"></use><image xlink:href="/i/a.svg"/></svg><object data=/i/a.svg></object><video poster=/i/a.svg></video>
		<input type=image src=/i/a.svg><img id=other src=/i/b.svg>
		<div id=host></div><script>const root = host.attachShadow({ mode: 'open' }); root.innerHTML = '<img src=/i/a.svg>';
		const sheet = new CSSStyleSheet(); sheet.replaceSync('p { background: url(/i/a.svg) }'); root.adoptedStyleSheets = [sheet]</script>`)
	b.want("img.naturalWidth", "10")
	s.put("/i/a.svg", fmt.Sprintf(svg, 20))
	s.built("asset /i/a.svg")
	b.want("img.naturalWidth", "20")
	b.want("document.querySelector('#set').naturalWidth", "20")
	b.want("pic.naturalWidth", "20")
	b.want("root.querySelector('img').naturalWidth", "20")
	for _, js := range []string{
		"getComputedStyle(document.querySelector('.bg')).backgroundImage",
		"getComputedStyle(document.querySelector('#style')).backgroundImage",
		"document.querySelector('link[rel=icon]').href",
		"document.querySelector('use').getAttribute('href')",
		"document.querySelector('image').getAttribute('xlink:href')",
		"document.querySelector('object').data",
		"document.querySelector('video').poster",
		"document.querySelector('input').src",
		"sheet.cssRules[0].cssText",
		"img.src",
	} {
		if got := b.eval(js); !strings.Contains(got, "devserve=") {
			t.Errorf("%s was not refreshed: %s", js, got)
		}
	}
	for js, want := range map[string]string{
		"document.querySelector('use').getAttribute('href').endsWith('#g')": "true",
		"img.src.includes('x=1&') && img.src.endsWith('#f')":                "true",
		"document.querySelector('#set').srcset.endsWith(', /i/b.svg 2x')":   "true",
		"document.querySelector('#other').getAttribute('src')":              "/i/b.svg",
		"getComputedStyle(document.querySelector('.bg')).backgroundRepeat":  "no-repeat",
	} {
		if got := b.eval(js); got != want {
			t.Errorf("%s is %q, want %q", js, got, want)
		}
	}
	fonts := s.got("/i/f.woff2")
	s.built("asset /i/f.woff2")
	if !eventually(func() bool { return s.got("/i/f.woff2") > fonts }) {
		t.Error("a font was not refreshed")
	}
	s.built("asset /i/unused.svg", "asset /i/c.svg")
	if !eventually(func() bool { return b.logged("updated in") == 3 }) {
		t.Error("an asset that nobody uses was not passed over")
	}
	b.wantStays()
}

func assetsByScript(t *testing.T, s *site, b *tab) {
	s.put("/classic.js", "window.classic = 1")
	s.put("/data.json", "1")
	s.put("/i.svg", fmt.Sprintf(svg, 10))
	page := `<client><script src=/classic.js></script><script>fetch('/data.json').then((r) => r.text()).then(() => window.fetched = true);
		const i = new Image(); i.onload = () => window.drawn = true; i.src = '/i.svg'</script><body>hello`
	s.put("/", page)
	for _, p := range []string{"/classic.js", "/data.json", "/i.svg"} {
		open(s, b, "/", page)
		b.want("window.fetched && window.drawn", "true")
		s.built("asset " + p)
		b.wantReload()
		b.wantLog("reloaded: " + p + ", loaded by")
	}
}

func htmlPages(t *testing.T, s *site, b *tab) {
	s.put("/part.html", "part")
	open(s, b, "/docs/index.html", `<client><script>fetch('/part.html').then((r) => r.text()).then(() => window.fetched = true)</script><body>hello`)
	b.want("window.fetched", "true")
	s.built("html /index.html", "html /docs/other.html")
	b.wantLog("updated in")
	b.wantStays()
	s.built("html /docs/index.html")
	b.wantReload()
	b.wantLog("reloaded: /docs/index.html changed")
	b.want("window.fetched", "true")
	b.mark()
	s.built("html /part.html") // as htmx loads it
	b.wantReload()

	// Pages that the app rendered: by their URL.
	app := fmt.Sprintf(`<script src="/_devserve/client.js" data-id="%s"></script><body>app`, s.id())
	for url, file := range map[string]string{"/": "/index.html", "/about": "/about.html", "/blog/": "/blog/index.html", "/x.html": "/x.html"} {
		s.put(url, app)
		b.open(s.url(url[1:]))
		b.mark()
		s.built("html /none.html", "html "+file)
		b.wantReload()
	}
}

// fakeRegistry notes what the client asks of it.
const fakeRegistry = `<script>globalThis.__devserve = { build: 0, patience: 10000, failed: new Map(), errors: new Map(), events: { emit: async () => {}, on() {} }, has: () => true, calls: [],
	update(build, updates) { this.calls.push(build + ':' + updates.map((u) => u.type + u.path + (u.code ?? u.url)).join()); return (this.answer ?? (() => null))() } }
	globalThis.__devserve_client?.meet(__devserve)</script>`

func modules(t *testing.T, s *site, b *tab) {
	open(s, b, "/", fakeRegistry+plainPage)
	s.publish("built", `{"build": 7, "hash": "h", "ms": 1, "warnings": [], "updates": [
		{"type": "js", "path": "/a.ts", "code": "1"}, {"type": "css", "path": "/a.css", "code": "p{}"},
		{"type": "css", "path": "/linked.css"}, {"type": "js", "path": "/b.ts", "url": "/_devserve/b"}]}`)
	b.want("__devserve.calls.join(' ')", "7:js/a.ts1,css/a.cssp{},js/b.ts/_devserve/b")
	s.built("css /linked.css")
	b.wantLog("updated in 1 ms: /linked.css")
	b.want("__devserve.calls.length", "1")
	b.wantStays()
}

func modulesFail(t *testing.T, s *site, b *tab) {
	for answer, reason := range map[string]string{
		"async () => 'no module accepts /a.ts'":             "reloaded: no module accepts /a.ts",
		"async () => { throw new Error('accept handler') }": "reloaded: an update failed: Error: accept handler",
		"() => { throw new Error('not even a promise') }":   "reloaded: an update failed: Error: not even a promise",
		"() => new Promise(() => {})":                       "reloaded: an update did not finish in 10 s",
	} {
		open(s, b, "/", fast+fakeRegistry+plainPage)
		b.run("__devserve.answer = " + answer)
		s.built("js /a.ts")
		b.wantReload()
		b.wantLog(reason)
	}
	b.mark()
	s.publish("built", `{"build": 9`) // torn
	b.wantReload()

	open(s, b, "/", plainPage)
	s.publish("built", `{"build": 9, "hash": "h", "ms": 1, "warnings": [], "updates": [], "reload": {"reason": "package.json changed"}}`)
	b.wantReload()
	b.wantLog("reloaded: package.json changed")
}

func oneAtATime(t *testing.T, s *site, b *tab) {
	open(s, b, "/", fakeRegistry+plainPage)
	b.run("__devserve.answer = () => new Promise((done) => window.done = done)")
	s.built("js /a.ts")
	s.built("js /b.ts")
	b.want("__devserve.calls.length + typeof done", "1function")
	b.run("done(null); window.done = undefined")
	b.want("__devserve.calls.length + typeof done", "2function")
	b.run("done(null)")
	b.wantLog("/b.ts")
	b.wantStays()
}

func failedEntry(t *testing.T, s *site, b *tab) {
	s.failed(1, "broken from the start")
	open(s, b, "/", fakeRegistry+`<script>__devserve.failed.set('/src/main.ts', 2)</script>`+plainPage)
	s.built() // which is build 2: another module's, told late
	b.wantStays()
	s.built()
	b.wantReload()
	b.wantLog("reloaded: /src/main.ts can be built now")
}

func samples(t *testing.T, s *site, b *tab) {
	s.put("/styles/main.css", "body { color: rgb(1, 1, 1) }")
	open(s, b, "/", fakeRegistry+`<link rel=stylesheet href=/styles/main.css>`+plainPage)
	s.publish("building", sample(t, "building"))
	b.want(badgeText, "Building…")
	s.publish("error", sample(t, "error"))
	b.want(badgeText, "undefined")
	b.want("document.querySelector('devserve-overlay').shadowRoot.querySelectorAll('article').length", "2")
	s.put("/styles/main.css", "body { color: rgb(2, 2, 2) }")
	s.publish("built", strings.Replace(sample(t, "built"), "/index.html", "/elsewhere.html", 1))
	b.want("getComputedStyle(document.body).color", "rgb(2, 2, 2)")
	b.want("document.querySelector('devserve-overlay')", "null")
	b.want("__devserve.calls.join()", "7:js/src/app.tsexports.answer = 42;")
	b.wantStays()

	// A warning is told once, until a build without it.
	warning := "warning: [devserve] src/app.ts:3:11: Comparison with -0"
	b.wantLog(warning)
	s.publish("built", strings.Replace(sample(t, "built"), "/index.html", "/elsewhere.html", 1))
	if !eventually(func() bool { return b.logged("updated in") == 2 }) || b.logged(warning) != 1 {
		t.Errorf("the warning was told %d times", b.logged(warning))
	}
}

func loop(t *testing.T, s *site, b *tab) {
	// Loading the page changes the page, as a generator does that writes what it watches.
	s.set(func() { s.onPage = func() { s.built("html /") } })
	s.put("/", plainPage)
	b.open(s.url(""))
	b.wantLog("5 reloads in a row")
	b.mark()
	if n := s.got("/"); n != 6 {
		t.Errorf("the page was loaded %d times", n)
	}
	b.want(badgeText, "Reloads paused (/ changed). Reload now")
	b.screenshot("paused")
	b.wantStays()
	s.set(func() { s.onPage = nil })
	b.run("document.querySelector('devserve-badge').shadowRoot.querySelector('button').click()")
	b.wantReload()
	b.want(badgeText, "undefined")

	// Left alone, it reloads by itself, later each time.
	s.set(func() { s.onPage = func() { s.built("html /") } })
	s.put("/", fast+plainPage)
	b.open(s.url(""))
	b.wantLog("6 reloads in a row; the next one (/ changed) waits 20 s")
}

func stays(t *testing.T, s *site, b *tab) {
	open(s, b, "/", fast+plainPage)
	gate := make(chan struct{})
	s.set(func() { s.hold["/"] = gate })
	s.built("html /") // the reader may refuse to leave, too; then the answer does not come either
	if !eventually(func() bool { return s.got("/") == 2 }) {
		t.Fatal("no reload")
	}
	s.built("css /a.css")
	b.wantLog("updated in 1 ms: /a.css") // DevTools answers no question meanwhile
	if n := s.got("/"); n != 2 {
		t.Errorf("the page was asked for %d times", n)
	}
	close(gate)
	b.wantReload()
}

func torn(t *testing.T, s *site, b *tab) {
	for file, times := range map[string]int{"/a.js": 1, "/b.js": 2, "/a.css": 1} {
		part := `<script type="module" src="` + file + `"></script>`
		if strings.HasSuffix(file, ".css") {
			part = `<link rel="stylesheet" href="` + file + `">`
		}
		s.put("/", `<!doctype html><client>`+part+`<script src="/none.js"></script>`)
		s.put(file, `/* whole */`)
		s.mu.Lock()
		s.torn[file] = times
		clear(s.gets)
		s.mu.Unlock()
		b.open(s.url(""))
		b.wantLog("reloaded: " + file + " did not arrive whole")
		b.want(`document.readyState`, "complete")
		s.built("asset " + file + ".png") // it would not be the old page's if that was left
		b.wantLog(file + ".png")
		if n := s.got("/"); n != 2 {
			t.Errorf("%s was torn %d times, and the page asked for %d times", file, times, n)
		}
	}
}

func cached(t *testing.T, s *site, b *tab) {
	// The tag's ID never changes, as when a service worker answers.
	s.put("/", `<script src="/_devserve/client.js" data-id="boot1-0" data-page="/"></script><body>old`)
	b.open(s.url(""))
	s.wantStreams(1)
	b.mark()
	s.built("html /")
	b.wantReload()
	b.wantLog("still is an old one, from a cache")
	s.built("css /x.css")
	b.wantLog("updated in")
	if n := s.got("/"); n != 2 {
		t.Errorf("the page was loaded %d times", n)
	}

	// The same across a restart.
	s.restart()
	s.drop()
	if !eventually(func() bool { return s.got("/") == 3 }) {
		t.Fatal("no reload after a restart")
	}
	s.wantStreams(4)
	s.built("css /y.css")
	b.wantLog("/y.css")
	if n := s.got("/"); n != 3 {
		t.Errorf("the page was loaded %d times", n)
	}
}

func scroll(t *testing.T, s *site, b *tab) {
	for _, head := range []string{
		"<div style='height: 5000px; width: 3000px'></div>",
		"<script>history.scrollRestoration = 'manual'</script><div style='height: 5000px'></div>",
		"<script>addEventListener('load', () => requestAnimationFrame(() => requestAnimationFrame(() => document.body.style.height = '5000px')))</script>",
	} {
		open(s, b, "/", "<!doctype html><client><body>"+head)
		b.want("document.documentElement.scrollHeight > 4000", "true")
		b.run("scrollTo(0, 1234)")
		s.built("html /")
		b.wantReload()
		b.want("scrollY", "1234")
	}
}

const (
	overlayRoot = "document.querySelector('devserve-overlay').shadowRoot"
	overlayGone = "document.querySelector('devserve-overlay')"
)

func overlayContent(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	s.publish("error", sample(t, "error"))
	b.want(overlayRoot+".querySelector('dialog').matches(':popover-open')", "true")
	for js, want := range map[string]string{
		".querySelector('.count').textContent":                              "2 errors in 2 files",
		".querySelectorAll('article')[0].querySelector('h2').textContent":   `Could not resolve "./missing"`,
		".querySelectorAll('figcaption')[0].textContent":                    "src/app.ts:2:24",
		".querySelectorAll('pre')[0].textContent":                           "2 import { answer } from \"./missing\";\n                         ^^^^^^^^^^^",
		".querySelectorAll('figcaption')[1].textContent":                    "src/cart/sum.ts:12:7",
		".querySelectorAll('mark')[1].textContent":                          "total",
		".querySelectorAll('pre')[1].textContent.split('\\n')[1]":           "   \t     ^^^^^",
		".querySelector('li').textContent.startsWith('The statement befo')": "true",
		".querySelector('dialog').getAttribute('role')":                     "alertdialog",
	} {
		if got := b.eval(overlayRoot + js); got != want {
			t.Errorf("%s is %q, want %q", js, got, want)
		}
	}
	// The caret stands below what is marked, to the pixel.
	if got := b.eval(`(() => { const r = ` + overlayRoot + `; const x = (n) => { const a = document.createRange(); a.selectNodeContents(n); return a.getBoundingClientRect() };
		return [...r.querySelectorAll('pre')].slice(0, 2).map((p) => Math.round(x(p.querySelector('mark')).left - x(p.querySelector('.caret')).left + x(p.querySelector('mark')).width - x(p.querySelector('.caret')).width)) })()`); got != "0,0" {
		t.Errorf("carets are off by %s px", got)
	}
	b.wantLog(`error: [devserve] src/app.ts:2:24: Could not resolve "./missing"`)
}

func overlayKeyboard(t *testing.T, s *site, b *tab) {
	open(s, b, "/", `<client><body><input id=in><script>document.addEventListener('keydown', (e) => window.heard = e.key)</script>`)
	b.run("document.querySelector('#in').focus()")
	s.failed(1, "first")
	b.want(overlayRoot+".activeElement?.className", "list") // the arrow keys scroll it
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
	b.want("document.activeElement.tagName === 'INPUT'", "false")
	b.run("window.heard = undefined")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(overlayGone, "null")
	b.want("document.activeElement.id", "in")
	if got := b.eval("window.heard"); got != "undefined" {
		t.Errorf("the page heard %s as well", got)
	}
	// Without the overlay, Escape is the page's again.
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want("window.heard", "Escape")
	b.wantStays()
}

func overlayAbove(t *testing.T, s *site, b *tab) {
	open(s, b, "/", `<client><body><dialog><input id=in></dialog>`)
	s.failed(1, "first")
	b.want(overlayRoot+".querySelector('dialog').matches(':popover-open')", "true")
	b.want(overlayRoot+".getAnimations().length", "0")
	b.do(chromedp.MouseClickXY(5, 300)) // beside it
	b.want(overlayGone, "null")
	b.run("document.querySelector('dialog').showModal()")
	s.failed(2, "second")
	b.want(overlayRoot+".querySelector('dialog').matches(':modal')", "true")
	b.want(overlayRoot+".activeElement?.className", "list")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(overlayGone, "null")
	b.want("document.activeElement.id + document.querySelector('dialog').open", "intrue")
	b.wantStays()
}

func overlayForeign(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	evil := `<img src=x onerror="window.pwned = 1"><script>window.pwned = 1</script>`
	s.publish("error", fmt.Sprintf(`{"build": 1, "source": "esbuild", "warnings": [], "errors": [{"text": %[1]q, "file": %[1]q, "line": 1, "column": 2, "length": 3,
		"lineText": %[1]q, "notes": [{"text": %[1]q, "file": %[1]q, "line": 1, "column": 1, "length": 9, "lineText": %[1]q}]}]}`, evil))
	b.want(overlayRoot+".querySelector('h2').textContent", evil)
	b.want(overlayRoot+".querySelectorAll('img, script').length + String(window.pwned)", "0undefined")
	// A line of a megabyte is cut around the mark; unknown places are left out.
	s.publish("error", fmt.Sprintf(`{"build": 2, "source": "esbuild", "warnings": [], "errors": [
		{"text": "long", "file": "a.js", "line": 1, "column": 500001, "length": 4, "lineText": "%[1]sMARK%[1]s", "notes": []},
		{"text": "nowhere", "file": "", "line": 0, "column": 0, "length": 0, "lineText": "", "notes": []},
		{"text": "file only", "file": "tsconfig.json", "line": 0, "column": 0, "length": 0, "lineText": "", "notes": []},
		{"text": "wide", "file": "b.js", "line": 3, "column": 3, "length": 1, "lineText": "語🙂x", "notes": []}]}`, strings.Repeat("x", 500000)))
	b.want(overlayRoot+".querySelectorAll('article').length", "4")
	b.want(overlayRoot+".querySelector('mark').textContent", "MARK")
	b.want(overlayRoot+".querySelector('pre').textContent.length < 1500 && "+overlayRoot+".querySelector('pre').scrollLeft > 0", "true")
	b.want(overlayRoot+".querySelectorAll('article')[1].querySelectorAll('figure').length", "0")
	b.want(overlayRoot+".querySelectorAll('article')[2].querySelector('figure').textContent", "tsconfig.json")
}

func overlayCopy(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	b.run("navigator.clipboard.writeText = async (text) => { window.copied = text }")
	s.publish("error", sample(t, "error"))
	b.want(overlayRoot+".querySelector('dialog').matches(':popover-open')", "true")
	b.run(overlayRoot + ".querySelector('button').click()")
	b.want(overlayRoot+".querySelector('button').textContent", "Copied")
	want := "src/app.ts:2:24: Could not resolve \"./missing\"\n" +
		"  2 | import { answer } from \"./missing\";\n" +
		"    |                        ^^^^^^^^^^^\n\n" +
		"src/cart/sum.ts:12:7: Expected \";\" but found \"total\"\n" +
		"  12 | \tlet  total = prices.reduce((a, b) => a + b, 0)\n" +
		"     | \t     ^^^^^\n\n" +
		"  src/cart/sum.ts:11:2: The statement before it started here:\n" +
		"    11 | \tlet\n" +
		"       | \t^^^\n"
	b.want("window.copied", want)

	// Where there is no clipboard: plain http, another name.
	b.run(`navigator.clipboard.writeText = async () => { throw new Error('denied') };
		document.execCommand = (c) => { window.copied = c + getSelection().toString(); return true };
		` + overlayRoot + `.querySelector('button').click()`)
	b.want("window.copied.startsWith('copy')", "true")
}

func overlayLife(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	s.failed(1, "first")
	b.want(overlayRoot+".querySelector('h2').textContent", "first")
	s.failed(2, "second") // in its place
	b.want(overlayRoot+".querySelector('h2').textContent", "second")
	b.want(overlayRoot+".querySelectorAll('article').length", "1")
	b.run(overlayRoot + ".querySelector('.close').click()")
	b.want(overlayGone, "null")
	b.want(badgeText, "Build failed: 1 error")

	s.failed(2, "second") // told again by a new stream
	s.built("css /x.css", "css /y.css")
	b.wantLog("/y.css")
	b.want(badgeText, "undefined")

	s.failed(3, "third")
	b.want(overlayRoot+".querySelector('h2').textContent", "third")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(overlayGone, "null")
	s.failed(3, "third")
	s.publish("building", `{"build": 4, "files": []}`)
	s.failed(4, "third") // a new build that is broken still is no news
	s.failed(5, "fourth")
	b.want(overlayRoot+".querySelector('h2').textContent", "fourth")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(overlayGone, "null")
	b.run("document.querySelector('devserve-badge').shadowRoot.querySelector('button').click()")
	b.want(overlayRoot+".querySelector('h2').textContent", "fourth")

	// Two sources: each clears its own.
	s.publish("error", `{"build": 4, "source": "backend", "warnings": [], "errors": [{"text": "go", "file": "main.go", "line": 1, "column": 1, "length": 0, "lineText": "package", "notes": []}]}`)
	b.want(overlayRoot+".querySelectorAll('article').length", "2")
	s.publish("built", `{"build": 5, "source": "esbuild", "hash": "h", "ms": 1, "warnings": [], "updates": []}`)
	b.want(overlayRoot+".querySelectorAll('article').length", "1")
	s.publish("error", `{"build": 5, "source": "backend", "warnings": [], "errors": []}`)
	b.want(overlayGone, "null")
	b.wantStays()
}

// overlaySources shows that what one part finds neither hides nor ends what another has found.
func overlaySources(t *testing.T, s *site, b *tab) {
	open(s, b, "/", fakeRegistry+plainPage)
	const title = overlayRoot + ".querySelector('h1').textContent"
	const list = "[..." + overlayRoot + ".querySelectorAll('.source, h2')].map((e) => e.textContent).join(', ')"
	backend := func(text string) {
		s.publish("error", `{"build": 1, "source": "backend", "warnings": [], "errors": [{"text": "`+text+`", "file": "main.go", "line": 1, "column": 1, "length": 0, "lineText": "", "notes": [], "source": "backend"}]}`)
	}
	backend("b")
	b.want(title, "backend failed")
	b.want(list, "b")
	s.failed(2, "a")
	b.want(title, "backend and Build failed")
	b.want(list, "backend, b, Build, a")
	backend("c") // in the place of b
	b.want(list, "backend, c, Build, a")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.want(badgeText, "backend and Build failed: 2 errors")
	backend("c") // no news
	s.built("css /x.css")
	b.want(badgeText, "backend failed: 1 error")
	s.failed(3, "d")
	b.want(list, "backend, c, Build, d")
	s.publish("built", sample(t, "mended"))
	b.want(list, "d")
	b.want(title, "Build failed")

	// The sync of a new stream has them all, and is all there is but for what the page itself found.
	b.run("__devserve.errors.set({ id: '/a.ts' }, new Error('mine')); __devserve.onErrors()")
	b.want(title, "Build and Page failed")
	sync := func(name, data string) {
		s.set(func() { s.last-- }) // it has the ID of the newest event
		s.publish(name, data)
	}
	sync("error", sample(t, "sources"))
	b.want(list, `Build, Could not resolve "./missing", Page, Error: mine, backend, undefined: total`)
	sync("built", sample(t, "sync"))
	b.want(list, "Error: mine")
	b.wantStays()
}

func overlayKept(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	s.failed(1, "kept")
	b.want(overlayRoot+".querySelector('dialog').matches(':popover-open')", "true")
	b.run("document.body.remove(); document.documentElement.append(document.createElement('body'))")
	b.want(overlayRoot+".querySelector('dialog').matches(':popover-open')", "true")
	b.run("document.querySelector('devserve-overlay').remove()")
	b.want("document.querySelector('devserve-overlay')?.shadowRoot.querySelector('dialog').matches(':popover-open')", "true")
	b.run("document.open(); document.write('<!doctype html><body>new'); document.close()")
	b.want("document.querySelector('devserve-overlay')?.shadowRoot.querySelector('dialog').matches(':popover-open')", "true")
	b.run(overlayRoot + ".querySelector('.close').click()") // document.open took all listeners away
	b.want(overlayGone, "null")
	s.failed(2, "again")
	b.want(overlayRoot+".querySelector('dialog').matches(':popover-open')", "true")
	s.built()
	b.want(overlayGone, "null")

	// An error that comes while the head is still being read.
	gate := make(chan struct{})
	s.set(func() { s.hold["/late.js"] = gate })
	s.put("/late.js", "")
	s.put("/slow", `<!doctype html><html><head><client><script>window.started = true</script><script src=/late.js></script></head><body>hello`)
	n := s.streamed()
	b.run("location.href = '/slow'")
	s.wantStreams(n + 1)
	s.failed(7, "early")
	b.wantLog("early")
	if got := b.eval("String(document.body) + document.querySelector('devserve-overlay')"); got != "nullnull" {
		t.Errorf("before the body: %s", got)
	}
	close(gate)
	b.want("document.querySelector('devserve-overlay')?.shadowRoot.querySelector('dialog').matches(':popover-open')", "true")
}

// overlayLooks is for people: SHOTS=folder go test -run TestClient/overlay:_looks
func overlayLooks(t *testing.T, s *site, b *tab) {
	open(s, b, "/", `<!doctype html><meta name=viewport content="width=device-width"><title>shop</title><client>
		<style>body { font: 18px/1.6 Georgia, serif; margin: 0 auto; max-width: 44rem; padding: 2rem; background: Canvas; color: CanvasText } :root { color-scheme: light dark }
		h1 { font-size: 3rem } * { box-sizing: content-box }</style>
		<h1>A small shop</h1><p>`+strings.Repeat("We sell plain things that last for a long time, and mend them when they do not. ", 30))
	for _, v := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1200, 800}, {"dark", "dark", 1200, 800}, {"phone", "light", 360, 740}, {"phone-dark", "dark", 360, 740}, {"small", "light", 320, 480}} {
		b.do(chromedp.EmulateViewport(v.width, v.height), media(v.scheme))
		s.publish("error", looks)
		b.want(overlayRoot+".querySelectorAll('article').length", "3")
		b.want(overlayRoot+".getAnimations().length", "0")
		b.screenshot(v.name)
		if got := b.eval("(() => { const r = " + overlayRoot + ".querySelector('dialog').getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth && r.top >= 0 && r.bottom <= innerHeight })()"); got != "true" {
			t.Errorf("%s: the dialog does not fit", v.name)
		}
		if got := b.eval("document.documentElement.scrollWidth <= innerWidth && " + overlayRoot + ".querySelector('.list').scrollWidth <= " + overlayRoot + ".querySelector('.list').clientWidth"); got != "true" {
			t.Errorf("%s: scrolls sideways", v.name)
		}
		s.failed(1, `Expected ")" but found "}"`)
		b.want(overlayRoot+".querySelectorAll('article').length", "1")
		b.screenshot(v.name + "-one")
	}
}

func media(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

const looks = `{"build": 40, "source": "esbuild", "warnings": [], "errors": [
	{"text": "Could not resolve \"./components/Baskett\"", "file": "src/pages/Checkout.tsx", "line": 3, "column": 24, "length": 23, "lineText": "import { Basket } from \"./components/Baskett\";", "notes": []},
	{"text": "No matching export in \"src/lib/format.ts\" for import \"currency\"", "file": "src/pages/Checkout.tsx", "line": 7, "column": 10, "length": 8, "lineText": "import { currency, percent } from \"../lib/format\";",
	 "notes": [{"text": "Did you mean to import \"formatCurrency\" instead?", "file": "src/lib/format.ts", "line": 21, "column": 17, "length": 14, "lineText": "export function formatCurrency(cents: number, locale = \"en\"): string {"}]},
	{"text": "Expected \"}\" but found end of file", "file": "src/styles/main.css", "line": 118, "column": 1, "length": 0, "lineText": "",
	 "notes": [{"text": "The unbalanced \"{\" is here:", "file": "src/styles/main.css", "line": 96, "column": 26, "length": 1, "lineText": ".checkout .summary:hover {"}, {"text": "Styles after this line were not read."}]}]}`

func inFrame(t *testing.T, s *site, b *tab) {
	s.put("/inner.html", plainPage)
	open(s, b, "/", plainPage+`<iframe src=/inner.html></iframe>`)
	s.wantStreams(2)
	b.run("frames[0].stays = 'yes'")
	s.built("html /inner.html")
	b.want("frames[0].stays === undefined && frames[0].document.readyState", "complete")
	b.wantStays()
}

func noWindow(t *testing.T, s *site, b *tab) {
	open(s, b, "/", plainPage)
	b.run(`const code = "console.warn = (text) => postMessage(text); importScripts('" + location.origin + "/_devserve/client.js')";
		new Worker(URL.createObjectURL(new Blob([code]))).onmessage = (e) => { window.said = e.data }`)
	b.want("String(window.said).startsWith('[devserve] no window')", "true")
}

func belowBase(t *testing.T, s *site, b *tab) {
	s.put("/sub/a.css", "body { color: rgb(1, 1, 1) }")
	open(s, b, "/sub/index.html", `<link rel=stylesheet href=a.css><client><body>hello`)
	s.put("/sub/a.css", "body { color: rgb(2, 2, 2) }")
	s.built("css /sub/a.css")
	b.want("getComputedStyle(document.body).color", "rgb(2, 2, 2)")
	b.wantStays()
	s.built("html /sub/index.html")
	b.wantReload()
}

// decides is a table of the pure functions.
func decides(t *testing.T, s *site, b *tab) {
	r := api.Build(api.BuildOptions{
		Stdin: &api.StdinOptions{ResolveDir: "src", Loader: api.LoaderTS, Contents: `export * from "./catchup"; export { backoff } from "./stream"; export { parse } from "./source";
			export * from "./diagnostic"; export * from "./dom"; export { pause } from "./reload"`},
		Bundle: true, Format: api.FormatIIFE, GlobalName: "client",
	})
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	s.put("/", "<script>"+string(r.OutputFiles[0].Contents)+"</script>")
	b.open(s.url(""))
	for js, want := range map[string]string{
		"backoff(0, 0)":  "125",
		"backoff(0, 1)":  "250",
		"backoff(2, 1)":  "1000",
		"backoff(9, 0)":  "2500",
		"backoff(99, 1)": "5000",

		`parse(['id: a-1\nevent: built\ndata: {"a": ": \\n"}', ': nothing missed']).length`: "1",
		`parse(['id: a-1\nevent: built\ndata: {"a": ": "}'])[0].data`:                       `{"a": ": "}`,

		"pause(1)":  "0",
		"pause(5)":  "0",
		"pause(6)":  "10000",
		"pause(7)":  "20000",
		"pause(99)": "300000",

		"parseID('x-y-12').nonce":  "x-y",
		"parseID('x-y-12').number": "12",
		"parseID('')":              "null",
		"parseID('x-')":            "null",
		"parseID('12')":            "null",

		"hasSeen('a-3', 'a-3')": "true",
		"hasSeen('a-3', 'a-4')": "false",
		"hasSeen('a-3', 'b-2')": "false",
		"hasSeen('', 'b-2')":    "false",
		"hasSeen('a-3', '')":    "true",

		"judge('', 'a-3', false)":                      "handle",
		"judge('a-3', '', false)":                      "handle",
		"judge('a-3', 'a-3', true)":                    "handle",
		"judge('a-3', 'a-4', false)":                   "handle",
		"judge('a-3', 'a-3', false)":                   "skip",
		"judge('a-3', 'a-2', false)":                   "skip",
		"judge('a-3', 'a-5', false).reload":            "an event was lost",
		"judge('a-3', 'a-4', true).reload":             "changes were missed while offline",
		"judge('a-3', 'b-3', true).reload":             "the server was started again",
		"judge('a-3', 'b-4', false).reload":            "the server was started again",
		"startFrom('a-3', '')":                         "a-3",
		"startFrom('a-3', 'a-2')":                      "a-3",
		"startFrom('a-3', 'a-4')":                      "a-4",
		"startFrom('a-3', 'b-1')":                      "b-1",
		"place({ text: '', file: 'a', line: 3 })":      "a:3",
		"place({ text: '' })":                          "",
		"updatePath('/a b/%C3%A4.css')":                "/a b/ä.css",
		"updatePath('/100%.css')":                      "/100%.css",
		"updatePath('/what?.css')":                     "/what?.css",
		"pathOf('http://elsewhere.test/a.css')":        "",
		"pathOf('data:text/css,x')":                    "",
		"renewed('/a.css?v=1#f').split('devserve')[0]": "/a.css?v=1&",
	} {
		if got := b.eval("client." + js); got != want {
			t.Errorf("%s is %q, want %q", js, got, want)
		}
	}
}
