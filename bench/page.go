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

// How long a start and a change may take until they count as never shown. Some peers need minutes for 10,000 modules.
const (
	startPatience = 5 * time.Minute
	patience      = 90 * time.Second
)

//go:embed page.js
var pageScript string

// startBrowser returns the context of a headless Chromium, and what ends it, as the end of ctx does.
func startBrowser(ctx context.Context) (context.Context, func(), error) {
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
	ctx, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1000, 700))...)
	ctx, cancel := chromedp.NewContext(ctx)
	both := func() { cancel(); stop() }
	err := chromedp.Do(ctx)
	if err != nil {
		both()
	}
	return ctx, both, err
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
	ctx, cancel := context.WithTimeout(t.ctx, startPatience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// visit leads to the URL and returns when the page shows all components.
func (t *tab) visit(url string) (time.Time, error) {
	t.forget()
	if err := t.do(call(page.Navigate, page.NavigateParams{URL: url})); err != nil {
		return time.Time{}, err
	}
	return t.wait(map[string]string{"leaf": "0", "root": "0"}, startPatience)
}

// leave leads to an empty page.
func (t *tab) leave() { t.do(call(page.Navigate, page.NavigateParams{URL: "about:blank"})) }

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
func (t *tab) wait(want map[string]string, atMost time.Duration) (time.Time, error) {
	timeout := time.After(atMost)
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
		case <-t.ctx.Done():
			return time.Time{}, errors.New("the browser ended")
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

// count raises both counters, once they are there: the last edit may have made the page load anew.
func (t *tab) count() error {
	deadline := time.Now().Add(patience)
	for {
		done, err := t.eval(`["leaf-count", "root-count"].map((id) => document.getElementById(id)).every((e) => e && (e.click() ?? true))`)
		if err == nil && done == "true" {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(errors.New("the page shows no counters"), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
