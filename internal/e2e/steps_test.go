package e2e

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// steps are the words of scenarios. TEXT and VALUE take \n for a line end; FILE is relative to the
// site, may begin with ../ and stands in quotes if it has a space; REGEXPs of pages are JavaScript's, those of consoles Go's. A file of the archive whose
// content is "symlink TARGET" is made as such a link. The server starts by itself before the first step but use.
//
// How the site is served, before anything else:
//
//	use base /sub/             under a base
//	use ignore GLOB            and what is not watched
//	use app                    around a program that renders ../app/*.tmpl, one for each path
//	use backend                before another server, which serves ../backend once it is started
//	use cmd LINE               with a command that runs in ../program
//	use binary                 by the command, in a process of its own
//	use gate                   with builds that can be held up
//	use trace                  with pages that tell when they had painted
//	use header NAME: VALUE     with a header on every answer
//	use fixture NAME…          with the npm packages of fixtures/NAME as its node_modules, and its other files in place
//	                           of the site's own; of several with the first and another, see some
//	use example NAME           with a copy of examples/NAME as the site, and its npm packages
//	use buffer METHOD          behind a proxy that passes event streams by that method on when they end
//	use webpack-client FILE QUERY    with webpack-hot-middleware's own client as FILE, told QUERY
//	use without NAME           in a browser that lacks it: globalThis.SharedWorker, Navigator.prototype.locks
//
// Pages:
//
//	open PATH [in tabN]        lead the tab (a new one if there is no such) there and wait until it is loaded
//	visit PATH [in tabN]       do not wait
//	tab N                      the steps that follow are about this tab
//	tabs N PATH                open it in new tabs, until there are N
//	all STEP                   in every tab
//	close, crash               the tab
//	back, forward, refresh     as by the browser's buttons
//	type SELECTOR TEXT, click SELECTOR, press KEY, scroll Y
//	do JS                      run it
//	scheme dark                or light
//	viewport 390 844
//	block URLPATTERN           requests that must not be sent
//	screenshot NAME            if E2E_SHOTS names a folder
//
// What must be so, sooner or later:
//
//	text SELECTOR = VALUE
//	eval JS = JSON
//	computed SELECTOR PROPERTY = VALUE
//	overlay REGEXP, no overlay       the text of the overlay
//	badge REGEXP, no badge           and of the mark in the corner
//	console REGEXP             a line that came after the last one that a step found
//	mark, reloaded             there was a full reload since mark
//	requests PATH = N          since forget; not under use binary
//	settle                     every page has dealt with all that was saved
//
// What must be so now:
//
//	kept                       no full reload since mark
//	no console REGEXP          no such line after the last one that a step found
//	builds <= N                since forget
//	forget                     count from here
//
// Files:
//
//	write FILE TEXT            also append
//	write FILE < OTHER         the content of another file of the archive
//	replace FILE OLD => NEW    every OLD
//	atomic FILE TEXT           written beside it and renamed, as editors save
//	truncate FILE TEXT         emptied first
//	burst N FILE TEXT          N times, with {n} as the number
//	repeat N FILE TEXT         once, with all of N at its end
//	touch FILE                 saved as it is
//	remove PATH, rename A B, mkdir PATH, symlink TARGET PATH, chmod MODE PATH
//
// The server:
//
//	stop server, kill server, start server    at the same address
//	hold PATH, release PATH    answers to requests for it; hold builds, release builds
//	waiting PATH               something waits for it, sooner or later; waiting builds
//	start backend, stop backend
//	full reload REASON         by Server.Reload
//	publish EVENT JSON         by Server.Publish
//	heard EVENT = JSON         what pages sent by that name last, sooner or later; JSON may be missing
//	lose event                 the next good build is not told to a page
var steps map[string]func(s *scenario, rest string) error

// lookers are the steps that need a page.
var lookers = map[string]bool{}

func init() {
	steps = map[string]func(s *scenario, rest string) error{
		"use": (*scenario).use,

		"open": func(s *scenario, rest string) error {
			if err := s.visit(rest); err != nil {
				return err
			}
			return s.tab.want("document.readyState", `"complete"`)
		},
		"visit": (*scenario).visit,
		"tab":   (*scenario).choose,
		"tabs": two(func(s *scenario, number, path string) error {
			n, err := strconv.Atoi(number)
			for err == nil && len(s.tabs) < n {
				err = s.step(fmt.Sprintf("open %s in tab%d", path, len(s.tabs)+1))
			}
			return err
		}),
		"all": func(s *scenario, rest string) error {
			for i, b := range s.tabs {
				if s.tab = b; b.closed {
					continue
				}
				if err := s.step(rest); err != nil {
					return fmt.Errorf("tab %d: %w", i+1, err)
				}
			}
			return nil
		},
		"close":  func(s *scenario, _ string) error { return s.tab.close(call(page.Close, cdp.Empty{})) },
		"crash":  func(s *scenario, _ string) error { return s.tab.close(call(page.Crash, cdp.Empty{})) },
		"settle": func(s *scenario, _ string) error { return s.settle() },

		"write":    func(s *scenario, rest string) error { return s.written(rest, s.save) },
		"append":   func(s *scenario, rest string) error { return s.written(rest, s.append) },
		"atomic":   func(s *scenario, rest string) error { return s.written(rest, s.atomic) },
		"truncate": func(s *scenario, rest string) error { return s.written(rest, s.truncate) },
		"replace":  (*scenario).replace,
		"burst":    (*scenario).burst,
		"repeat":   (*scenario).repeat,
		"touch": func(s *scenario, rest string) error {
			data, err := os.ReadFile(s.path(rest))
			if err != nil {
				return err
			}
			return s.save(rest, data)
		},
		"remove": func(s *scenario, rest string) error {
			if _, err := os.Lstat(s.path(rest)); err != nil {
				return err
			}
			return os.RemoveAll(s.path(rest))
		},
		"rename":  two(func(s *scenario, from, to string) error { return os.Rename(s.path(from), s.path(to)) }),
		"mkdir":   func(s *scenario, rest string) error { return os.MkdirAll(s.path(rest), 0o777) },
		"symlink": two(func(s *scenario, target, name string) error { return s.link(target, name) }),

		"start server":  func(s *scenario, _ string) error { return s.startServer() },
		"stop server":   func(s *scenario, _ string) error { s.srv.end(false); return nil },
		"kill server":   func(s *scenario, _ string) error { s.srv.end(true); return nil },
		"start backend": func(s *scenario, _ string) error { return s.startBackend() },
		"stop backend":  func(s *scenario, _ string) error { s.srv.backend.stop(); return nil },
		"hold":          func(s *scenario, rest string) error { s.srv.front.hold(gate(rest)); return nil },
		"release":       func(s *scenario, rest string) error { s.srv.front.release(gate(rest)); return nil },
		"waiting":       func(s *scenario, rest string) error { return s.srv.front.waiting(gate(rest)) },
		"lose event":    func(s *scenario, _ string) error { s.srv.front.lose(); return nil },
		"publish":       (*scenario).publish,
		"heard":         (*scenario).heard,
		"full reload":   func(s *scenario, rest string) error { return s.srv.site.Reload(rest) },

		"requests": (*scenario).requests,
		"builds":   (*scenario).builds,
		"forget": func(s *scenario, _ string) error {
			s.srv.front.forget()
			s.srv.events.forget()
			return nil
		},
	}
	for name, do := range map[string]func(b *tab, rest string) error{
		"back":    func(b *tab, _ string) error { return b.leave("history.back()") },
		"forward": func(b *tab, _ string) error { return b.leave("history.forward()") },
		"refresh": func(b *tab, _ string) error { return b.do(chromedp.Reload()) },
		"do":      func(b *tab, js string) error { return b.run(js) },
		"click":   func(b *tab, selector string) error { return b.do(chromedp.Click(chromedp.CSS(selector))) },
		"type": func(b *tab, rest string) error {
			selector, text, _ := strings.Cut(rest, " ")
			return b.do(chromedp.SendKeys(chromedp.CSS(selector), literal(text)))
		},
		"press": func(b *tab, key string) error {
			keys := map[string]string{"Escape": kb.Escape, "Enter": kb.Enter, "Tab": kb.Tab}
			return b.do(chromedp.KeyEvent(cmp.Or(keys[key], key)))
		},
		"scroll": func(b *tab, y string) error {
			if err := b.run("scrollTo({top: " + y + ", behavior: 'instant'})"); err != nil {
				return err
			}
			return b.want("Math.round(scrollY)", y)
		},
		"scheme": func(b *tab, scheme string) error {
			return b.do(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}))
		},
		"viewport": func(b *tab, rest string) error {
			var width, height int64
			if _, err := fmt.Sscan(rest, &width, &height); err != nil {
				return err
			}
			return b.do(chromedp.EmulateViewport(width, height))
		},
		"block":      (*tab).block,
		"screenshot": (*tab).screenshot,

		"text": func(b *tab, rest string) error {
			selector, value, err := pair(rest)
			if err != nil {
				return err
			}
			return b.want("document.querySelector("+quote(selector)+")?.textContent.trim()", quote(literal(value)))
		},
		"eval": func(b *tab, rest string) error {
			js, value, err := pair(rest)
			if err != nil {
				return err
			}
			if value, err = compactJSON(value); err != nil {
				return err
			}
			return b.want(js, value)
		},
		"computed": func(b *tab, rest string) error {
			what, value, err := pair(rest)
			if err != nil {
				return err
			}
			i := strings.LastIndexByte(what, ' ')
			if i < 0 {
				return errors.New("want SELECTOR PROPERTY = VALUE")
			}
			return b.want(fmt.Sprintf("getComputedStyle(document.querySelector(%s)).getPropertyValue(%s)", quote(what[:i]), quote(what[i+1:])), quote(value))
		},
		"overlay":    func(b *tab, re string) error { return b.match(overlayText, re) },
		"no overlay": func(b *tab, _ string) error { return b.want("!!document.querySelector('devserve-overlay')", "false") },
		"badge":      func(b *tab, re string) error { return b.match(badgeText, re) },
		"no badge":   func(b *tab, _ string) error { return b.want("!!document.querySelector('devserve-badge')", "false") },
		"console":    onConsole((*console).wait),
		"no console": onConsole((*console).none),
		"mark":       func(b *tab, _ string) error { return b.run("window.e2eMark = 'here'") },
		"reloaded": func(b *tab, _ string) error {
			return b.want("window.e2eMark === undefined && document.readyState === 'complete'", "true")
		},
		"kept": func(b *tab, _ string) error {
			if got, err := b.eval("window.e2eMark"); err != nil || got != `"here"` {
				return fmt.Errorf("the page was loaded anew (%s, %v)", got, err)
			}
			return nil
		},
	} {
		steps[name] = func(s *scenario, rest string) error { return do(s.tab, rest) }
		lookers[name] = true
	}
}

const (
	overlayText = "document.querySelector('devserve-overlay')?.shadowRoot.querySelector('dialog')?.innerText ?? ''"
	badgeText   = "document.querySelector('devserve-badge')?.shadowRoot.querySelector('[role=status]')?.innerText ?? ''"
)

func two(do func(s *scenario, a, b string) error) func(*scenario, string) error {
	return func(s *scenario, rest string) error {
		a, rest := first(rest)
		b, _ := first(rest)
		if b == "" {
			return errors.New("want two names")
		}
		return do(s, a, b)
	}
}

// first cuts the first word off, or what stands in the quotes at the beginning.
func first(text string) (word, rest string) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		word, rest, _ = strings.Cut(quoted, `"`)
		return word, strings.TrimSpace(rest)
	}
	word, rest, _ = strings.Cut(text, " ")
	return word, rest
}

func onConsole(do func(*console, *regexp.Regexp) error) func(*tab, string) error {
	return func(b *tab, pattern string) error {
		re, err := regexp.Compile("(?s)" + pattern)
		if err != nil {
			return err
		}
		return do(&b.console, re)
	}
}

func (s *scenario) use(rest string) error {
	if s.srv != nil {
		return errors.New("the server has been started")
	}
	what, value, _ := strings.Cut(rest, " ")
	switch what {
	case "base":
		s.uses.base = value
	case "ignore":
		s.uses.ignore = append(s.uses.ignore, value)
	case "app":
		s.uses.app = true
	case "backend":
		s.uses.backend = true
	case "cmd":
		s.uses.cmd = append(s.uses.cmd, value)
	case "binary":
		s.uses.binary = true
	case "gate":
		s.uses.gate = true
	case "trace":
		s.uses.trace = true
	case "header":
		name, value, _ := strings.Cut(value, ": ")
		if s.uses.header == nil {
			s.uses.header = http.Header{}
		}
		s.uses.header.Set(name, value)
	case "fixture":
		return s.useFixture(s.fixture)
	case "example":
		return s.useExample(value)
	case "buffer":
		s.uses.buffer = append(s.uses.buffer, value)
	case "without":
		s.uses.without = append(s.uses.without, value)
	case "webpack-client":
		file, query, _ := strings.Cut(value, " ")
		return s.useWebpackClient(file, query)
	default:
		return errors.New("no such thing to use")
	}
	return nil
}

// visit leads a tab to a path, or to a whole URL.
func (s *scenario) visit(rest string) error {
	path, where, _ := strings.Cut(rest, " in tab")
	switch n, err := strconv.Atoi(where); {
	case where == "" && s.tab != nil:
	case where == "", err == nil && n == len(s.tabs)+1:
		var first *tab
		if len(s.tabs) > 0 {
			first = s.tabs[0]
		}
		b, err := s.browser.newTab(s.t, first)
		if err != nil {
			return err
		}
		s.tabs, s.tab = append(s.tabs, b), b
		for _, name := range s.uses.without {
			if err := b.do(call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "delete " + name})); err != nil {
				return err
			}
		}
	default:
		if err := s.choose(where); err != nil {
			return err
		}
	}
	if strings.HasPrefix(path, "/") {
		path = s.srv.url(path)
	}
	return s.tab.visit(path)
}

func (s *scenario) choose(number string) error {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(s.tabs) || s.tabs[n-1].closed {
		return fmt.Errorf("there is no tab %q", number)
	}
	s.tab = s.tabs[n-1]
	return nil
}

// run executes statements.
func (b *tab) run(js string) error {
	_, err := b.eval("(async () => { " + js + " })()")
	return err
}

// leave executes what leads the tab to another URL, and waits for that page.
func (b *tab) leave(js string) error {
	at := b.now("location.href")
	if err := b.run("setTimeout(() => { " + js + " })"); err != nil {
		return err
	}
	return b.until("[location.href, document.readyState]", "v[1] === 'complete' && v[0] !== "+quote(at), "another page")
}

func (b *tab) screenshot(name string) error {
	dir := os.Getenv("E2E_SHOTS")
	if dir == "" {
		return nil
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
}

func (s *scenario) written(rest string, how func(name string, data []byte) error) error {
	name, text := first(rest)
	data, err := s.content(text)
	if err != nil {
		return err
	}
	return how(name, data)
}

func (s *scenario) append(name string, data []byte) error {
	f, err := os.OpenFile(s.path(name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func (s *scenario) atomic(name string, data []byte) error {
	dir, base := filepath.Split(s.path(name))
	part := filepath.Join(dir, "."+base+".part")
	if err := os.WriteFile(part, data, 0o666); err != nil {
		return err
	}
	return os.Rename(part, s.path(name))
}

// truncate saves in two steps, as a shell's > does.
func (s *scenario) truncate(name string, data []byte) error {
	if err := os.Truncate(s.path(name), 0); err != nil {
		return err
	}
	return s.save(name, data)
}

func (s *scenario) replace(rest string) error {
	name, change := first(rest)
	from, to, ok := strings.Cut(change, " => ")
	if !ok {
		return errors.New("want FILE OLD => NEW")
	}
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		return err
	}
	if !strings.Contains(string(data), literal(from)) {
		return fmt.Errorf("%s has no %q", name, from)
	}
	return s.save(name, []byte(strings.ReplaceAll(string(data), literal(from), literal(to))))
}

func (s *scenario) burst(rest string) error {
	return s.numbered(rest, s.save)
}

func (s *scenario) repeat(rest string) error {
	var all []byte
	file := ""
	err := s.numbered(rest, func(name string, data []byte) error {
		file, all = name, append(all, data...)
		return nil
	})
	if err != nil {
		return err
	}
	return s.append(file, all)
}

// numbered does something with each of "N FILE TEXT".
func (s *scenario) numbered(rest string, do func(name string, data []byte) error) error {
	times, rest, _ := strings.Cut(rest, " ")
	name, text := first(rest)
	n, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	data, err := s.content(text)
	if err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		if err := do(name, bytes.ReplaceAll(data, []byte("{n}"), []byte(strconv.Itoa(i)))); err != nil {
			return err
		}
	}
	return nil
}

// gate is the name under which a front holds something up.
func gate(what string) string {
	if what == "builds" {
		return ""
	}
	return what
}

func (s *scenario) requests(rest string) error {
	path, value, err := pair(rest)
	if err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(limit)
	for {
		got := strconv.Itoa(s.srv.front.requests(path))
		if got == value {
			return nil
		}
		select {
		case <-tick.C:
		case <-timeout:
			return fmt.Errorf("there were %s", got)
		}
	}
}

func (s *scenario) builds(rest string) error {
	most, err := strconv.Atoi(strings.TrimPrefix(rest, "<= "))
	if err != nil {
		return err
	}
	if got := s.srv.events.builds(); got > most {
		return fmt.Errorf("there were %d", got)
	}
	return nil
}
