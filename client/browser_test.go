package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// limit is how long a test waits for what must happen.
const limit = 45 * time.Second

// startBrowser starts one headless Chromium for all subtests of t.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := "chromium"
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), o...) // t's own ends before the cleanups
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
		cancelTab()
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// A tab is one page of the browser, and what it wrote to its console.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu  sync.Mutex
	log []string
}

func openTab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			b.mu.Lock()
			t.Logf("console:\n%s", strings.Join(b.log, "\n"))
			b.mu.Unlock()
		}
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	})
	// Here each tab has a stream of its own; internal/e2e shows how they share one.
	const alone = "delete globalThis.SharedWorker; delete Navigator.prototype.locks"
	_, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (page.AddScriptToEvaluateOnNewDocumentResult, error) {
		return cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: alone})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = chromedp.Listen(ctx, func(ev any) {
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
			b.note(string(ev.Type) + ": " + strings.Join(words, " "))
		case *runtime.EventExceptionThrown:
			text := ev.ExceptionDetails.Text
			if e := ev.ExceptionDetails.Exception; e != nil {
				text += " " + e.Description
			}
			b.note("exception: " + text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) note(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, line)
}

// logged counts the console's lines that contain text.
func (b *tab) logged(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, line := range b.log {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// run executes statements.
func (b *tab) run(js string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("(() => { %s; return '' })()", js))); err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
}

// eval returns the expression's value as a string. While the page is being loaded it is "".
func (b *tab) eval(js string) string {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("String(%s)", js)))
	if err != nil {
		return ""
	}
	return s
}

// want waits until the expression's value is want.
func (b *tab) want(js, want string) {
	b.t.Helper()
	var got string
	if !eventually(func() bool { got = b.eval(js); return got == want }) {
		b.t.Fatalf("%s is %q, want %q", js, got, want)
	}
}

// wantLog waits until the console has a line that contains text.
func (b *tab) wantLog(text string) {
	b.t.Helper()
	if !eventually(func() bool { return b.logged(text) > 0 }) {
		b.t.Fatalf("console has no %q", text)
	}
}

// mark puts a value on window, which a reload takes away.
func (b *tab) mark() {
	b.t.Helper()
	b.run("window.stays = 'yes'")
}

func (b *tab) wantStays() {
	b.t.Helper()
	if got := b.eval("window.stays"); got != "yes" {
		b.t.Fatalf("the page was reloaded (stays is %q)", got)
	}
}

func (b *tab) wantReload() {
	b.t.Helper()
	b.want("window.stays === undefined && document.readyState", "complete")
}

// screenshot writes what the page shows to a folder named in SHOTS, for people to look at.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+name+".png", png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// eventually polls until ok holds, at most for limit.
func eventually(ok func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			return ok()
		}
	}
	return true
}
