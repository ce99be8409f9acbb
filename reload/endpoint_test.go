package reload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{Base: "sub/"}, {Base: "/sub"}, {Heartbeat: -1}, {Heartbeat: 11 * time.Second}, {Queue: -1}, {Retain: -1}} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "reload: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for _, base := range []string{"/", "/sub/"} {
		h := newHub(t, Options{Base: base})
		for _, test := range []struct {
			method, path string
			want         int
			allow        string
		}{
			{"GET", "_devserve/client.js", 200, ""},
			{"HEAD", "_devserve/client.js", 200, ""},
			{"POST", "_devserve/client.js", 405, "GET, HEAD"},
			{"GET", "_devserve/morph.js", 200, ""},
			{"HEAD", "_devserve/morph.js", 200, ""},
			{"POST", "_devserve/morph.js", 405, "GET, HEAD"},
			{"HEAD", "_devserve/events", 200, ""},
			{"PUT", "_devserve/events", 405, "GET, HEAD, POST"},
			{"HEAD", "_devserve/status", 200, ""},
			{"DELETE", "_devserve/status", 405, "GET, HEAD"},
			{"GET", "_devserve/notify", 405, "POST"},
			{"GET", "_devserve/log", 405, "POST"},
			{"POST", "_devserve/notify", 403, ""},
			{"POST", "_devserve/log", 403, ""},
			{"POST", "__webpack_hmr", 405, "GET, HEAD"},
			{"POST", "_devserve/open", 403, ""},
			{"GET", "_devserve/trace", 405, "POST"},
			{"POST", "_devserve/trace", 403, ""},
			{"POST", "_devserve/shut", 404, ""},
			{"GET", "_devserve/", 404, ""},
			{"GET", "_devserve", 404, ""},
			{"GET", "_devserve/events/", 404, ""},
			{"GET", "", 404, ""},
		} {
			res := get(h, request(test.method, base+test.path))
			if res.StatusCode != test.want || res.Header.Get("Allow") != test.allow {
				t.Errorf("%s %s%s: got %d, Allow %q", test.method, base, test.path, res.StatusCode, res.Header.Get("Allow"))
			}
			if ct := res.Header.Get("Content-Type"); test.want >= 400 && ct != "text/plain; charset=utf-8" {
				t.Errorf("%s %s%s: refused as %s", test.method, base, test.path, ct)
			}
		}
		if base != "/" {
			if res := get(h, request("GET", "/_devserve/client.js")); res.StatusCode != 404 {
				t.Errorf("outside the base: %s", res.Status)
			}
		}
	}
}

func TestClientScript(t *testing.T) {
	h := newHub(t, Options{Base: "/a\"b/"})
	res := get(h, request("GET", "/a%22b/_devserve/client.js"))
	script := bodyOf(t, res)
	if !strings.Contains(script, `token: "`+h.token+`"`) || !strings.Contains(script, `"/a\"b/"`) || strings.Contains(script, "__DEVSERVE_") {
		t.Errorf("not filled in: %.300s", script)
	}
	if got := res.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("type %s", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("cache %s", got)
	}
	r := request("GET", "/a%22b/_devserve/client.js", "If-None-Match: "+res.Header.Get("ETag"))
	if res := get(h, r); res.StatusCode != http.StatusNotModified || bodyOf(t, res) != "" {
		t.Errorf("asked again: %s", res.Status)
	}
	if other := newHub(t, Options{}); other.token == h.token || other.client.tag == h.client.tag {
		t.Error("two hubs share a token")
	}
}

func TestScriptOfAnotherMinifier(t *testing.T) {
	got := string(fill([]byte(`x={token:"__DEVSERVE_TOKEN__",base:"__DEVSERVE_BASE__"}`), "T", "/"))
	if want := `x={token: "T",base:"/"}`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var extra map[string]any
		h := newHub(t, Options{Status: func() map[string]any { return extra }})
		extra = map[string]any{"watch": "events", "build": "not yours"}
		publish(t, h, built(1))
		publish(t, h, Error{Build: 2, Errors: []Diagnostic{{Text: "bad"}}})
		publish(t, h, building(3))
		openTab(t, h, request("GET", eventsPath, "User-Agent: one"), nil)
		time.Sleep(time.Second)
		openTab(t, h, request("GET", "/__webpack_hmr", "User-Agent: two"), nil)
		synctest.Wait()

		res := get(h, request("GET", "/_devserve/status"))
		var got struct {
			Boot, ID, Hash, State, Watch string
			Build                        int64
			Building                     bool
			Errors, Warnings             []Diagnostic
			ClientCount                  int
			Clients                      []clientStatus
			Memory                       map[string]uint64
			Uptime                       float64
		}
		if err := json.Unmarshal([]byte(bodyOf(t, res)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Boot != "boot" || got.ID != "boot-3" || got.Hash != "h1" || got.State != "error" || got.Build != 2 || !got.Building ||
			len(got.Errors) != 1 || got.Errors[0].Text != "bad" || got.Warnings == nil || got.Watch != "events" || got.Uptime != 1 {
			t.Errorf("got %+v", got)
		}
		if len(got.Clients) != 2 || got.ClientCount != 2 || got.Clients[0].UserAgent != "one" || got.Clients[0].Protocol != "events" ||
			got.Clients[1].UserAgent != "two" || got.Clients[1].Protocol != "webpack" || got.Clients[0].Remote == "" {
			t.Errorf("clients: %+v", got.Clients)
		}
		if got.Memory["heap"] == 0 || got.Memory["total"] < got.Memory["heap"] {
			t.Errorf("memory: %v", got.Memory)
		}
		if ct, cc := res.Header.Get("Content-Type"), res.Header.Get("Cache-Control"); ct != "application/json" || cc != "no-store" {
			t.Errorf("%s, %s", ct, cc)
		}
		extra = map[string]any{"no": func() {}}
		if res := get(h, request("GET", "/_devserve/status")); res.StatusCode != http.StatusInternalServerError {
			t.Errorf("with what is no JSON: %s", res.Status)
		}
	})
}

func TestCommands(t *testing.T) {
	var notified []string
	var logged, opened []string
	h := newHub(t, Options{
		OnOpen: func(file string, line, column int) error {
			if file == "gone.ts" {
				return errors.New("no such file")
			}
			opened = append(opened, fmt.Sprintf("%s:%d:%d", file, line, column))
			return nil
		},
		OnNotify: func(reason string) { notified = append(notified, reason) },
		OnLog:    func(level string, args []any) { logged = append(logged, fmt.Sprintf("%s %v", level, args)) },
	})
	ours := []string{"Origin: http://localhost:3000", "X-Devserve-Token: " + h.token, "Content-Type: application/json"}
	without := func(i int, instead ...string) []string {
		return append(slices.Delete(slices.Clone(ours), i, i+1), instead...)
	}
	for _, test := range []struct {
		name, path, body string
		headers          []string
		want             int
	}{
		{"a reason", "notify", `{"reason": "new data"}`, ours, 204},
		{"no reason", "notify", `{}`, ours, 204},
		{"no body", "notify", ``, ours, 204},
		{"more than asked for", "notify", `{"reason": "x", "more": [1]}`, ours, 204},
		{"charset", "notify", `{}`, without(2, "Content-Type: Application/JSON; charset=utf-8"), 204},
		{"no origin", "notify", `{}`, without(0), 403},
		{"foreign origin", "notify", `{}`, without(0, "Origin: http://evil.test"), 403},
		{"no token", "notify", `{}`, without(1), 403},
		{"wrong token", "notify", `{}`, without(1, "X-Devserve-Token: "+strings.ToLower(h.token)), 403},
		{"empty token", "notify", `{}`, without(1, "X-Devserve-Token: "), 403},
		{"no type", "notify", `{}`, without(2), 415},
		{"a form's type", "notify", `{}`, without(2, "Content-Type: text/plain"), 415},
		{"an array", "notify", `[]`, ours, 400},
		{"null", "notify", `null`, ours, 400},
		{"no JSON", "notify", `{"reason"`, ours, 400},
		{"two objects", "notify", `{} {}`, ours, 400},
		{"a wrong type", "notify", `{"reason": 1}`, ours, 400},
		{"the most", "notify", `{"reason": "x"}` + strings.Repeat(" ", maxCommandBody-15), ours, 204},
		{"too much", "notify", `{"reason": "x"}` + strings.Repeat(" ", maxCommandBody-14), ours, 413},
		{"a log", "log", `{"level": "error", "args": ["bad", 1, {"a": null}]}`, ours, 204},
		{"no args", "log", `{"level": "log"}`, ours, 400},
		{"no level", "log", `{"args": []}`, ours, 400},
		{"another level", "log", `{"level": "table", "args": []}`, ours, 400},
		{"args of another type", "log", `{"level": "log", "args": "x"}`, ours, 400},
		{"a log without token", "log", `{"level": "log", "args": []}`, without(1), 403},
		{"a long line", "log", `{"level": "log", "args": ["` + strings.Repeat("é", maxLine/2) + `e"]}`, ours, 204},
		{"a place", "open", `{"file": "src/a.ts", "line": 12, "column": 5}`, ours, 204},
		{"a file", "open", `{"file": "src/a.ts"}`, ours, 204},
		{"a file that is not there", "open", `{"file": "gone.ts", "line": 1}`, ours, 400},
		{"no file", "open", `{"line": 12}`, ours, 400},
		{"a line that is no number", "open", `{"file": "src/a.ts", "line": "12; rm"}`, ours, 400},
		{"a line that is no line", "open", `{"file": "src/a.ts", "line": -1}`, ours, 400},
		{"half a line", "open", `{"file": "src/a.ts", "line": 1.5}`, ours, 400},
		{"a place without token", "open", `{"file": "src/a.ts"}`, without(1), 403},
		{"a place without origin", "open", `{"file": "src/a.ts"}`, without(0), 403},
		{"a place as a form", "open", `{"file": "src/a.ts"}`, without(2, "Content-Type: text/plain"), 415},
	} {
		r := httptest.NewRequest("POST", "/_devserve/"+test.path, strings.NewReader(test.body))
		r.Host = "localhost:3000"
		for _, line := range test.headers {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
		}
		if res := get(h, r); res.StatusCode != test.want {
			t.Errorf("%s: got %s: %s", test.name, res.Status, bodyOf(t, res))
		}
	}
	if want := []string{"new data", "notify", "notify", "x", "notify", "x"}; !slices.Equal(notified, want) {
		t.Errorf("notified %q", notified)
	}
	if want := []string{"error [bad 1 map[a:<nil>]]", "log [" + strings.Repeat("é", maxLine/2) + "…]"}; !slices.Equal(logged, want) {
		t.Errorf("logged %q", logged)
	}
	if want := []string{"src/a.ts:12:5", "src/a.ts:0:0"}; !slices.Equal(opened, want) {
		t.Errorf("opened %q", opened)
	}
}

// A page that logs in a loop is heard a hundred times a second.
func TestCommandRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{OnNotify: func(string) {}})
		ask := func() *http.Response {
			return get(h, request("POST", "/_devserve/notify", "Origin: http://localhost:3000", "X-Devserve-Token: "+h.token, "Content-Type: application/json"))
		}
		for range 3 {
			for i := range commandRate {
				if res := ask(); res.StatusCode != 204 {
					t.Fatalf("request %d: %s", i, res.Status)
				}
			}
			if res := ask(); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "1" {
				t.Errorf("one too many: %s", res.Status)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestNotify(t *testing.T) {
	for _, base := range []string{"/", "/sub/"} {
		h := newHub(t, Options{Base: base})
		publish(t, h, built(7))
		srv := httptest.NewServer(h)
		defer srv.Close()
		for i, url := range []string{srv.URL + base, strings.TrimPrefix(srv.URL, "http://") + base, strings.Replace(srv.URL, "127.0.0.1", "LOCALHOST", 1) + base + "?a=b#c", strings.TrimSuffix(srv.URL+base, "/")} {
			if err := Notify(t.Context(), url, "why"); err != nil {
				t.Errorf("%s: %v", url, err)
			}
			if got, want := string(h.replay[len(h.replay)-1]), at(i+2, reloadAt, 7); got != want {
				t.Errorf("%s: got %q, want %q", url, got, want)
			}
		}
		h.Close()
		if err := Notify(t.Context(), srv.URL+base, ""); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("closed: %v", err)
		}
		if base != "/" {
			if err := Notify(t.Context(), srv.URL, ""); err == nil || !strings.Contains(err.Error(), "404") {
				t.Errorf("without the base: %v", err)
			}
		}
	}
}

func TestNotifyFails(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<h1>Hello</h1>") }))
	defer other.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for url, want := range map[string]string{
		"":                      "not the URL of a site",
		"ftp://localhost":       "not the URL of a site",
		"http://":               "not the URL of a site",
		"http://localhost:port": "not the URL of a site",
		other.URL:               "no devserve answers",
		gone.URL:                "refused",
	} {
		if err := Notify(t.Context(), url, ""); err == nil || !strings.HasPrefix(err.Error(), "reload: notify ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A program that only wants its pages reloaded must not link a bundler or a watcher.
func TestKnowsNoBundler(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		for _, no := range []string{"devserve/builder", "devserve/watcher", "devserve/server", "esbuild", "fsnotify"} {
			if strings.Contains(dep, no) {
				t.Errorf("depends on %s", dep)
			}
		}
	}
}

// A body that does not come holds nothing: reading it has an end, and what does not need it is answered without it.
func TestBodyThatDoesNotCome(t *testing.T) {
	h := newHub(t, Options{})
	for path, want := range map[string]int{"send": 400, "events": 400, "events?poll": 200, "status": 405, "nothing": 404, "notify": 403} {
		body, _ := io.Pipe()
		r := httptest.NewRequest("POST", "/_devserve/"+path, body)
		r.Host = "localhost"
		if want != 403 {
			r.Header.Set("Origin", "http://localhost")
			r.Header.Set("X-Devserve-Token", h.token)
			r.Header.Set("Content-Type", "application/json")
		}
		w := &deadlined{ResponseRecorder: httptest.NewRecorder(), body: body}
		h.ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("Connection") != "close" || w.until.IsZero() || time.Until(w.until) > 10*time.Second {
			t.Errorf("%s: %d, Connection %q, and read until %v", path, w.Code, w.Header().Get("Connection"), w.until)
		}
	}
}

// deadlined is a connection whose reads end as soon as a deadline is set.
type deadlined struct {
	*httptest.ResponseRecorder
	body  *io.PipeReader
	until time.Time
}

func (d *deadlined) SetReadDeadline(at time.Time) error {
	if !at.IsZero() {
		d.until = at
		d.body.CloseWithError(os.ErrDeadlineExceeded)
	}
	return nil
}
