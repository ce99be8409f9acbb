package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// pollLimit is how long one poll is kept open: shorter than any proxy in between allows.
	pollLimit = 20 * time.Second

	// askEvery is the pause between two looks at an upstream that somebody waits for: short for a
	// person, and next to no work.
	askEvery = 100 * time.Millisecond

	// brokeOffPause is what a page waits before it asks anew for one that takes connections only to end them.
	brokeOffPause = time.Second
)

// A waiting is the page that waits for an upstream.
type waiting struct {
	Title string
	outage
	Command string // that should answer, if it is ours
	Phase   string // what it is about, for a person
	Again   bool   // to be asked for again, which would be wrong for a form that was sent
	Pause   int64  // before it is asked for, in ms
	Poll    string // URL that tells when
}

// wait answers a navigation with a page that becomes the upstream's as soon as that answers.
func (u *upstream) wait(w http.ResponseWriter, r *http.Request, o outage) {
	page := waiting{
		Title:  "Waiting for " + strings.TrimPrefix(u.address, "http://"),
		outage: o,
		Again:  r.Method == http.MethodGet || r.Method == http.MethodHead,
		Poll:   u.base + "_devserve/upstream?path=" + url.QueryEscape(r.URL.Path),
	}
	if o.There {
		page.Pause = brokeOffPause.Milliseconds()
	}
	if u.hold != nil {
		page.Title = "Waiting for the program behind this page"
		page.Command, page.Phase = u.hold.String(), u.hold.describe()
	}
	render(w, o.status, "waiting", page)
}

// answers tells a waiting page when the upstream of its path answers: 204 once it does, 503 if not for a while.
func (s *Server) answers(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(w, r, errMethod)
		return
	}
	p := r.URL.Query().Get("path")
	u := s.upstream(p)
	if u == nil {
		u = s.backend
	}
	w.Header().Set("Cache-Control", "no-store")
	if u == nil || !strings.HasPrefix(p, "/") || hasDots(p) {
		fail(w, r, errNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pollLimit)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	if u.awaited(ctx, p) {
		w.WriteHeader(http.StatusNoContent)
	} else {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// awaited returns true as soon as u answers at all, and false when ctx is done. It asks by HEAD, and not only for a
// connection: some (docker's proxy) take one before the program behind them runs.
func (u *upstream) awaited(ctx context.Context, path string) bool {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		if u.asked(ctx, path) == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// asked returns nil if u answers a HEAD in whatever way.
func (u *upstream) asked(ctx context.Context, path string) error {
	at := *u.target
	at.Path, at.RawPath = strings.TrimSuffix(at.Path, "/")+path, ""
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, at.String(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "devserve")
	if u.hold != nil {
		leave, err := u.hold.enter(ctx)
		if err != nil {
			return err
		}
		defer leave()
	}
	res, err := u.RoundTrip(r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}
