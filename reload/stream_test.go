package reload

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var inf = math.Inf(1)

const eventsPath = "/_devserve/events"

// What streams carry, word for word.
const (
	begins     = "retry: 250\n\n"
	noNews     = ": nothing missed\n\n"
	buildingAt = "event: building\ndata: {\"build\":%d,\"files\":[]}\n\n"
	builtAt    = "event: built\ndata: {\"build\":%d,\"hash\":\"h%[1]d\",\"ms\":0,\"warnings\":[],\"updates\":[]}\n\n"
	builtSync  = "event: built\ndata: {\"build\":%d,\"hash\":\"h%[1]d\",\"ms\":0,\"warnings\":[],\"updates\":[],\"sync\":true}\n\n"
	emptySync  = "event: built\ndata: {\"build\":0,\"hash\":\"\",\"ms\":0,\"warnings\":[],\"updates\":[],\"sync\":true}\n\n"
	errorAt    = "event: error\ndata: {\"build\":%d,\"source\":\"esbuild\",\"errors\":[],\"warnings\":[]}\n\n"
	errorSync  = "event: error\ndata: {\"build\":%d,\"source\":\"esbuild\",\"errors\":[],\"warnings\":[],\"sync\":true}\n\n"
	reloadAt   = "event: built\ndata: {\"build\":%d,\"hash\":\"h%[1]d\",\"ms\":0,\"warnings\":[],\"updates\":[],\"reload\":{\"reason\":\"why\"}}\n\n"
)

// at returns a frame of the kinds above.
func at(n int, format string, build ...any) string {
	return "id: boot-" + strconv.Itoa(n) + "\n" + fmt.Sprintf(format, build...)
}

func building(n int64) Building { return Building{Build: n} }
func built(n int64) Built       { return Built{Build: n, Hash: "h" + strconv.FormatInt(n, 10)} }
func failed(n int64) Error      { return Error{Build: n, Source: "esbuild"} }

// reloaded stands for a call of Reload.
type reloaded struct{ Event }

func TestStreamBegins(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []Event
		retain int
		query  string // lastEventId
		header string // Last-Event-ID
		want   string
	}{
		{name: "before any build", want: at(0, emptySync)},
		{name: "page from before any build", query: "boot-0", want: noNews},
		{name: "after a build", events: []Event{building(1), built(1)}, want: at(2, builtSync, 1)},
		{name: "after a failure", events: []Event{built(1), failed(2)}, want: at(2, errorSync, 2)},
		{name: "after a fix", events: []Event{failed(1), built(2)}, want: at(2, builtSync, 2)},
		{name: "during the first build", events: []Event{building(1)}, want: at(0, emptySync) + at(1, buildingAt, 1)},
		{name: "during a build", events: []Event{built(1), building(2)}, want: at(1, builtSync, 1) + at(2, buildingAt, 2)},
		{name: "during a build begun again", events: []Event{failed(1), building(2), building(3)}, want: at(2, errorSync, 1) + at(3, buildingAt, 3)},
		{name: "after a reload", events: []Event{built(1), reloaded{}}, want: at(2, builtSync, 1)},
		{name: "a reload mends nothing", events: []Event{built(1), failed(2), reloaded{}}, want: at(3, errorSync, 2)},

		{name: "nothing missed", events: []Event{built(1)}, query: "boot-1", want: noNews},
		{name: "nothing missed, by header", events: []Event{built(1), failed(2)}, header: "boot-2", want: noNews},
		{name: "one missed", events: []Event{built(1), built(2)}, query: "boot-1", want: at(2, builtAt, 2)},
		{name: "all missed", events: []Event{building(1), built(1), failed(2)}, header: "boot-0", want: at(1, buildingAt, 1) + at(2, builtAt, 1) + at(3, errorAt, 2)},
		{name: "a running build missed", events: []Event{built(1), building(2)}, query: "boot-1", want: at(2, buildingAt, 2)},
		{name: "a reload missed", events: []Event{built(1), reloaded{}}, query: "boot-1", want: at(2, reloadAt, 1)},

		{name: "page loaded after a failure", events: []Event{failed(1)}, query: "boot-1", want: at(1, errorSync, 1)},
		{name: "page loaded before a failure", events: []Event{failed(1)}, query: "boot-0", want: at(1, errorAt, 1)},
		{name: "page loaded after a failure, then a build", events: []Event{failed(1), building(2)}, query: "boot-1", want: at(1, errorSync, 1) + at(2, buildingAt, 2)},
		{name: "page loaded after a failure, then a reload", events: []Event{failed(1), building(2), reloaded{}}, query: "boot-2", want: at(2, errorSync, 1) + at(3, strings.Replace(reloadAt, "h%[1]d", "", 1), 0)},
		{name: "page loaded after a failure, then a fix", events: []Event{failed(1), built(2)}, query: "boot-1", want: at(2, builtAt, 2)},

		{name: "header wins", events: []Event{built(1), built(2)}, query: "boot-0", header: "boot-1", want: at(2, builtAt, 2)},
		{name: "a foreign header wins too", events: []Event{built(1)}, query: "boot-0", header: "other-0", want: at(1, builtSync, 1)},
		{name: "another process", events: []Event{built(1)}, query: "other-1", want: at(1, builtSync, 1)},
		{name: "from the future", events: []Event{built(1)}, query: "boot-2", want: at(1, builtSync, 1)},
		{name: "no number", events: []Event{built(1)}, query: "boot-", want: at(1, builtSync, 1)},
		{name: "a number in other words", events: []Event{built(1)}, query: "boot-01", want: at(1, builtSync, 1)},
		{name: "negative", events: []Event{built(1)}, query: "boot--1", want: at(1, builtSync, 1)},
		{name: "just kept", events: []Event{built(1), built(2), built(3)}, retain: 2, query: "boot-1", want: at(2, builtAt, 2) + at(3, builtAt, 3)},
		{name: "too old", events: []Event{built(1), built(2), built(3)}, retain: 2, query: "boot-0", want: at(3, builtSync, 3)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Options{Retain: test.retain})
				for _, e := range test.events {
					if _, ok := e.(reloaded); ok {
						h.Reload("why")
					} else {
						publish(t, h, e)
					}
				}
				r := request("GET", eventsPath+"?lastEventId="+test.query)
				if test.header != "" {
					r.Header.Set("Last-Event-ID", test.header)
				}
				tab := openTab(t, h, r, nil)
				synctest.Wait()
				if got := tab.take(); got != begins+test.want {
					t.Errorf("got  %q\nwant %q", got, begins+test.want)
				}
				poll := request("GET", r.URL.String()+"&poll")
				poll.Header = r.Header
				if got := bodyOf(t, get(h, poll)); got != test.want {
					t.Errorf("a poll got %q\nwant %q", got, test.want)
				}
			})
		})
	}
}

// A poll that waits is answered by the first event, or when waiting gets too long, or by the hub's end.
func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		wait := func() *tab {
			poll := openTab(t, h, request("GET", eventsPath+"?poll=wait&lastEventId="+h.ID()), nil)
			synctest.Wait()
			if poll.ended() || h.Clients() != 1 {
				t.Fatalf("it does not wait: %d clients", h.Clients())
			}
			return poll
		}
		for _, test := range []struct {
			end  func()
			want string
		}{
			{func() { publish(t, h, built(1)) }, at(1, builtAt, 1)},
			{func() { time.Sleep(pollTimeout) }, noNews},
			{func() { h.Close() }, noNews},
		} {
			poll := wait()
			test.end()
			synctest.Wait()
			if got := poll.take(); got != test.want || !poll.ended() || h.Clients() != 0 {
				t.Errorf("got %q, ended %t, %d clients; want %q", got, poll.ended(), h.Clients(), test.want)
			}
		}
		if res := get(h, request("GET", eventsPath+"?poll")); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("after Close: %s", res.Status)
		}
	})
}

func TestSyncKeepsWarningsAndDropsUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		b := built(4)
		b.Warnings = []Diagnostic{{Text: "odd"}}
		b.Updates = []Update{{Type: CSS, Path: "/a.css"}}
		b.Reload = &FullReload{"because"}
		publish(t, h, b)
		tab := openTab(t, h, request("GET", eventsPath), nil)
		synctest.Wait()
		want := begins + "id: boot-1\nevent: built\ndata: {\"build\":4,\"hash\":\"h4\",\"ms\":0,\"warnings\":[{\"text\":\"odd\",\"file\":\"\",\"line\":0,\"column\":0,\"length\":0,\"lineText\":\"\",\"notes\":[]}],\"updates\":[],\"sync\":true}\n\n"
		if got := tab.take(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// TestWarningsReachANewPage: one that was served after the build that warned, and knows it.
func TestWarningsReachANewPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		b := built(4)
		b.Warnings = []Diagnostic{{Text: "odd"}}
		publish(t, h, b)
		page := openTab(t, h, request("GET", eventsPath+"?lastEventId=boot-1"), nil)
		again := openTab(t, h, request("GET", eventsPath, "Last-Event-ID: boot-1"), nil)
		synctest.Wait()
		if got := page.take(); !strings.Contains(got, `"odd"`) || !strings.Contains(got, `"sync":true`) {
			t.Errorf("a new page got %q", got)
		}
		if got := again.take(); strings.Contains(got, "odd") {
			t.Errorf("a page that was connected before got %q", got)
		}
	})
}

// TestPollWaitsWhileSomethingIsWrong: what the reader was told already is no reason to answer.
func TestPollWaitsWhileSomethingIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		publish(t, h, Error{Build: 1, Errors: []Diagnostic{{Text: "bad"}}})
		first := openTab(t, h, request("GET", eventsPath+"?poll&lastEventId=boot-1"), nil)
		next := openTab(t, h, request("GET", eventsPath+"?poll=wait&lastEventId=boot-1"), nil)
		synctest.Wait()
		if got := first.take(); !strings.Contains(got, `"bad"`) {
			t.Errorf("the first answer is %q", got)
		}
		if got := next.take(); got != "" {
			t.Errorf("answered at once: %q", got)
		}
		publish(t, h, built(2))
		synctest.Wait()
		if got := next.take(); !strings.Contains(got, "event: built") || strings.Contains(got, `"bad"`) {
			t.Errorf("the next answer is %q", got)
		}
	})
}

func TestStreamFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		one := openTab(t, h, request("GET", eventsPath), nil)
		two := openTab(t, h, request("POST", eventsPath), nil)
		synctest.Wait()
		if a, b := one.take(), two.take(); a != begins+at(0, emptySync) || a != b {
			t.Fatalf("GET began with %q, POST with %q", a, b)
		}
		if id := publish(t, h, building(1)); id != "boot-1" {
			t.Errorf("got ID %s", id)
		}
		publish(t, h, built(1))
		synctest.Wait()
		want := at(1, buildingAt, 1) + at(2, builtAt, 1)
		if a, b := one.take(), two.take(); a != want || b != want {
			t.Errorf("got  %q\nand  %q\nwant %q", a, b, want)
		}
		one.cancel()
		synctest.Wait()
		if !one.ended() || h.Clients() != 1 {
			t.Errorf("a stream outlived its reader: %d clients", h.Clients())
		}
		h.Close()
		h.Close()
		synctest.Wait()
		if !two.ended() || h.Clients() != 0 {
			t.Errorf("a stream outlived the hub: %d clients", h.Clients())
		}
		if _, err := h.Publish(built(2)); !errors.Is(err, ErrClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
		if _, err := h.Reload(""); !errors.Is(err, ErrClosed) {
			t.Errorf("Reload after Close: %v", err)
		}
		if res := get(h, request("GET", eventsPath)); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("stream after Close: %s", res.Status)
		}
	})
}

func TestCloseDeliversWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		stuck := make(chan struct{})
		tab := openTab(t, h, request("GET", eventsPath), stuck)
		synctest.Wait()
		publish(t, h, built(1))
		h.Close()
		close(stuck)
		synctest.Wait()
		if got, want := tab.take(), begins+at(0, emptySync)+at(1, builtAt, 1); got != want || !tab.ended() {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		tab := openTab(t, h, request("GET", eventsPath), nil)
		synctest.Wait()
		tab.take()
		for range 3 {
			time.Sleep(defaultHeartbeat - 1)
			synctest.Wait()
			if got := tab.take(); got != "" {
				t.Fatalf("too early: %q", got)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if got := tab.take(); got != ": heartbeat\n\n" {
				t.Fatalf("got %q", got)
			}
		}
		time.Sleep(defaultHeartbeat - 1)
		publish(t, h, built(1))
		time.Sleep(defaultHeartbeat - 1)
		synctest.Wait()
		if got := tab.take(); got != at(1, builtAt, 1) {
			t.Errorf("an event is a sign of life: got %q", got)
		}
	})
}

func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		began := time.Now()
		tab := openTab(t, h, request("GET", eventsPath), nil)
		time.Sleep(time.Hour)
		tab.cancel()
		<-tab.done
		if len(tab.deadlines) < 1000 {
			t.Fatalf("%d deadlines", len(tab.deadlines))
		}
		if got := tab.deadlines[0].Sub(began); got != writeTimeout {
			t.Errorf("the first write may take %v", got)
		}
		for i := 1; i < len(tab.deadlines); i += 2 {
			if !tab.deadlines[i].IsZero() {
				t.Fatalf("deadline %d was left at %v", i, tab.deadlines[i])
			}
		}
	})
}

func TestSlowReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{Queue: 2})
		stuck := make(chan struct{})
		slow := openTab(t, h, request("GET", eventsPath), stuck)
		quick := openTab(t, h, request("GET", eventsPath), nil)
		synctest.Wait()
		for n := range int64(3) {
			if h.Clients() != 2 {
				t.Fatalf("dropped after %d events", n)
			}
			publish(t, h, built(n)) // returns: in this bubble a wait for the slow one would be a deadlock
			synctest.Wait()
		}
		if h.Clients() != 1 {
			t.Errorf("%d clients", h.Clients())
		}
		if got := strings.Count(quick.take(), "event: built"); got != 4 {
			t.Errorf("the quick one got %d events", got)
		}
		close(stuck)
		synctest.Wait()
		if !slow.ended() || quick.ended() {
			t.Errorf("slow ended %v, quick ended %v", slow.ended(), quick.ended())
		}
	})
}

// A reader may lag behind by a quarter of a megabyte; one event of more reaches who has taken the rest.
func TestQueueIsBoundInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		stuck := make(chan struct{})
		slow := openTab(t, h, request("GET", eventsPath), stuck)
		quick := openTab(t, h, request("GET", eventsPath), nil)
		synctest.Wait()
		for range 3 {
			publish(t, h, Custom{Event: "x", Data: strings.Repeat("x", queueBytes)})
			synctest.Wait()
		}
		if h.Clients() != 1 || quick.ended() {
			t.Errorf("%d clients; the quick one ended: %t", h.Clients(), quick.ended())
		}
		close(stuck)
		synctest.Wait()
		if !slow.ended() {
			t.Error("a slow reader was not dropped")
		}
	})
}

func TestRetainIsBoundInBytes(t *testing.T) {
	h := newHub(t, Options{})
	b := built(1)
	b.Updates = []Update{{Type: JS, Path: "/big.js", Code: strings.Repeat("x", 3<<20)}}
	for range 20 {
		publish(t, h, b)
	}
	if h.kept > retainBytes || len(h.replay) != 5 {
		t.Errorf("%d events of %d bytes are kept", len(h.replay), h.kept)
	}
	b.Updates[0].Code = strings.Repeat("x", retainBytes)
	publish(t, h, b)
	if h.kept != 0 || len(h.replay) != 0 {
		t.Errorf("%d events of %d bytes are kept", len(h.replay), h.kept)
	}
	publish(t, h, building(2))
	s := &subscriber{}
	if err := h.first(s, "boot-20", true); err != nil || len(s.first) != 2 {
		t.Errorf("got %q, %v", s.first, err)
	}
}

func TestStreamHeader(t *testing.T) {
	h := newHub(t, Options{})
	for path, want := range map[string]http.Header{
		eventsPath: {
			"Content-Type":                 {"text/event-stream; charset=utf-8"},
			"Cache-Control":                {"no-cache, no-store, no-transform"},
			"Content-Encoding":             {"identity"},
			"X-Accel-Buffering":            {"no"},
			"Cross-Origin-Resource-Policy": {"same-origin"},
			"X-Content-Type-Options":       {"nosniff"},
		},
		"/__webpack_hmr": {
			"Content-Type":                 {"text/event-stream; charset=utf-8"},
			"Cache-Control":                {"no-cache, no-transform"},
			"Connection":                   {"keep-alive"},
			"X-Accel-Buffering":            {"no"},
			"Cross-Origin-Resource-Policy": {"same-origin"},
			"X-Content-Type-Options":       {"nosniff"},
		},
	} {
		res := get(h, request("HEAD", path))
		if res.StatusCode != http.StatusOK || fmt.Sprint(res.Header) != fmt.Sprint(want) {
			t.Errorf("%s: %s\n got %v\nwant %v", path, res.Status, res.Header, want)
		}
	}
	if h.Clients() != 0 {
		t.Error("a HEAD is counted as a stream")
	}
}

// plainWriter hides all but the three methods of a ResponseWriter; wrapper adds Unwrap.
type plainWriter struct{ http.ResponseWriter }

type wrapper struct{ plainWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// wrapped stands for a middleware of the user's.
func wrapped(h http.Handler, unwraps bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if unwraps {
			h.ServeHTTP(wrapper{plainWriter{w}}, r)
		} else {
			h.ServeHTTP(plainWriter{w}, r)
		}
	})
}

func TestStreamBehindAMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		tab := openTab(t, wrapped(h, true), request("GET", eventsPath), nil)
		synctest.Wait()
		if got := tab.take(); got != begins+at(0, emptySync) {
			t.Errorf("got %q", got)
		}
	})
	h := newHub(t, Options{})
	res := get(wrapped(h, false), request("GET", eventsPath))
	if body := bodyOf(t, res); res.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "Unwrap") {
		t.Errorf("got %s: %s", res.Status, body)
	}
}

// An encoding that a middleware has set before it called us is what it does; else there is none.
func TestStreamEncoding(t *testing.T) {
	h := newHub(t, Options{})
	for outer, want := range map[string]string{"": "identity", "gzip": "gzip"} {
		rec := httptest.NewRecorder()
		if outer != "" {
			rec.Header().Set("Content-Encoding", outer)
		}
		h.ServeHTTP(rec, request("HEAD", eventsPath))
		if got := rec.Header(); got.Get("Content-Encoding") != want || got.Get("Cache-Control") != "no-cache, no-store, no-transform" {
			t.Errorf("%q: got %v", outer, got)
		}
	}
}

func TestStreamBody(t *testing.T) {
	h := newHub(t, Options{})
	r := httptest.NewRequest("POST", eventsPath, strings.NewReader(strings.Repeat(" ", maxStreamBody+1)))
	r.Host = "localhost"
	if res := get(h, r); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %s", res.Status)
	}
}

// A real server whose timeouts are far shorter than the stream is long.
func TestStreamOutlivesTimeouts(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			h := newHub(t, Options{Heartbeat: 100 * time.Millisecond})
			srv := httptest.NewUnstartedServer(h)
			srv.Config.WriteTimeout = 500 * time.Millisecond
			srv.Config.ReadTimeout = 500 * time.Millisecond // a TLS handshake has to fit in
			srv.EnableHTTP2 = http2
			if http2 {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()
			defer h.Close()
			res, err := srv.Client().Get(srv.URL + eventsPath)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if want := map[bool]int{false: 1, true: 2}[http2]; res.ProtoMajor != want {
				t.Fatalf("got %s", res.Proto)
			}
			lines := bufio.NewScanner(res.Body)
			for beats := 0; beats < 10; {
				if !lines.Scan() {
					t.Fatalf("the stream ended after %d heartbeats: %v", beats, lines.Err())
				}
				if lines.Text() == ": heartbeat" {
					beats++
				}
			}
			h.Close()
			for lines.Scan() {
			}
			if err := lines.Err(); err != nil {
				t.Errorf("the stream did not end well: %v", err)
			}
		})
	}
}

// Readers that come and go at any moment see every event, once and in order.
func TestNoGap(t *testing.T) {
	const events, readers = 300, 8
	h := newHub(t, Options{Queue: events, Retain: events})
	srv := httptest.NewServer(h)
	defer srv.Close()
	defer h.Close()
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			known := "boot-0"
			for n := 0; n < events; {
				res, err := http.Get(srv.URL + eventsPath + "?lastEventId=" + known)
				if err != nil {
					t.Error(err)
					return
				}
				lines := bufio.NewScanner(res.Body)
				for took := 0; took < 50 && n < events && lines.Scan(); {
					if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
						n, took = n+1, took+1
						if id != "boot-"+strconv.Itoa(n) {
							t.Errorf("got %s after %s", id, known)
							res.Body.Close()
							return
						}
						known = id
					}
				}
				res.Body.Close()
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			for n := range int64(events / 3) {
				h.Publish(built(n))
			}
		})
	}
	wg.Wait()
	http.DefaultClient.CloseIdleConnections()
}

func FuzzLastEventID(f *testing.F) {
	for _, id := range []string{"", "boot-0", "boot-3", "boot-4", "boot-9223372036854775808", "boot-+1", "boot-1 ", "-1", "other-1", "boot-boot-1", "\x00", "boot-1\nid: x"} {
		f.Add(id)
	}
	h := newHub(f, Options{Retain: 2})
	for n := range int64(3) {
		publish(f, h, built(n))
	}
	f.Fuzz(func(t *testing.T, id string) {
		s := &subscriber{}
		err := h.first(s, id, false)
		first := s.first
		if err != nil || len(first) == 0 {
			t.Fatalf("got %q, %v", first, err)
		}
		n, ok := h.parseID(id)
		if ok && h.id(n) != id {
			t.Errorf("%q is taken for %q", id, h.id(n))
		}
		want := 1
		if ok && n == 1 {
			want = 2
		}
		if len(first) != want {
			t.Errorf("%q: got %q", id, first)
		}
	})
}

// publisher returns what publishes an update to n streams, and takes it from them.
func publisher(t testing.TB, n int) func() {
	h := newHub(t, Options{})
	subs := make([]*subscriber, n)
	for i := range subs {
		subs[i] = &subscriber{}
		if err := h.subscribe(subs[i], "", false); err != nil {
			t.Fatal(err)
		}
	}
	e := built(1)
	e.Updates = []Update{{Type: JS, Path: "/src/app.tsx", Code: strings.Repeat("exports.answer = 42;\n", 100)}}
	return func() {
		publish(t, h, e)
		for _, s := range subs {
			<-s.queue // or it would be dropped
		}
	}
}

// TestPublishAllocates asserts that a stream more costs no allocation: an event is encoded once for all.
func TestPublishAllocates(t *testing.T) {
	if one, many := testing.AllocsPerRun(100, publisher(t, 1)), testing.AllocsPerRun(100, publisher(t, 100)); many > one+5 { // what the race detector adds now and then
		t.Errorf("%v allocations to publish to one stream, %v to a hundred", one, many)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("%d streams", n), func(b *testing.B) {
			do := publisher(b, n)
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}
