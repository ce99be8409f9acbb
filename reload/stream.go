package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// retry is how long, in milliseconds, a browser that reconnects by itself waits:
	// a restarted server is found before a person looks up, and one that stays
	// away costs four requests a second on loopback.
	retry = 250

	// writeTimeout ends a stream whose reader takes nothing. Only a full socket
	// buffer makes a write wait, so its reader is behind by far more than one event.
	writeTimeout = 10 * time.Second

	// pollTimeout is how long an answer may wait for an event: less than proxies let one take.
	pollTimeout = 25 * time.Second

	// maxStreamBody is what a POST for the stream may carry; it is read and not looked at.
	maxStreamBody = 64 << 10
)

// event frames an event. data has no line break, so it takes one data line.
//
// https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
func event(id, name string, data []byte) frame {
	f := make(frame, 0, len("id: \nevent: \ndata: \n\n")+len(id)+len(name)+len(data))
	f = append(f, "id: "...)
	f = append(f, id...)
	f = append(f, "\nevent: "...)
	f = append(f, name...)
	f = append(f, "\ndata: "...)
	f = append(f, data...)
	return append(f, "\n\n"...)
}

// serveEvents is the event stream. The newest event that the reader knows comes in the
// header Last-Event-ID, which only a reader that was connected before sends, or else in
// the query, as a page's own EventSource cannot set a header.
func (h *Hub) serveEvents(w http.ResponseWriter, r *http.Request) {
	known, fresh := r.Header.Get("Last-Event-ID"), false
	if known == "" {
		query := r.URL.Query()
		known, fresh = query.Get("lastEventId"), query.Get("poll") != "wait" // who waits has been told already
	}
	header := w.Header()
	// A cache would hold a second fetch of this URL back until the first one ends;
	// no-transform and the encoding keep compressing middlewares and proxies from
	// collecting what must arrive now, and the last line is nginx's own. A middleware that has
	// set the encoding before it called us (gin's) compresses in any case, and flushes with us.
	header.Set("Cache-Control", "no-cache, no-store, no-transform")
	if header.Get("Content-Encoding") == "" {
		header.Set("Content-Encoding", "identity")
	}
	header.Set("X-Accel-Buffering", "no")
	if r.URL.Query().Has("poll") {
		h.poll(w, r, known, fresh)
		return
	}
	greeting := fmt.Sprintf("retry: %d\n\n", retry)
	if r.URL.Query().Has("hello") {
		greeting += "event: hello\ndata: {}\n\n" // for who cannot see comments, and must know whether bytes get through
	}
	by := "events"
	if r.Method == http.MethodPost {
		by = "fetch"
	}
	h.stream(w, r, &subscriber{by: by}, known, fresh, greeting, ": heartbeat\n\n")
}

// stream writes greeting and s's events to w until the reader goes, stops
// reading, or the hub ends the stream.
func (h *Hub) stream(w http.ResponseWriter, r *http.Request, s *subscriber, known string, fresh bool, greeting, heartbeat string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK) // said, as gin would say 404 where it knows no route
		return
	}
	if !canFlush(w) {
		http.Error(w, "devserve: cannot stream: a middleware's ResponseWriter has neither Flush nor Unwrap", http.StatusInternalServerError)
		return
	}
	// A disconnect is noticed only once the body has been read.
	if _, err := readBody(w, r, maxStreamBody); err != nil {
		http.Error(w, "devserve: cannot read the request's body", bodyStatus(err))
		return
	}
	s.agent, s.remote = r.UserAgent(), r.RemoteAddr
	if err := h.subscribe(s, known, fresh); err != nil {
		http.Error(w, "devserve: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer h.unsubscribe(s)
	out := newFlusher(w)
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if srv != nil && srv.WriteTimeout > 0 && errors.Is(out.rc.SetWriteDeadline(time.Time{}), http.ErrNotSupported) {
		h.deadlines.Do(func() {
			h.log.Warn("event streams end with the server's WriteTimeout and come back: a middleware's ResponseWriter has no Unwrap; put devserve around it",
				"timeout_ms", srv.WriteTimeout.Milliseconds())
		})
	}
	w.WriteHeader(http.StatusOK)
	err := s.run(r.Context(), &h.traces, out, append([]frame{frame(greeting)}, s.first...), frame(heartbeat), h.o.Heartbeat)
	h.log.Debug("stream ended", "remote", s.remote, "err", err)
}

// poll answers with what a stream would begin with, and ends: for who has a stream and misses what came before, or
// can have none. With poll=wait it waits for an event if there is none yet, for pollTimeout at most.
func (h *Hub) poll(w http.ResponseWriter, r *http.Request, known string, fresh bool) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	s, err := h.missed(r, known, fresh)
	if err != nil {
		http.Error(w, "devserve: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	if newFlusher(w).write(s.first...) == nil { // whoever has gone needs no answer
		s.wrote(&h.traces, 0)
	}
}

// missed returns the reader of a poll, who begins with what it has not seen.
func (h *Hub) missed(r *http.Request, known string, fresh bool) (*subscriber, error) {
	s := &subscriber{agent: r.UserAgent(), remote: r.RemoteAddr, by: "poll"}
	if err := h.subscribe(s, known, fresh); err != nil {
		return nil, err
	}
	defer h.unsubscribe(s)
	if r.URL.Query().Get("poll") != "wait" || !bytes.Equal(s.first[0], nothingMissed) {
		return s, nil
	}
	late := time.NewTimer(pollTimeout)
	defer late.Stop()
	select {
	case f, ok := <-s.queue:
		if ok {
			s.first = []frame{f}
			s.next++
		}
	case <-r.Context().Done():
	case <-late.C:
	}
	return s, nil
}

// errDropped ends a stream on the hub's side.
var errDropped = errors.New("reload: stream dropped or hub closed")

// run writes first, then what comes through the queue, all that is there at once, and a
// heartbeat whenever nothing was written for pause.
func (s *subscriber) run(ctx context.Context, ts *traces, w *flusher, first []frame, heartbeat frame, pause time.Duration) error {
	if err := w.write(first...); err != nil {
		return err
	}
	s.first = nil // not kept for the stream's life
	s.wrote(ts, 0)
	silent := time.NewTimer(pause)
	defer silent.Stop()
	batch := make([]frame, 0, 8)
	for {
		batch = batch[:0]
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-silent.C:
			batch = append(batch, heartbeat)
		case f, open := <-s.queue:
			for ; open; f, open = <-s.queue {
				batch = append(batch, f)
				if len(s.queue) == 0 {
					break
				}
			}
			if !open {
				w.write(batch...)
				return errDropped
			}
		}
		if err := w.write(batch...); err != nil {
			return err
		}
		events := int64(0)
		for _, f := range batch {
			if !bytes.Equal(f, heartbeat) {
				s.queued.Add(-int64(len(f)))
				events++
			}
		}
		s.wrote(ts, events)
		silent.Reset(pause)
	}
}

// wrote notes that the stream has taken so many events of the queue.
func (s *subscriber) wrote(ts *traces, events int64) {
	if s.from == 0 {
		return
	}
	s.next += events
	ts.sent(s.from, s.next)
	s.from = s.next
}

// A flusher writes frames that arrive at once, whatever wraps the server's writer.
type flusher struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func newFlusher(w http.ResponseWriter) *flusher {
	return &flusher{w, http.NewResponseController(w)}
}

// write writes and flushes fs within writeTimeout. The deadline replaces that of an
// http.Server with a WriteTimeout, and is lifted afterwards: over HTTP/2 it would
// reset a silent stream. Writers without deadlines, as in tests, do without.
func (f *flusher) write(fs ...frame) error {
	if err := f.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err == nil {
		defer f.rc.SetWriteDeadline(time.Time{})
	}
	for _, b := range fs {
		if _, err := f.w.Write(b); err != nil {
			return err
		}
	}
	return f.rc.Flush()
}

// canFlush reports whether [http.ResponseController.Flush] can work on w, without
// trying: a Flush would send the header.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
