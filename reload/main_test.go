package reload

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// newHub returns a hub whose event IDs begin with "boot-".
func newHub(t testing.TB, o Options) *Hub {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.nonce = "boot"
	t.Cleanup(func() { h.Close() })
	return h
}

// publish fails the test unless e is published.
func publish(t testing.TB, h *Hub, e Event) string {
	t.Helper()
	id, err := h.Publish(e)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// request returns a request as a server on localhost:3000 gets it. Headers are "Name: value".
func request(method, path string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost:3000"
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// A tab is the reader of a stream, without a network.
type tab struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the handler returned
	stuck  chan struct{} // unless nil, a write waits until it is closed

	mu        sync.Mutex
	header    http.Header
	code      int
	written   strings.Builder
	arrived   string // flushed and not taken
	deadlines []time.Time
}

// openTab has h answer r. Call synctest.Wait before looking at what arrived.
func openTab(t testing.TB, h http.Handler, r *http.Request, stuck chan struct{}) *tab {
	ctx, cancel := context.WithCancel(r.Context())
	tb := &tab{cancel: cancel, done: make(chan struct{}), header: http.Header{}, stuck: stuck}
	go func() {
		defer close(tb.done)
		h.ServeHTTP(tb, r.WithContext(ctx))
	}()
	t.Cleanup(func() {
		cancel()
		<-tb.done
	})
	return tb
}

func (t *tab) Header() http.Header { return t.header }

func (t *tab) WriteHeader(code int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.code = code
}

func (t *tab) Write(b []byte) (int, error) {
	if t.stuck != nil {
		<-t.stuck
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written.Write(b)
}

func (t *tab) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrived += t.written.String()
	t.written.Reset()
}

func (t *tab) SetWriteDeadline(at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deadlines = append(t.deadlines, at)
	return nil
}

// take returns what arrived since the last call.
func (t *tab) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.arrived
	t.arrived = ""
	return s
}

// ended reports whether the stream's handler returned.
func (t *tab) ended() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// get answers one request in memory.
func get(h http.Handler, r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result()
}

func bodyOf(t testing.TB, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// logTo returns a logger whose records can be read.
func logTo(b *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
