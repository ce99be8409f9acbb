package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// A result is what was measured of one peer at one size.
type result struct {
	peer    string
	modules int
	samples map[string][]float64 // of a row of the table, in its unit
	lost    map[string]bool      // edits that did not keep the state of the page
	failed  []string             // what could not be measured, and why
	noise   noise
}

func (r *result) add(row string, v float64) { r.samples[row] = append(r.samples[row], v) }

// unheeded is the result of what warms up.
func unheeded() *result { return &result{samples: map[string][]float64{}} }

func (r *result) fail(row string, err error) {
	r.failed = append(r.failed, fmt.Sprintf("%s, %d modules, %s: %v", r.peer, r.modules, row, err))
}

// A server that needs seconds for an edit gets fewer of them: once a row has taken long, few are enough.
const (
	long = time.Minute
	few  = 5
)

// rest is what a server gets to itself before its memory is measured.
const rest = 5 * time.Second

// A plan is how much is measured.
type plan struct {
	edits, starts int
	pause         time.Duration // between edits, so that none waits for what the one before has left to do
}

// measure takes all figures of a peer, in a browser of its own.
func (p plan) measure(ctx context.Context, t tools, peer peer, a *app) *result {
	r := &result{peer: peer.name, modules: a.modules, samples: map[string][]float64{}, lost: map[string]bool{}}
	browser, stop, err := startBrowser(ctx)
	if err != nil {
		r.fail("the browser", err)
		return r
	}
	defer stop()
	before, err := readClock()
	if err != nil {
		r.fail("the machine", err)
		return r
	}
	defer func() { // before the browser ends: what its processes have used is lost with them
		if after, err := readClock(); err != nil {
			r.fail("the machine", err)
		} else {
			r.noise = after.since(before)
		}
	}()
	for i := range 1 + p.starts {
		into := r
		if i == 0 {
			into = unheeded() // the browser and the files are new to the machine
		}
		if err := p.starting(browser, t, peer, a, into); err != nil {
			r.fail("start", err)
			return r
		}
	}
	if err := p.editing(browser, t, peer, a, r); err != nil {
		r.fail("edits", err)
	}
	if peer.traces {
		if err := p.tracing(browser, t, peer, a, r); err != nil {
			r.fail("trace", err)
		}
	}
	return r
}

// starting measures a cold start and a second one, whose browser has its cache, as the address is the same, and whose server
// has its own.
func (p plan) starting(browser context.Context, t tools, peer peer, a *app, r *result) error {
	if err := peer.clear(a); err != nil {
		return err
	}
	tab, err := newTab(browser)
	if err != nil {
		return err
	}
	defer tab.close()
	port, err := freePort()
	if err != nil {
		return err
	}
	for _, row := range []string{coldStart, secondStart} {
		err := func() error {
			s, err := peer.startAt(browser, t, a, port)
			if err != nil {
				return err
			}
			defer s.stop()
			defer tab.leave() // an open page would ask the next server by itself
			at, err := tab.visit(s.url)
			if err != nil {
				return err
			}
			r.add(row, ms(at.Sub(s.begun)))
			if row == coldStart {
				u, err := usageOf(s.cmd.Process.Pid)
				if err != nil {
					return err
				}
				r.add(coldCPU, u.cpu.Seconds())
			}
			return nil
		}()
		if err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
	}
	return nil
}

// editing measures what happens at edits, in one run of the server.
func (p plan) editing(browser context.Context, t tools, peer peer, a *app, r *result) error {
	s, err := peer.start(browser, t, a)
	if err != nil {
		return err
	}
	defer s.stop()
	tab, err := newTab(browser)
	if err != nil {
		return err
	}
	defer tab.close()
	if _, err := tab.visit(s.url); err != nil {
		return err
	}
	time.Sleep(rest) // what a start leaves to do
	u, err := usageOf(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	r.add(idleMemory, mib(u.rss))
	for _, e := range a.edits() {
		for _, save := range saves {
			row := row(e.name, save.name)
			if err := p.repeat(tab, s, a, e, row, save.file, r); err != nil {
				r.fail(row, err)
				if _, err := tab.visit(s.url); err != nil { // so that the next row begins with a page that is right
					return err
				}
			}
		}
		if e.broken != "" && !peer.reload {
			if err := p.breaking(tab, a, e, r); err != nil {
				r.fail(errorShown, err)
				if _, err := tab.visit(s.url); err != nil {
					return err
				}
			}
		}
	}
	time.Sleep(rest) // as before them
	u, err = usageOf(s.cmd.Process.Pid)
	r.add(editedMemory, mib(u.rss))
	return err
}

// repeat edits a file with mark after mark, and leaves it as it was.
func (p plan) repeat(tab *tab, s *server, a *app, e edit, row string, save style, r *result) error {
	path := filepath.Join(a.dir, filepath.FromSlash(e.path))
	if err := tab.count(); err != nil {
		return err
	}
	time.Sleep(p.pause)
	counts, err := tab.counts()
	if err != nil {
		return err
	}
	before, err := usageOf(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	begun := time.Now()
	done := 0
	for last := false; !last; done++ {
		last = done == p.edits || done >= few && time.Since(begun) > long
		mark := done + 1
		if last {
			mark = 0
		}
		took, err := p.once(tab, path, e, mark, save, nil)
		if err != nil {
			return errors.Join(err, inPlace(path, e.source(0))) // or what is measured next would fail, too
		}
		if done > 0 { // the first edit warms up
			r.add(row, took)
		}
		time.Sleep(p.pause)
	}
	after, err := usageOf(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if row == leafRow {
		r.add(leafCPU, ms(after.cpu-before.cpu)/float64(done))
	}
	now, err := tab.counts()
	if now != counts {
		r.lost[row] = true
	}
	return err
}

// once writes the file with a mark and returns how many ms later the page shows that, and whatever else is wanted.
func (p plan) once(tab *tab, path string, e edit, mark int, save style, also map[string]string) (float64, error) {
	if e.name == "style" {
		if _, err := tab.eval("benchStyle()"); err != nil {
			return 0, err
		}
	}
	content := e.source(mark)
	want := map[string]string{e.name: strconv.Itoa(mark)}
	for k, v := range also {
		want[k] = v
	}
	tab.forget()
	begun := time.Now()
	if err := save(path, content); err != nil {
		return 0, err
	}
	at, err := tab.wait(want, patience)
	return ms(at.Sub(begun)), err
}

// breaking measures how soon an error is shown, and how soon the page is right again.
func (p plan) breaking(tab *tab, a *app, e edit, r *result) error {
	path := filepath.Join(a.dir, filepath.FromSlash(e.path))
	for n := range p.edits {
		tab.forget()
		begun := time.Now()
		if err := inPlace(path, e.broken); err != nil {
			return err
		}
		at, err := tab.wait(map[string]string{"error": "true"}, patience)
		if err != nil {
			return errors.Join(err, inPlace(path, e.source(0)))
		}
		r.add(errorShown, ms(at.Sub(begun)))
		time.Sleep(p.pause)
		took, err := p.once(tab, path, e, n+1, inPlace, map[string]string{"error": "false"})
		if err != nil {
			return errors.Join(err, inPlace(path, e.source(0)))
		}
		r.add(errorFixed, took)
		time.Sleep(p.pause)
	}
	_, err := p.once(tab, path, e, 0, inPlace, nil)
	time.Sleep(p.pause)
	return err
}

// floor measures starts with nothing to do but to load the page.
func (p plan) floor(ctx context.Context, t tools, a *app) *result {
	r := &result{peer: floor, modules: a.modules, samples: map[string][]float64{}}
	url, stop, err := serveBundle(ctx, t, a)
	if err != nil {
		r.fail("bundle", err)
		return r
	}
	defer stop()
	browser, stop, err := startBrowser(ctx)
	if err != nil {
		r.fail("the browser", err)
		return r
	}
	defer stop()
	for i := range 1 + p.starts {
		into := r
		if i == 0 {
			into = unheeded()
		}
		err := func() error {
			tab, err := newTab(browser)
			if err != nil {
				return err
			}
			defer tab.close()
			for _, row := range []string{coldStart, secondStart} {
				begun := time.Now()
				at, err := tab.visit(url)
				if err != nil {
					return err
				}
				into.add(row, ms(at.Sub(begun)))
				tab.leave() // as between two starts of a server
			}
			return nil
		}()
		if err != nil {
			r.fail("start", err)
			break
		}
	}
	return r
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
