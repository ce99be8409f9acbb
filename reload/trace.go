package reload

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Trace says when a save went through which hands, all by the clock of this machine. A zero time is what has not happened, or is
// not known. As JSON Seen is in milliseconds since 1970, and every other time in milliseconds since Seen.
//
// The publisher knows the times up to Compiled, the hub adds the rest. What a page tells is measured by its own clock, of which
// only differences are believed. Where they begin, Received, is as the page's clock has it if that lies between Sent
// and the latest moment that leaves room for the rest before the page's report came, or else the nearer of the two: exact for a
// page on this machine, and wrong by less than a round trip for any other.
type Trace struct {
	Event string   // ID of the event, set by the hub
	Build int64    // as of the event, set by the hub
	Files []string // what was saved; the hub keeps the first ten

	Written  time.Time // last change of a file, by its file system's clock, which may tick every 4ms only
	Seen     time.Time // the system told of the first change; required
	Settled  time.Time // all has been quiet
	Began    time.Time // the build
	Compiled time.Time // it ended
	Sent     time.Time // the first stream has taken the event
	Pages    []PageTrace

	report bool // pages are asked for theirs
}

// A PageTrace is a page's part of a [Trace]. Where it was loaded anew, Run and Painted are of the page that came.
type PageTrace struct {
	Received time.Time
	Run      time.Time // scripts have run, style sheets have come, errors are on show
	Painted  time.Time // and are on the screen; zero where nobody looks at the page
	Reported time.Time // what the page tells of this has arrived
}

const (
	maxTraces      = 20 // are kept
	maxTracedPages = 20 // and of so many pages each
	maxTracedFiles = 10

	// traceWait is how long pages may take to report before a trace is told without them: longer than a full reload takes.
	traceWait = 3 * time.Second
)

// MarshalJSON never fails.
func (t *Trace) MarshalJSON() ([]byte, error) {
	type page struct {
		Received float64 `json:"received"`
		Run      float64 `json:"run,omitempty"`
		Painted  float64 `json:"painted,omitempty"`
		Reported float64 `json:"reported"`
	}
	ms := func(at time.Time) float64 {
		if at.IsZero() {
			return 0
		}
		return float64(at.Sub(t.Seen).Microseconds()) / 1000
	}
	var pages []page
	for _, p := range t.Pages {
		pages = append(pages, page{ms(p.Received), ms(p.Run), ms(p.Painted), ms(p.Reported)})
	}
	return json.Marshal(struct {
		Event    string   `json:"event,omitempty"`
		Build    int64    `json:"build,omitempty"`
		Files    []string `json:"files,omitempty"`
		Seen     float64  `json:"seen"`
		Written  float64  `json:"written,omitempty"`
		Settled  float64  `json:"settled,omitempty"`
		Began    float64  `json:"began,omitempty"`
		Compiled float64  `json:"compiled,omitempty"`
		Sent     float64  `json:"sent,omitempty"`
		Pages    []page   `json:"pages,omitempty"`
		Report   bool     `json:"report,omitempty"`
	}{
		t.Event, t.Build, t.Files, float64(t.Seen.UnixMicro()) / 1000,
		ms(t.Written), ms(t.Settled), ms(t.Began), ms(t.Compiled), ms(t.Sent), pages, t.report,
	})
}

// whole returns a copy of t, or nil if t says nothing.
func (t *Trace) whole() *Trace {
	if t == nil || t.Seen.IsZero() {
		return nil
	}
	return &Trace{
		Files: t.Files[:min(len(t.Files), maxTracedFiles)], Written: t.Written, Seen: t.Seen, Settled: t.Settled, Began: t.Began, Compiled: t.Compiled,
	}
}

// traces are the newest. Its lock is taken last.
type traces struct {
	tell func(Trace) // nil: pages are not asked

	unsent atomic.Int64 // number of the oldest event that a stream may still take; 0: none

	mu   sync.Mutex
	list []*traced // the oldest first
}

type traced struct {
	Trace
	number int64
	told   bool
	timer  *time.Timer // tells it without a page
}

// begin returns what is kept of the trace of e, a whole event, or nil, and makes of that in e what pages are told.
func (ts *traces) begin(e Event) *traced {
	var t *Trace
	var build int64
	switch e := e.(type) {
	case Built:
		t, build = e.Trace, e.Build
	case Error:
		t, build = e.Trace, e.Build
	}
	if t == nil {
		return nil
	}
	kept := &traced{Trace: *t}
	kept.Build = build
	t.Files, t.report = nil, ts.tell != nil
	return kept
}

// add keeps the trace of an event that is about to be queued. heard is false if there is no page to report.
func (ts *traces) add(e *traced, heard bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.list = append(ts.list, e)
	if len(ts.list) > maxTraces {
		ts.list = slices.Delete(ts.list, 0, 1)
	}
	ts.unsent.CompareAndSwap(0, e.number)
	if ts.tell == nil {
		return
	}
	wait := time.Duration(0)
	if heard {
		wait = traceWait
	}
	e.timer = time.AfterFunc(wait, func() {
		ts.mu.Lock()
		told, now := e.told, e.clone()
		e.told = true
		ts.mu.Unlock()
		if !told {
			ts.tell(now)
		}
	})
}

// sent notes that a stream has taken the events from one number up to, and not including, another.
func (ts *traces) sent(from, to int64) {
	if oldest := ts.unsent.Load(); oldest == 0 || oldest >= to {
		return
	}
	now := time.Now()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.unsent.Store(0)
	for _, e := range ts.list {
		switch {
		case e.number >= to:
			ts.unsent.CompareAndSwap(0, e.number)
		case e.number >= from && e.Sent.IsZero():
			e.Sent = now
			if len(e.Pages) > 0 && now.After(e.Pages[0].Received) { // whose report was faster than this line
				e.Sent = e.Pages[0].Received
			}
		}
	}
}

// A pageReport is what a page tells, in milliseconds since it received the event.
type pageReport struct {
	Event   string
	At      float64 // when it received it, since 1970
	Run     float64
	Painted float64 // 0: it was not
	Posted  float64 // this was on its way
}

// possible reports whether r can be true.
func (r pageReport) possible() bool {
	const most = 1e9 // eleven days; beyond it a time.Duration may overflow
	return 0 <= r.At && r.At < 1e15 && 0 <= r.Run && (r.Painted == 0 || r.Run <= r.Painted) && max(r.Run, r.Painted) <= r.Posted && r.Posted < most
}

// report takes what a page tells, which has just arrived.
func (ts *traces) report(r pageReport) {
	now := time.Now()
	if ts.tell == nil || !r.possible() {
		return
	}
	ts.mu.Lock()
	i := slices.IndexFunc(ts.list, func(e *traced) bool { return e.Event == r.Event })
	if i < 0 || len(ts.list[i].Pages) == maxTracedPages {
		ts.mu.Unlock()
		return
	}
	e := ts.list[i]
	e.Pages = append(e.Pages, e.page(r, now))
	e.told = true
	e.timer.Stop()
	told := e.clone()
	ts.mu.Unlock()
	ts.tell(told)
}

// page brings what a page tells into the clock of t. It arrived at a time.
func (t *Trace) page(r pageReport, arrived time.Time) PageTrace {
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	before := t.Seen
	for _, at := range []time.Time{t.Settled, t.Began, t.Compiled, t.Sent} {
		if at.After(before) {
			before = at
		}
	}
	received := arrived.Add(time.UnixMicro(int64(r.At * 1000)).Sub(arrived)) // keeps the monotonic clock
	if latest := arrived.Add(-ms(r.Posted)); received.After(latest) {
		received = latest
	}
	if received.Before(before) {
		received = before
	}
	later := func(n float64) time.Time { // but not later than it was told
		if at := received.Add(ms(n)); at.Before(arrived) {
			return at
		}
		return arrived
	}
	p := PageTrace{Received: received, Run: later(r.Run), Reported: arrived}
	if r.Painted > 0 {
		p.Painted = later(r.Painted)
	}
	return p
}

func (t *Trace) clone() Trace {
	c := *t
	c.Pages = slices.Clone(t.Pages)
	return c
}

// newest returns all, the oldest first.
func (ts *traces) newest() []*Trace {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	out := []*Trace{}
	for _, e := range ts.list {
		t := e.clone()
		out = append(out, &t)
	}
	return out
}

// close tells no more.
func (ts *traces) close() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, e := range ts.list {
		e.told = true
		if e.timer != nil {
			e.timer.Stop()
		}
	}
}

// serveTrace takes a page's part of a trace: a pageReport.
func (h *Hub) serveTrace(w http.ResponseWriter, r *http.Request) {
	var report pageReport
	if !h.command(w, r, &report) {
		return
	}
	h.traces.report(report)
	w.WriteHeader(http.StatusNoContent)
}
