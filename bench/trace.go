package main

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"time"
)

// legs are what a save goes through, in order.
var legs = []string{"write seen", "settled", "compiled", "sent", "received", "run", "painted"}

// A trace is what devserve tells of an update: Seen in ms since 1970, all other times in ms since Seen.
type trace struct {
	Seen, Settled, Compiled, Sent float64
	Pages                         []struct{ Received, Run, Painted float64 }
}

// took is the ms of each leg of a save that began at a time. The system counts no finer than microseconds, so none is below 0 by more.
func (t trace) took(begun time.Time) []float64 {
	at := []float64{0, t.Settled, t.Compiled, t.Sent, t.Pages[0].Received, t.Pages[0].Run, t.Pages[0].Painted}
	took := []float64{max(0, t.Seen-float64(begun.UnixMicro())/1000)}
	for i := range at[1:] {
		took = append(took, max(0, at[i+1]-at[i]))
	}
	return took
}

// kept is how many updates devserve remembers.
const kept = 20

// tracing edits the leaf in a run of the server that is asked for traces, which costs a request of the page for each edit.
func (p plan) tracing(browser context.Context, t tools, peer peer, a *app, r *result) error {
	s, err := peer.with("--trace").start(browser, t, a)
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
	time.Sleep(10 * p.pause)
	leaf := a.edits()[0]
	var begun []time.Time
	for n := range min(p.edits, kept-1) + 1 { // one warms up
		begun = append(begun, time.Now())
		if _, err := p.once(tab, filepath.Join(a.dir, filepath.FromSlash(leaf.path)), leaf, n+1, inPlace, nil); err != nil {
			return err
		}
		time.Sleep(p.pause)
	}
	var status struct{ Trace []trace }
	response, err := http.Get(s.url + "_devserve/status")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return err
	}
	for _, b := range begun[1:] {
		for _, t := range status.Trace {
			// The update is the first one that was seen after the write. One that no page has shown tells too little.
			if t.Seen < float64(b.UnixMicro())/1000-1 {
				continue
			}
			if len(t.Pages) > 0 {
				for i, took := range t.took(b) {
					r.add(legs[i], took)
				}
			}
			break
		}
	}
	return nil
}
