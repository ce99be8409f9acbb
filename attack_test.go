//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// TestAttacks asks a running devserve for what the advisories of dev servers were about. Its site and the attacks are
// testdata/attacks.txtar; docs/security.md says which attack is of which advisory. The comment of the archive has
// groups of requests:
//
//	== NAME ADVISORY...          begins a group, a test of this name
//	STATUS METHOD TARGET         a request and its answer's status; TARGET may be quoted as in Go; 400|403 is either
//	STATUS raw "BYTES"           the same, byte for byte as in Go
//	    Name: value              a header; with one called Host there is no other
//	    | text                   the body
//	    ~ REGEXP, !~ REGEXP      what the answer, headers and body, has and has not
//
// $HOST is the address, $TOKEN the page's token, $PARENT the folder that holds the site. No answer may have the word SECRET, the
// name of that folder, or headers for other origins, and all that devserve itself answers is kept from other
// sites' pages.
func TestAttacks(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/attacks.txtar")
	if err != nil {
		t.Fatal(err)
	}
	parent, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	attackedSite(t, archive, parent)
	upstream := newRecorder(t)
	host := attacked(t, parent, "--proxy", "/api="+upstream.URL, filepath.Join(parent, "site"))

	script, _, err := fetch("GET", "http://"+host+"/_devserve/client.js", http.Header{})
	token := regexp.MustCompile(`token: "(\w+)"`).FindStringSubmatch(script)
	if err != nil || token == nil {
		t.Fatal(err, script)
	}
	replace := strings.NewReplacer("$HOST", host, "$TOKEN", token[1], "$PARENT", parent).Replace
	for _, group := range parseAttacks(t, string(archive.Comment), replace) {
		t.Run(group.name, func(t *testing.T) {
			for _, a := range group.attacks {
				a.run(t, host, parent)
			}
		})
	}

	for _, r := range upstream.requests() {
		if strings.Contains(r, "smuggled") || !strings.Contains(r, " /api") {
			t.Errorf("the other server was asked %q", r)
		}
	}
	opened, err := os.ReadFile(filepath.Join(parent, "opened"))
	if want := filepath.Join(parent, "site", "-n.txt") + "\n"; err != nil || string(opened) != want {
		t.Errorf("the editor was given %q (%v), want %q", opened, err, want)
	}
	if text, status, err := fetch("GET", "http://"+host+"/", http.Header{}); err != nil || status != 200 {
		t.Errorf("after all this: %v, %d %s", err, status, text)
	}
}

// attackedSite makes the site of archive and what lies around it.
func attackedSite(t *testing.T, archive *txtar.Archive, parent string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files {
		name := filepath.Join(parent, filepath.FromSlash(f.Name))
		must(os.MkdirAll(filepath.Dir(name), 0o777))
		must(os.WriteFile(name, bytes.ReplaceAll(f.Data, []byte("$PARENT"), []byte(parent)), 0o777))
	}
	for name, to := range map[string]string{"link.txt": "../outside.txt", "up": "..", "env.txt": ".env", "absolute.txt": "/etc/passwd"} {
		must(os.Symlink(to, filepath.Join(parent, "site", name)))
	}
	must(syscall.Mkfifo(filepath.Join(parent, "site", "fifo"), 0o666))
	must(syscall.Mkfifo(filepath.Join(parent, "site", "fifo.ts"), 0o666))
}

// attacked starts devserve and returns its address.
func attacked(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("devserve", append([]string{"--port", "0", "--quiet"}, args...)...)
	cmd.Env = append(os.Environ(), "DEVSERVE_CACHE=off", "DEVSERVE_EDITOR="+filepath.Join(dir, "editor"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	url, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var rest bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&rest, lines)
	}()
	t.Cleanup(func() {
		timer.Stop()
		cmd.Process.Signal(os.Interrupt)
		<-read
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if bad := regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f-\u009f\u202a-\u202e\u2066-\u2069]").FindString(rest.String()); bad != "" {
			t.Errorf("the terminal was sent %q: %q", bad, rest.String())
		}
	})
	_, port, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(url), "/"), "localhost:")
	if port == "" {
		_, port, err = net.SplitHostPort(strings.TrimPrefix(strings.TrimSuffix(strings.TrimSpace(url), "/"), "http://"))
		if err != nil {
			t.Fatal(url, err)
		}
	}
	return "127.0.0.1:" + port
}

// A recorder is another server, which notes what it is asked byte for byte and answers with it.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var head bytes.Buffer
		fmt.Fprintf(&head, "%s %s\nhost: %s\n", req.Method, req.RequestURI, req.Host)
		req.Header.Write(&head)
		r.mu.Lock()
		r.seen = append(r.seen, head.String())
		r.mu.Unlock()
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "the other server was asked:\n%s\n%s", strings.ReplaceAll(head.String(), "\r", ""), body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// An attack is one request.
type attack struct {
	line     int
	request  string
	method   string
	statuses []string
	has      []*regexp.Regexp
	lacks    []*regexp.Regexp
}

type attackGroup struct {
	name       string
	advisories []string
	attacks    []attack
}

var attackLine = regexp.MustCompile(`^([0-9|]+) (\S+) (.+)$`)

func parseAttacks(t *testing.T, text string, replace func(string) string) (groups []attackGroup) {
	t.Helper()
	var head, body string
	var hosted, raw bool
	var a *attack
	finish := func() {
		if a == nil {
			return
		}
		if !raw {
			if !hosted {
				head += "Host: " + replace("$HOST") + "\r\n"
			}
			if body != "" {
				head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
			}
			a.request = head + "Connection: close\r\n\r\n" + body
		}
		last := &groups[len(groups)-1]
		last.attacks = append(last.attacks, *a)
		a = nil
	}
	for i, line := range strings.Split(text, "\n") {
		fatal := func(err error) {
			if err != nil {
				t.Fatalf("testdata/attacks.txtar:%d: %s: %v", i+1, line, err)
			}
		}
		indented := strings.HasPrefix(line, " ")
		line = replace(strings.TrimSpace(line))
		switch words := strings.Fields(line); {
		case line == "", line[0] == '#':
		case words[0] == "==":
			finish()
			groups = append(groups, attackGroup{name: words[1], advisories: words[2:]})
		case !indented:
			finish()
			m := attackLine.FindStringSubmatch(line)
			if m == nil || len(groups) == 0 {
				fatal(fmt.Errorf("want STATUS METHOD TARGET in a group"))
			}
			a = &attack{line: i + 1, method: m[2], statuses: strings.Split(m[1], "|")}
			hosted, body, raw = false, "", m[2] == "raw"
			target := m[3]
			if target[0] == '"' {
				var err error
				target, err = strconv.Unquote(target)
				fatal(err)
			}
			head = m[2] + " " + target + " HTTP/1.1\r\n"
			if raw {
				a.request = target
				a.method, _, _ = strings.Cut(target, " ")
			}
		case words[0] == "|":
			body += strings.TrimPrefix(strings.TrimPrefix(line, "|"), " ")
		case words[0] == "~", words[0] == "!~":
			re, err := regexp.Compile(strings.TrimSpace(strings.TrimPrefix(line, words[0])))
			fatal(err)
			if words[0] == "~" {
				a.has = append(a.has, re)
			} else {
				a.lacks = append(a.lacks, re)
			}
		default:
			head += line + "\r\n"
			hosted = hosted || strings.HasPrefix(strings.ToLower(line), "host:")
		}
	}
	finish()
	return groups
}

func (a attack) run(t *testing.T, host, parent string) {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, a.request) // what is refused may not be read to its end
	errorf := func(format string, args ...any) {
		t.Helper()
		t.Errorf("testdata/attacks.txtar:%d: %.300q\n\t%s", a.line, a.request, fmt.Sprintf(format, args...))
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: a.method})
	if err != nil {
		errorf("no answer: %v", err)
		return
	}
	var text bytes.Buffer
	res.Header.Write(&text)
	text.WriteString("\r\n")
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		conn.SetDeadline(time.Now().Add(time.Second)) // it does not end
	}
	body, _ := io.ReadAll(res.Body)
	text.Write(body)
	answer := strings.ReplaceAll(text.String(), "\r\n", "\n")

	if !slices.Contains(a.statuses, strconv.Itoa(res.StatusCode)) {
		errorf("got %d, want %s: %.300s", res.StatusCode, strings.Join(a.statuses, " or "), answer)
	}
	for _, secret := range []string{"SECRET", parent, "root:x:"} {
		if strings.Contains(answer, secret) {
			errorf("the answer has %q: %.1000s", secret, answer)
		}
	}
	// What Go cannot read it answers itself, in words that begin with the status, and what it does not know with 501.
	if !strings.HasPrefix(string(body), strconv.Itoa(res.StatusCode)+" ") && res.StatusCode != http.StatusNotImplemented {
		if got := res.Header["Cross-Origin-Resource-Policy"]; !slices.Equal(got, []string{"same-origin"}) {
			errorf("Cross-Origin-Resource-Policy: %q", got)
		}
		if got := res.Header["X-Content-Type-Options"]; !slices.Equal(got, []string{"nosniff"}) {
			errorf("X-Content-Type-Options: %q", got)
		}
	}
	for name := range res.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			errorf("%s: %s", name, res.Header.Get(name))
		}
	}
	for _, re := range a.has {
		if !re.MatchString(answer) {
			errorf("the answer has no %s: %.1000s", re, answer)
		}
	}
	for _, re := range a.lacks {
		if re.MatchString(answer) {
			errorf("the answer has %s: %.1000s", re, answer)
		}
	}
}
