package e2e

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// testForeign has pages of other origins try what testdata/foreign/attack.js knows of on a running devserve. They may read
// nothing and do nothing. That it would work, and that we would see it, is shown by the site's own page first.
//
// Chromium sends Fetch Metadata to 127.0.0.1 and localhost, and none to dev.test over plain http, where only the answers' own headers
// are left. All names that end in .test are this machine, see startBrowser.
func testForeign(t *testing.T, b *browser) {
	script, err := os.ReadFile("testdata/foreign/attack.js")
	if err != nil {
		t.Fatal(err)
	}
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/sandboxed" {
			w.Header().Set("Content-Security-Policy", "sandbox allow-scripts allow-forms") // its origin is "null"
		}
		io.WriteString(w, "<!doctype html><title>a stranger's page</title><body>")
	}))
	t.Cleanup(stranger.Close)
	_, port, _ := net.SplitHostPort(stranger.Listener.Addr().String())

	for _, test := range []struct {
		name   string
		from   string // the page, with $SITE for the port of devserve
		victim string // host of devserve
	}{
		{"its own page", "http://127.0.0.1:$SITE/data.json", "127.0.0.1"},
		{"its own page by name", "http://dev.test:$SITE/data.json", "dev.test"},
		{"another port", "http://127.0.0.1:" + port + "/", "127.0.0.1"},
		{"another name of this machine", "http://localhost:" + port + "/", "127.0.0.1"},
		{"a site", "http://evil.test:" + port + "/", "127.0.0.1"},
		{"a site, to a name without Fetch Metadata", "http://evil.test:" + port + "/", "dev.test"},
		{"a sibling, to a name without Fetch Metadata", "http://evil.dev.test:" + port + "/", "dev.test"},
		{"another port, to a name without Fetch Metadata", "http://dev.test:" + port + "/", "dev.test"},
		{"no origin", "http://evil.test:" + port + "/sandboxed", "127.0.0.1"},
		{"no origin, to a name without Fetch Metadata", "http://evil.test:" + port + "/sandboxed", "dev.test"},
		{"a name that was pointed here", "http://evil.test:$SITE/", "evil.test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			site := newTreasure(t, b)
			tab, err := b.newTab(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			tab.foreign = true
			if err := tab.visit(strings.ReplaceAll(test.from, "$SITE", site.port)); err != nil {
				t.Fatal(err)
			}
			answer, err := tab.eval("(" + string(script) + ")(" + quote("http://"+test.victim+":"+site.port) + ")")
			var got map[string]string
			if err == nil {
				err = json.Unmarshal([]byte(answer), &got)
			}
			if err != nil {
				t.Fatal(err, tab.console.String())
			}
			if strings.HasPrefix(test.name, "its own") {
				for _, name := range possible {
					if got[name] == "" {
						t.Errorf("%s: nothing, so nothing can be concluded from it", name)
					}
				}
				site.mustHave(t, "PWNED", filepath.Join(site.dir, "index.html"), "GET /api/socket", "POST /api/act", "PUT /api/act")
				return
			}
			for name, what := range got {
				refusal := test.victim == "evil.test" && (strings.Contains(what, `host "evil.test" is not allowed`) || strings.HasPrefix(name, "sizes"))
				if !refusal { // a page of that name may read it
					t.Errorf("%s: %s", name, what)
				}
			}
			if text := tab.now("document.documentElement.outerHTML"); strings.Contains(text, "SECRET") {
				t.Errorf("the page has %s", text)
			}
			site.mustBeIdle(t)
		})
	}
}

// possible is what attack.js gets on the site's own page: each kind of attempt at least once.
var possible = []string{
	"fetch /", "fetch /src/main.ts", "fetch /src/style.css", "fetch /data.json", "fetch /_devserve/client.js", "fetch /_devserve/status",
	"fetch /_devserve/events", "fetch /__webpack_hmr", "fetch /_devserve/build/map?id=%2Fsrc%2Fmain.ts", "fetch /api/x",
	"fetch with cookies /src/main.ts", "fetch without cors /src/main.ts", "fetch by POST /_devserve/events", "frame /",
	"script /src/plain.js", "script /_devserve/client.js", "module /src/main.ts", "import /src/main.ts", "preload /src/plain.js", "worker /src/plain.js",
	"module worker /src/plain.js", "style /src/style.css", "image /picture.svg", "object /picture.svg",
	"EventSource /_devserve/events", "EventSource /__webpack_hmr", "WebSocket /api/socket",
	"token", "post log", "post open", "post send",
	"global of a script", "message of an error", "custom property of a style", "sizes of what was loaded",
}

// A treasure is a running devserve with something to read and to do.
type treasure struct {
	dir    string // the site
	port   string
	opened string // where the editor notes what it opens
	out    buffer // the terminal

	mu    sync.Mutex
	asked []string // of the backend
}

func newTreasure(t *testing.T, b *browser) *treasure {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &treasure{dir: filepath.Join(dir, "site"), opened: filepath.Join(dir, "opened")}
	for name, text := range map[string]string{
		"site/index.html":    "<!doctype html><title>SECRET</title><script type=module src=/src/main.ts></script>",
		"site/src/main.ts":   `export const secret: string = "SECRET"; globalThis.leaked = secret`,
		"site/src/plain.js":  `globalThis.leaked = "SECRET"`,
		"site/src/broken.js": `throw new Error("SECRET")`,
		"site/src/style.css": ":root { --leaked: SECRET }",
		"site/data.json":     `["SECRET"]`,
		"site/picture.svg":   `<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"><desc>SECRET</desc></svg>`,
		"editor":             "#!/bin/sh\necho \"$@\" >> '" + s.opened + "'\n",
	} {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	backend := httptest.NewServer(s)
	t.Cleanup(backend.Close)
	path, err := b.command()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--host", "127.0.0.1", "--port", "0", "--allow-host", "dev.test", "--proxy", "/api="+backend.URL, s.dir)
	cmd.Env = append(os.Environ(), "DEVSERVE_CACHE=off", "DEVSERVE_EDITOR="+filepath.Join(dir, "editor"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &s.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		wg.Wait()
		if err := cmd.Wait(); err != nil {
			t.Error(err, s.out.String())
		}
	})
	lines := bufio.NewReader(io.TeeReader(out, &s.out))
	for s.port == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err, s.out.String())
		}
		if _, after, ok := strings.Cut(line, "http://127.0.0.1:"); ok {
			s.port, _, _ = strings.Cut(after, "/")
		}
	}
	wg.Go(func() { io.Copy(io.Discard, lines) })
	s.do(t, "GET", "/src/main.ts", "", http.Header{"Sec-Fetch-Dest": {"script"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}}) // so that it has a map
	return s
}

// ServeHTTP is the backend, which opens WebSockets too.
func (s *treasure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if key := r.Header.Get("Sec-WebSocket-Key"); key != "" {
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
		w.WriteHeader(http.StatusSwitchingProtocols)
		return
	}
	w.Header().Set("Content-Type", "text/javascript")
	io.WriteString(w, `globalThis.leaked = "SECRET"`)
}

// traces is what was done: what the terminal shows, the editor was given and the backend was asked.
func (s *treasure) traces(t *testing.T) string {
	t.Helper()
	opened, err := os.ReadFile(s.opened)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String() + string(opened) + strings.Join(s.asked, "\n")
}

// mustHave waits for the traces of what is done in time.
func (s *treasure) mustHave(t *testing.T, traces ...string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		got := s.traces(t)
		missing := slices.DeleteFunc(slices.Clone(traces), func(trace string) bool { return strings.Contains(got, trace) })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no trace of %q in %s", missing, got)
		}
	}
}

// mustBeIdle does last what the strangers tried, in the way that is allowed, and looks whether that is all.
func (s *treasure) mustBeIdle(t *testing.T) {
	t.Helper()
	token := regexp.MustCompile(`token: "(\w+)"`).FindStringSubmatch(s.do(t, "GET", "/_devserve/client.js", "", nil))
	if token == nil {
		t.Fatal("client.js has no token")
	}
	header := http.Header{"Origin": {"http://127.0.0.1:" + s.port}, "X-Devserve-Token": {token[1]}, "Content-Type": {"application/json"}}
	s.do(t, "POST", "/_devserve/open", `{"file": "data.json"}`, header)
	s.do(t, "POST", "/_devserve/send", `{"event": "devserve:reload", "data": {"reason": "the last word"}}`, header)
	s.mustHave(t, "the last word", filepath.Join(s.dir, "data.json"))
	got := s.traces(t)
	for _, trace := range []string{"PWNED", filepath.Join(s.dir, "index.html"), "POST /api", "PUT /api", "/api/socket"} {
		if strings.Contains(got, trace) {
			t.Errorf("a stranger's page did something: %q in %s", trace, got)
		}
	}
}

// do asks for what must be answered, and returns the answer.
func (s *treasure) do(t *testing.T, method, path, body string, header http.Header) string {
	t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1:"+s.port+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatal(path, err, res.Status, string(text))
	}
	return string(text)
}
