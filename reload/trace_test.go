package reload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A save that was seen at a time, with a build from 3ms to 5ms after.
func saved(seen time.Time) *Trace {
	after := func(ms int) time.Time { return seen.Add(time.Duration(ms) * time.Millisecond) }
	return &Trace{Files: []string{"a.ts"}, Written: after(-1), Seen: seen, Settled: after(3), Began: after(3), Compiled: after(5)}
}

// tell posts a page's part as the client does.
func tell(t *testing.T, h *Hub, body string) {
	t.Helper()
	r := request("POST", "/_devserve/trace", "Origin: http://localhost:3000", "Content-Type: application/json", "X-Devserve-Token: "+h.token)
	r.Body = io.NopCloser(strings.NewReader(body))
	if res := get(h, r); res.StatusCode != http.StatusNoContent {
		t.Errorf("%s: %s", body, res.Status)
	}
}

// tracedBy is what the status says of traces, on a line.
func tracedBy(t *testing.T, h *Hub) string {
	t.Helper()
	var status struct{ Trace json.RawMessage }
	if err := json.Unmarshal([]byte(bodyOf(t, get(h, request("GET", "/_devserve/status")))), &status); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, status.Trace); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Trace
		h := newHub(t, Options{OnTrace: func(t Trace) { told = append(told, t) }})
		tab := openTab(t, h, request("GET", "/_devserve/events"), nil)
		synctest.Wait()
		tab.take()

		seen := time.Now()
		ms := seen.UnixMilli()
		time.Sleep(6 * time.Millisecond)
		e := built(1)
		e.Trace = saved(seen)
		id := publish(t, h, e)
		synctest.Wait()
		if got, want := tab.take(), fmt.Sprintf(`"trace":{"seen":%d,"written":-1,"settled":3,"began":3,"compiled":5,"report":true}}`, ms); !strings.Contains(got, want) {
			t.Errorf("sent %s, want %s", got, want)
		}
		server := fmt.Sprintf(`{"event":"%s","build":1,"files":["a.ts"],"seen":%d,"written":-1,"settled":3,"began":3,"compiled":5,"sent":6`, id, ms)
		if got := tracedBy(t, h); got != "["+server+"}]" {
			t.Errorf("before the page reports: %s", got)
		}

		time.Sleep(10 * time.Millisecond) // the report comes 16ms after seen, and was on its way 8ms after the page had received the event
		report := fmt.Sprintf(`{"event":"%s","at":%d.5,"run":2,"painted":7,"posted":8}`, id, ms+6)
		tell(t, h, report)
		page := `{"received":6.5,"run":8.5,"painted":13.5,"reported":16}`
		if got := tracedBy(t, h); got != "["+server+`,"pages":[`+page+"]}]" {
			t.Errorf("with a page: %s", got)
		}
		tell(t, h, report)
		tell(t, h, strings.Replace(report, id, "boot-99", 1))
		tell(t, h, strings.Replace(report, `"run":2`, `"run":9`, 1)) // after it was painted
		tell(t, h, "")
		if len(told) != 2 || len(told[0].Pages) != 1 || len(told[1].Pages) != 2 || told[1].Event != id {
			t.Errorf("told %+v", told)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(told) != 2 {
			t.Errorf("told again without a page: %+v", told)
		}

		// A new stream is told the state, not how it came about.
		other := openTab(t, h, request("GET", "/_devserve/events"), nil)
		synctest.Wait()
		if got := other.take(); !strings.Contains(got, `"sync":true`) || strings.Contains(got, "trace") {
			t.Errorf("a sync: %s", got)
		}
	})
}

// Nothing is asked of pages, and nothing heard, unless somebody wants to know.
func TestNoTraceOfPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		tab := openTab(t, h, request("GET", "/_devserve/events"), nil)
		synctest.Wait()
		e := failed(1)
		e.Trace = saved(time.Now())
		id := publish(t, h, e)
		synctest.Wait()
		if got := tab.take(); !strings.Contains(got, `"compiled":5}`) || strings.Contains(got, "report") {
			t.Errorf("sent %s", got)
		}
		tell(t, h, fmt.Sprintf(`{"event":"%s","at":1,"run":2,"painted":7,"posted":8}`, id))
		if got := tracedBy(t, h); strings.Contains(got, "pages") || !strings.Contains(got, `"compiled":5`) {
			t.Errorf("status has %s", got)
		}
		publish(t, h, built(2)) // of no save
		e.Trace = &Trace{}
		publish(t, h, e)
		synctest.Wait()
		if got := tab.take(); strings.Contains(got, "trace") {
			t.Errorf("sent %s", got)
		}
		for range 2 * maxTraces {
			e.Trace = saved(time.Now())
			id = publish(t, h, e)
		}
		if got := tracedBy(t, h); strings.Count(got, "event") != maxTraces || !strings.Contains(got, `"`+id+`"`) {
			t.Errorf("status has %s", got)
		}
	})
}

func TestTraceIsToldWithoutPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan Trace, 10)
		h := newHub(t, Options{OnTrace: func(t Trace) { told <- t }})
		e := built(1)
		e.Trace = saved(time.Now())
		publish(t, h, e)
		synctest.Wait()
		if len(told) != 1 {
			t.Fatal("not told at once, with no stream")
		}
		if tr := <-told; !tr.Sent.IsZero() {
			t.Errorf("with no stream: %+v", tr)
		}
		openTab(t, h, request("GET", "/_devserve/events"), nil)
		synctest.Wait()
		e.Trace = saved(time.Now())
		publish(t, h, e)
		time.Sleep(traceWait - 1)
		synctest.Wait()
		if len(told) > 0 {
			t.Errorf("too early: %+v", <-told)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if len(told) != 1 {
			t.Fatal("a page is silent, and nothing is told")
		}
		if tr := <-told; tr.Sent.IsZero() || len(tr.Pages) > 0 {
			t.Errorf("with a page that is silent: %+v", tr)
		}
		e.Trace = saved(time.Now())
		publish(t, h, e)
		h.Close()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(told) > 0 {
			t.Errorf("after Close: %+v", <-told)
		}
	})
}

// Sent is when the first reader has the event, on whatever way.
func TestTraceSent(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, h *Hub){
		"stream": func(t *testing.T, h *Hub) { openTab(t, h, request("GET", "/_devserve/events"), nil) },
		"waiting": func(t *testing.T, h *Hub) {
			openTab(t, h, request("GET", "/_devserve/events?poll=wait&lastEventId=boot-0"), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Options{})
				open(t, h)
				synctest.Wait()
				e := built(1)
				e.Trace = saved(time.Now())
				time.Sleep(6 * time.Millisecond)
				publish(t, h, e)
				synctest.Wait()
				if got := tracedBy(t, h); !strings.Contains(got, `"sent":6`) {
					t.Error(got)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // who comes later is told what he missed
		h := newHub(t, Options{})
		for range 2 {
			e := built(1)
			e.Trace = saved(time.Now())
			publish(t, h, e)
		}
		openTab(t, h, request("GET", "/__webpack_hmr"), nil) // nothing of ours
		time.Sleep(8 * time.Millisecond)
		openTab(t, h, request("GET", "/_devserve/events?lastEventId=boot-1"), nil)
		synctest.Wait()
		if got := tracedBy(t, h); strings.Count(got, `"sent"`) != 1 || !strings.HasSuffix(got, `"sent":8}]`) {
			t.Error(got)
		}
	})
}

func TestPageTrace(t *testing.T) {
	seen := time.Now()
	after := func(ms float64) time.Time { return seen.Add(time.Duration(ms * float64(time.Millisecond))) }
	for _, test := range []struct {
		name                      string
		at, posted, arrived       float64 // in ms after seen; posted is since at
		painted                   float64
		wantReceived, wantPainted float64
	}{
		{"one clock", 6.5, 8, 16, 7, 6.5, 13.5},
		{"hidden", 6.5, 8, 16, 0, 6.5, 0},
		{"a clock that is behind", -5000, 8, 16, 7, 6, 13},
		{"a clock that is ahead", 5000, 8, 16, 7, 8, 15},
		{"longer than can be", 6.5, 30, 16, 29, 6, 16}, // for the page's clock runs fast
	} {
		tr := saved(seen)
		tr.Sent = after(6)
		r := pageReport{At: float64(after(test.at).UnixMicro()) / 1000, Run: test.painted / 2, Painted: test.painted, Posted: test.posted}
		if !r.possible() {
			t.Errorf("%s: refused", test.name)
		}
		p := tr.page(r, after(test.arrived))
		near := func(at time.Time, want float64) bool { return at.Sub(after(want)).Abs() < 10*time.Microsecond }
		if !near(p.Received, test.wantReceived) || test.wantPainted == 0 != p.Painted.IsZero() || test.wantPainted > 0 && !near(p.Painted, test.wantPainted) {
			t.Errorf("%s: received %v, painted %v after seen", test.name, p.Received.Sub(seen), p.Painted.Sub(seen))
		}
	}
	for _, r := range []pageReport{{At: -1}, {At: 1e16}, {Run: -1}, {Run: 3, Posted: 2}, {Run: 3, Painted: 2, Posted: 4}, {Painted: 5, Posted: 4}, {Posted: 1e9}} {
		if r.possible() {
			t.Errorf("%+v is believed", r)
		}
	}
}
