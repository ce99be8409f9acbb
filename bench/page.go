package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a change may take until it counts as never shown.
const patience = 90 * time.Second

//go:embed page.js
var pageScript string

// startBrowser returns the context of a headless Chromium, and what ends it.
func startBrowser() (context.Context, func(), error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, nil, errors.New("bench: no Chromium here")
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1000, 700))...)
	ctx, cancel := chromedp.NewContext(ctx)
	return ctx, func() { cancel(); stop() }, chromedp.Do(ctx)
}

// A tab is a page of the app, in a profile of its own.
type tab struct {
	ctx   context.Context
	close func()
	seen  chan sight
}

// A sight is what page.js tells.
type sight struct {
	Key, Value string
	At         float64 // ms since 1970
}

func newTab(browser context.Context) (*tab, error) {
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t := &tab{ctx, cancel, make(chan sight, 1000)}
	err := chromedp.Listen(ctx, func(ev any) {
		called, ok := ev.(*runtime.EventBindingCalled)
		if !ok || called.Name != "benchTell" {
			return
		}
		var s sight
		if json.Unmarshal([]byte(called.Payload), &s) == nil {
			t.seen <- s
		}
	})
	if err == nil {
		err = t.do(call(runtime.AddBinding, runtime.AddBindingParams{Name: "benchTell"}),
			call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: pageScript}))
	}
	if err != nil {
		cancel()
	}
	return t, err
}

func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func (t *tab) do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// visit leads to the URL without waiting for what the page loads.
func (t *tab) visit(url string) error {
	t.forget()
	return t.do(call(page.Navigate, page.NavigateParams{URL: url}))
}

// eval returns the value of an expression, as text.
func (t *tab) eval(js string) (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string]("String("+js+")"))
}

// forget drops what was told so far.
func (t *tab) forget() {
	for {
		select {
		case <-t.seen:
		default:
			return
		}
	}
}

// wait returns when the last of the wanted values was seen.
func (t *tab) wait(want map[string]string) (time.Time, error) {
	timeout := time.After(patience)
	have := map[string]string{}
	for {
		select {
		case s := <-t.seen:
			have[s.Key] = s.Value
			if subset(want, have) {
				return time.UnixMicro(int64(s.At * 1000)), nil
			}
		case <-timeout:
			return time.Time{}, fmt.Errorf("the page shows %v, not %v", have, want)
		}
	}
}

func subset(want, have map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

// counts are the counters of the leaf and of the root, by which state that was lost shows.
func (t *tab) counts() (string, error) {
	return t.eval(`["leaf-count", "root-count"].map((id) => document.getElementById(id)?.textContent)`)
}

// count raises both counters.
func (t *tab) count() error {
	_, err := t.eval(`["leaf-count", "root-count"].map((id) => document.getElementById(id).click())`)
	return err
}
