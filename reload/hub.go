package reload

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// retainBytes bounds what is kept for Last-Event-ID beside Options.Retain: an
// update may carry a module of megabytes. 16 MB are hundreds of ordinary updates;
// who missed more is better off with a reload.
const retainBytes = 16 << 20

// queueBytes is how much may wait for one reader beside Options.Queue. What exceeds it by itself is sent to a reader who has
// taken all before it.
const queueBytes = 256 << 10

// Hub hands events to every connected stream. Its methods are safe for concurrent use.
type Hub struct {
	o        Options
	log      *slog.Logger
	hosts    hosts
	token    string // what a page must show with a POST that does something
	nonce    string // of this hub: first part of every event ID
	client   script // client.js
	began    time.Time
	commands *rate.Limiter // of requests that do something
	traces   traces

	mu      sync.Mutex
	closed  bool
	last    int64 // number of the newest event
	subs    map[*subscriber]struct{}
	replay  []frame                // the newest events, without a gap up to last
	kept    int                    // bytes in replay
	running bool                   // the newest event is a building
	good    Built                  // the site's last good build, as a sync
	wrong   []wrong                // what is not mended, one for each source
	state   Event                  // good, or all that is wrong as one Error
	stateAt int64                  // number of the event that made it; 0: none yet
	sync    func() ([]byte, error) // state, encoded when it is first asked for

	deadlines sync.Once // tells that streams cannot have their own
}

// wrong is the last Error of its source.
type wrong struct {
	at int64 // number of the event
	Error
}

// A frame is one event as the stream writes it.
type frame []byte

// A subscriber is one open stream.
type subscriber struct {
	webpack bool         // speaks webpack-hot-middleware's protocol
	first   []frame      // what it begins with
	queue   chan frame   // closed by the hub: no more will come
	since   time.Time    // of the connection
	agent   string       // User-Agent
	remote  string       // address
	queued  atomic.Int64 // bytes in queue, or on their way to the reader
	from    int64        // number of the first event that is not known to be written; 0 in another protocol
	next    int64        // and of the first one that it has not taken
	by      string       // how it is read: "events", "fetch", "poll", "webpack"
}

// Publish queues e for every stream, returns its event ID and never waits for a
// reader. A subscriber whose queue is full is dropped: its stream ends, and its browser
// returns by itself and says which event it knows. [Built] and [Error] make the
// state that new streams are told: the site's last good build, or the errors of all sources
// that have not been mended since. After Close it returns [ErrClosed].
func (h *Hub) Publish(e Event) (string, error) {
	_, custom := e.(Custom)
	return h.publish(e.whole(), !custom)
}

// Reload makes every page load anew and gives a reason for people. The state that
// new streams are told stays what it is: an error that is on show is not mended by a reload.
func (h *Hub) Reload(reason string) (string, error) {
	h.mu.Lock()
	good := h.good
	h.mu.Unlock()
	return h.publish(Built{Build: good.Build, Hash: good.Hash, Reload: &FullReload{Reason: reason}}.whole(), false)
}

func (h *Hub) publish(e Event, isState bool) (string, error) {
	t := h.traces.begin(e)
	data, err := encode(e)
	if err != nil {
		return "", err
	}
	var dropped []string
	defer func() { // once the lock is released
		for _, remote := range dropped {
			h.log.Debug("slow stream dropped", "remote", remote)
		}
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return "", ErrClosed
	}
	h.last++
	id := h.id(h.last)
	f := event(id, e.name(), data)
	if t != nil {
		t.Event, t.number = id, h.last
		h.traces.add(t, len(h.subs) > 0)
	}
	h.keep(f)
	_, h.running = e.(Building)
	hash := h.good.Hash
	if isState && !h.running {
		h.setState(e, h.last)
	}
	var wf frame // made when it is wanted, then the same for all
	for s := range h.subs {
		own := f
		if s.webpack {
			if _, custom := e.(Custom); custom {
				continue
			}
			if wf == nil {
				wf = webpackFrame(e, h.state, hash, false)
			}
			own = wf
		}
		if !s.push(own) {
			dropped = append(dropped, s.remote)
			h.remove(s)
		}
	}
	return id, nil
}

// push queues f, unless too much is queued. The hub's lock is held.
func (s *subscriber) push(f frame) bool {
	n := int64(len(f))
	if queued := s.queued.Load(); queued > 0 && queued+n > queueBytes {
		return false
	}
	select {
	case s.queue <- f:
		s.queued.Add(n)
		return true
	default:
		return false
	}
}

// ID returns the ID of the newest event. A stream that is opened with it is told all
// that was published since.
func (h *Hub) ID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.id(h.last)
}

// Clients returns the number of open streams.
func (h *Hub) Clients() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs)
}

// Close ends every stream, after what is queued for it. Publish returns [ErrClosed]
// afterwards, and new streams are refused. It always returns nil.
func (h *Hub) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.traces.close()
	for s := range h.subs {
		h.remove(s)
	}
	return nil
}

// subscribe adds s, a stream whose reader knows the event with the ID known, which
// may be "" or anything, and sets what it begins with. Where fresh is set the reader is
// a page that got the ID with its HTML, and may never have seen the state. It
// returns ErrClosed after Close.
func (h *Hub) subscribe(s *subscriber, known string, fresh bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	if s.webpack {
		s.first = h.firstWebpack()
	} else if err := h.first(s, known, fresh); err != nil {
		return err
	}
	s.queue = make(chan frame, h.o.Queue)
	s.since = time.Now()
	h.subs[s] = struct{}{}
	return nil
}

// first sets what s begins with: the state unless the reader has it, and
// every event since. A build that is running is no state: its building event follows the
// state before it.
func (h *Hub) first(s *subscriber, known string, fresh bool) error {
	n, ok := h.parseID(known)
	ok = ok && h.last-n <= int64(len(h.replay))
	if !ok {
		n = h.last
		if h.running && len(h.replay) > 0 {
			n--
		}
	}
	var first []frame
	unseen := len(h.good.Warnings) > 0 || slices.ContainsFunc(h.wrong, func(w wrong) bool { return w.at <= n }) // by a fresh page
	if !ok || fresh && unseen {
		data, err := h.sync()
		if err != nil {
			return err
		}
		first = append(first, event(h.id(n), h.state.name(), data))
	}
	first = append(first, h.replay[len(h.replay)-int(h.last-n):]...)
	if len(first) == 0 {
		first = append(first, nothingMissed)
	}
	s.first, s.from, s.next = first, n+1, h.last+1
	return nil
}

// nothingMissed is a comment, so that there is always something to read.
var nothingMissed = frame(": nothing missed\n\n")

// setState takes e, a whole Built or Error with the number at, into the state that new streams are
// told. Updates are for those who saw the build before them, so they are left out.
func (h *Hub) setState(e Event, at int64) {
	source := OwnSource
	var now []wrong
	switch e := e.(type) {
	case Built:
		source = cmp.Or(e.Source, source)
		if e.own() {
			e.Sync, e.Updates, e.Reload, e.Info, e.Trace = true, []Update{}, nil, nil, nil
			h.good = e
		}
	case Error:
		source = e.Source
		e.Sync, e.Updates, e.Info, e.Trace = true, nil, nil, nil
		now = []wrong{{at, e}}
	}
	if i := slices.IndexFunc(h.wrong, func(w wrong) bool { return w.Source == source }); i >= 0 {
		h.wrong = slices.Replace(h.wrong, i, i+1, now...)
	} else {
		h.wrong = append(h.wrong, now...)
	}
	state := h.whole()
	h.state, h.stateAt = state, at
	h.sync = sync.OnceValues(func() ([]byte, error) { return encode(state) })
}

// whole returns the state as one event. The warnings are those of the site's last build, good or not.
func (h *Hub) whole() Event {
	if len(h.wrong) == 0 {
		return h.good
	}
	all := h.wrong[0].Error
	all.Errors, all.Warnings = []Diagnostic{}, h.good.Warnings
	for _, w := range h.wrong {
		all.Build = max(all.Build, w.Build)
		all.Errors = append(all.Errors, w.Errors...)
		if w.Source == OwnSource {
			all.Warnings = w.Warnings
		}
	}
	return all
}

func (h *Hub) unsubscribe(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(s)
}

// remove takes s out, once. Only the hub sends, and it holds the lock, so closing is safe.
func (h *Hub) remove(s *subscriber) {
	if _, ok := h.subs[s]; ok {
		delete(h.subs, s)
		close(s.queue)
	}
}

// keep adds f to what is kept for Last-Event-ID.
func (h *Hub) keep(f frame) {
	h.replay = append(h.replay, f)
	h.kept += len(f)
	for len(h.replay) > h.o.Retain || h.kept > retainBytes {
		h.kept -= len(h.replay[0])
		h.replay[0] = nil
		h.replay = h.replay[1:]
	}
}

func (h *Hub) id(n int64) string { return h.nonce + "-" + strconv.FormatInt(n, 10) }

// parseID returns the number of an event of this hub, and false for every string
// that this hub has not given out as an ID.
func (h *Hub) parseID(id string) (int64, bool) {
	number, ok := strings.CutPrefix(id, h.nonce+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > h.last || h.id(n) != id {
		return 0, false
	}
	return n, true
}
