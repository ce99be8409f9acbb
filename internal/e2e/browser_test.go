package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A browser is headless Chromium. Scenarios share it, each with a profile of its own.
type browser struct {
	ctx     context.Context
	atEnd   func(func())           // does something after all scenarios
	command func() (string, error) // the command that some of them serve with, built once
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium here: apt-get install chromium")
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WindowSize(1000, 700),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), o...) // t's own context ends before the cleanups
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	b := &browser{ctx: ctx, atEnd: t.Cleanup}
	b.command = sync.OnceValues(func() (string, error) { return command(b) })
	return b
}

// A tab is one page of the browser and what it wrote to its console.
type tab struct {
	ctx     context.Context
	console console
	foreign bool // it shows pages that do not load our client
	closed  bool
}

// newTab opens a tab with a profile of its own, or, with a first tab, in the profile of that.
func (b *browser) newTab(t *testing.T, first *tab) (*tab, error) {
	t.Helper()
	var ctx context.Context
	var cancel context.CancelFunc
	if first == nil {
		ctx, cancel = chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	} else {
		ctx, cancel = chromedp.NewContext(first.ctx)
	}
	n := &tab{ctx: ctx}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !t.Failed() && !n.closed {
			t.Error(err)
		}
		cancel()
	})
	if err := chromedp.Listen(ctx, n.listen); err != nil {
		return nil, err
	}
	// The size and the colours of the machine at hand must not matter.
	return n, n.do(
		chromedp.EmulateViewport(1000, 700),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}},
		}),
	)
}

// listen takes events of the browser. It must not wait.
func (b *tab) listen(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range ev.Args {
			var s string
			if json.Unmarshal([]byte(a.Value), &s) != nil {
				s = string(a.Value) + a.Description
			}
			words = append(words, s)
		}
		b.console.add(string(ev.Type) + ": " + strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text += " " + e.Description
		}
		b.console.add("exception: " + text)
	case *log.EventEntryAdded:
		b.console.add("browser: " + ev.Entry.Text + " " + ev.Entry.URL)
	}
}

// call is a command of the browser whose answer does not matter.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// close does what ends the tab, and does not wait for its answer.
func (b *tab) close(how chromedp.Action[chromedp.Void]) error {
	b.closed = true
	go b.do(how)
	return nil
}

// visit leads to a URL and returns once its document is there; what it loads may not be.
func (b *tab) visit(url string) error {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	r, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (page.NavigateResult, error) {
		return cdp.Call(ctx, t, page.Navigate, page.NavigateParams{URL: url})
	})
	if err == nil && r.ErrorText != "" {
		err = errors.New(r.ErrorText)
	}
	return err
}

// block keeps requests from being sent.
func (b *tab) block(pattern string) error {
	b.foreign = true
	return b.do(call(network.SetBlockedURLs, network.SetBlockedURLsParams{
		URLPatterns: []*network.BlockPattern{{URLPattern: pattern, Block: true}},
	}))
}

// eval returns the JSON of an expression's value, awaited. It fails while the page is being left.
func (b *tab) eval(js string) (string, error) {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string](
		"(async () => { const v = await ("+js+"\n); return JSON.stringify(v) ?? 'undefined' })()",
		func(p *runtime.EvaluateParams) { p.AwaitPromise = &yes }))
}

var yes = true

// now returns the expression's value as text, or what is wrong with it.
func (b *tab) now(js string) string {
	got, err := b.eval("String(" + js + ")")
	var text string
	if err != nil || json.Unmarshal([]byte(got), &text) != nil {
		return fmt.Sprintf("%s (%v)", got, err)
	}
	return text
}

// want waits until the expression's value has this JSON.
func (b *tab) want(js, want string) error { return b.until(js, "json === "+quote(want), want) }

// match waits until the expression's value, as text, matches.
func (b *tab) match(js, pattern string) error {
	return b.until(js, "typeof v === 'string' && new RegExp("+quote(pattern)+", 'ms').test(v)", "/"+pattern+"/")
}

// until evaluates js in the page, time and again, until the condition on v, its value, and json, that
// as JSON, holds. It goes on when the page is left for another.
func (b *tab) until(js, condition, want string) error {
	const slice = 500 // ms; then we look whether time is up
	script := fmt.Sprintf(`(async () => {
		for (const end = Date.now() + %d; ; ) {
			let v, json;
			try { v = await (%s
); json = JSON.stringify(v) ?? "undefined" } catch (e) { v = json = "throws " + e }
			const done = %s;
			if (done || Date.now() > end) return {done, json};
			await new Promise((resume) => setTimeout(resume, 4));
		}
	})()`, slice, js, condition)
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	got := "nothing yet"
	for {
		type answer struct {
			Done bool
			JSON string
		}
		a, err := chromedp.Run(ctx, chromedp.Evaluate[answer](script, func(p *runtime.EvaluateParams) { p.AwaitPromise = &yes }))
		var thrown *chromedp.ExceptionError
		switch {
		case err == nil && a.Done:
			return nil
		case err == nil:
			got = a.JSON
		case errors.As(err, &thrown): // a syntax error
			return err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return fmt.Errorf("got %s, want %s", got, want)
		}
	}
}

// A console is what a page wrote, line by line, of which some has been looked at.
type console struct {
	mu   sync.Mutex
	all  []string
	seen int
	news chan struct{} // closed and replaced when a line is added
}

func (c *console) add(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, line)
	if c.news != nil {
		close(c.news)
		c.news = nil
	}
}

// find looks in the lines that were not looked at yet, and if one matches takes all up to it as looked at.
func (c *console) find(re *regexp.Regexp) (found bool, news <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, line := range c.all[c.seen:] {
		if re.MatchString(line) {
			c.seen += i + 1
			return true, nil
		}
	}
	if c.news == nil {
		c.news = make(chan struct{})
	}
	return false, c.news
}

// wait is find that waits for the line to come.
func (c *console) wait(re *regexp.Regexp) error {
	timeout := time.After(limit)
	for {
		found, news := c.find(re)
		if found {
			return nil
		}
		select {
		case <-news:
		case <-timeout:
			return errors.New("no such line")
		}
	}
}

// none fails if a line that was not looked at matches.
func (c *console) none(re *regexp.Regexp) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.all[c.seen:] {
		if re.MatchString(line) {
			return fmt.Errorf("there is %q", line)
		}
	}
	return nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.all, "\n")
}
