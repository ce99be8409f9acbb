//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A running is devserve at work.
type running struct {
	*exec.Cmd
	dir, addr string // of the site
	mu        sync.Mutex
	out       strings.Builder // stdout and stderr so far
}

// startSite runs devserve (without the second that a program with the race detector sleeps at its end), by way of a shell that does first before, for a folder of files, and returns when it answers.
func startSite(t *testing.T, first string, files map[string]string, args ...string) *running {
	t.Helper()
	p := &running{dir: t.TempDir()}
	for name, text := range files {
		p.write(t, name, text)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(p.addr)
	p.Cmd = exec.Command("sh", append([]string{"-c", first + `; exec devserve "$@"`, "sh", "--port", port, "--strict-port", p.dir}, args...)...)
	p.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "DEVSERVE_CACHE="+filepath.Join(t.TempDir(), "cache"))
	p.Stdout, p.Stderr = p, p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	soon(t, func() error {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err
	})
	return p
}

func (p *running) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(text)
}

// said counts how often devserve has printed text, and waits until it has.
func (p *running) said(t *testing.T, text string) int {
	t.Helper()
	n := 0
	soon(t, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if n = strings.Count(p.out.String(), text); n == 0 {
			return fmt.Errorf("it does not say %q but\n%s", text, p.out.String())
		}
		return nil
	})
	return n
}

func (p *running) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stream opens an event stream and returns a function that waits for an event that has text.
func (p *running) stream(t *testing.T) (until func(text string)) {
	t.Helper()
	res, err := http.Get("http://" + p.addr + "/_devserve/events")
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { res.Body.Close() })
	t.Cleanup(func() { late.Stop(); res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	return func(text string) {
		t.Helper()
		for late.Reset(patience); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("no event with %q: %v", text, err)
			}
			if strings.Contains(line, text) {
				return
			}
		}
	}
}

// soon calls f until it returns nil.
func soon(t *testing.T, f func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// endSite ends it by a signal, which takes less than two seconds (measured: 0.1, and 1.2 with a command that is deaf to signals), and what a process
// that sleeps meanwhile takes too long on a busy machine.
func endSite(t *testing.T, p *running, sig os.Signal) {
	t.Helper()
	began := time.Now()
	p.Process.Signal(sig)
	busy := make(chan time.Duration)
	go func() {
		exec.Command("sleep", "1").Run()
		busy <- time.Since(began) - time.Second
	}()
	err := p.Wait()
	took := time.Since(began)
	if err != nil {
		t.Error(err)
	}
	if late := <-busy; took > 2*time.Second+late {
		t.Errorf("ended %v after the signal, on a machine that is %v late", took, late)
	}
}

func mustGet(t *testing.T, url, want string) {
	t.Helper()
	if text, status, err := fetch("GET", url, http.Header{}); err != nil || status != 200 || !strings.Contains(text, want) {
		t.Errorf("GET %s: %v, %d: %.500s", url, err, status, text)
	}
}

// Streams, answers of another server under way and a command that does not listen to signals hold nothing up.
func TestEndWithAllOpen(t *testing.T) {
	asked := make(chan struct{}, 2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	never := make(chan struct{})
	slow := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		http.NewResponseController(w).Flush()
		asked <- struct{}{}
		<-never
	})}
	go slow.Serve(l)
	defer slow.Close()
	defer close(never)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := startSite(t, ":", map[string]string{"index.html": "<p>ok</p>"}, "--proxy", "/api=http://"+l.Addr().String(), "--cmd", "trap '' INT TERM; while :; do sleep 1; done")
		for _, path := range []string{"/_devserve/events", "/api/x"} {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, p.addr)
			if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
				t.Fatal(path, ": ", line, err)
			}
		}
		<-asked
		endSite(t, p, sig)
	}
}

// With few descriptors connections wait for their turn, and nothing ends or spins.
func TestFewDescriptors(t *testing.T) {
	p := startSite(t, "ulimit -n 256", map[string]string{"index.html": "<p>ok</p>", "a.ts": "console.log(1)"})
	var conns []net.Conn
	for range 400 {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /_devserve/events HTTP/1.1\r\nHost: %s\r\n\r\n", p.addr)
		conns = append(conns, c)
	}
	if line, err := bufio.NewReader(conns[0]).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Fatal(line, err)
	}
	for _, c := range conns {
		c.Close()
	}
	mustGet(t, "http://"+p.addr+"/", "ok")
	mustGet(t, "http://"+p.addr+"/a.ts", "console.log(1)")
	endSite(t, p, os.Interrupt)
	if took := p.ProcessState.UserTime() + p.ProcessState.SystemTime(); took > 10*time.Second {
		t.Errorf("it took %v of a processor", took)
	}
}

// What devserve prints, or is to read, may go nowhere: what it does goes on.
func TestNoTerminal(t *testing.T) {
	for _, first := range []string{
		"exec <&-",
		"exec >&-",
		"exec <&- >&- 2>&-",
		"exec >/dev/full 2>&1", // as a log on a disk without room
		"f=$(mktemp -u); mkfifo $f; head -1 <$f >/dev/null & exec >$f 2>&1; rm $f",
	} {
		p := startSite(t, first, map[string]string{"a.ts": "let a ="})
		p.edits(t)
		endSite(t, p, os.Interrupt)
	}
}

// edits breaks and mends the script a.ts, and waits until pages are told.
func (p *running) edits(t *testing.T) {
	t.Helper()
	until := p.stream(t)
	p.write(t, "a.ts", "let a = ")
	mustGet(t, "http://"+p.addr+"/a.ts", "")
	until("Unexpected end of file")
	for i := range 3 {
		text := fmt.Sprintf("console.log('edit %d')", i)
		p.write(t, "a.ts", text)
		until(fmt.Sprintf("edit %d", i))
		mustGet(t, "http://"+p.addr+"/a.ts", fmt.Sprintf("edit %d", i))
		p.write(t, "a.ts", "let a =")
		until("Unexpected end of file")
	}
}

// The cache costs its own use and nothing else, and says so once.
func TestCacheFails(t *testing.T) {
	const said = "compiled modules cannot be kept in "
	for name, first := range map[string]string{
		"no folder": "export DEVSERVE_CACHE=/dev/null/cache",
		"no room":   `dir=$(mktemp -d); export DEVSERVE_CACHE=$dir; for d in "$@"; do :; done; ln -s /dev/full $dir/$(printf %s "$d" | sha256sum | cut -c-20)`,
		"a limit":   "ulimit -f 0",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat("/dev/full"); err != nil && name == "no room" {
				t.Log("no /dev/full here: nothing to see")
				return
			}
			p := startSite(t, first, map[string]string{"a.ts": "console.log(1)"})
			mustGet(t, "http://"+p.addr+"/a.ts", "console.log(1)")
			p.edits(t)
			if n := p.said(t, said); n != 1 {
				t.Errorf("it says so %d times", n)
			}
			endSite(t, p, os.Interrupt)
		})
	}

	p := startSite(t, ":", map[string]string{"a.ts": "console.log(1)"})
	cache := strings.TrimPrefix(p.Env[len(p.Env)-1], "DEVSERVE_CACHE=")
	kept := func() error {
		files, err := os.ReadDir(cache)
		if err == nil && len(files) == 0 {
			err = errors.New("nothing is kept")
		}
		return err
	}
	p.edits(t)
	soon(t, kept)
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	p.edits(t)
	p.write(t, "a.ts", "console.log('new')") // all else is known
	soon(t, kept)
	endSite(t, p, os.Interrupt)
}

// A file of 2 GB is served in parts, and nobody reads it whole, not when it changes either.
func TestLargeFile(t *testing.T) {
	p := startSite(t, ":", map[string]string{"index.html": "<p>ok</p>"})
	const size = 2 << 30
	for _, name := range []string{"big.mp4", "big.html", "big.bin"} {
		f, err := os.Create(filepath.Join(p.dir, name))
		if err == nil {
			err = f.Truncate(size)
		}
		if err == nil {
			_, err = f.WriteAt([]byte("the end"), size-7)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		text, status, err := fetch("GET", "http://"+p.addr+"/"+name, http.Header{"Range": {"bytes=-7"}})
		if err != nil || status != 206 || !strings.HasSuffix(text, "the end") {
			t.Errorf("%s: %v, %d: %.500s", name, err, status, text)
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err == nil {
		_, rest, _ := strings.Cut(string(text), "VmHWM:")
		kb, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil || kb > 300<<10 {
			t.Errorf("it took %d KB: %v", kb, err)
		}
	}
	endSite(t, p, os.Interrupt)
}

// The clock is no witness: what has changed is shown, whatever time its file has and whatever size.
func TestTimesOfFiles(t *testing.T) {
	const big = 5 << 20
	files := map[string]func(text string) string{
		"index.html":              func(text string) string { return "<!doctype html>" + text },
		"a.ts":                    func(text string) string { return "import 'p'; console.log('" + text + "')" },
		"big.bin":                 func(text string) string { return text + strings.Repeat(" ", big) },
		"node_modules/p/index.js": func(text string) string { return "console.log('" + text + "')" },
	}
	first := map[string]string{}
	for name, content := range files {
		first[name] = content("the first")
	}
	p := startSite(t, ":", first)
	past := time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)
	tags := map[string]string{}
	for i, at := range []time.Time{past, past, time.Now().AddDate(10, 0, 0), past, past} {
		for name, content := range files {
			text := fmt.Sprintf("edit %d of %s", i, name)
			p.write(t, name, content(text))
			if err := os.Chtimes(filepath.Join(p.dir, name), at, at); err != nil {
				t.Fatal(err)
			}
			url := name
			if strings.HasPrefix(name, "node_modules/") {
				url = "a.ts" // which imports it
			}
			soon(t, func() error {
				got, status, err := fetch("GET", "http://"+p.addr+"/"+url, http.Header{"If-None-Match": {tags[url]}})
				if err != nil || status != 200 || !strings.Contains(got, text) {
					return fmt.Errorf("%s, %d: %v, %d: %.300s", name, i, err, status, got)
				}
				for line := range strings.Lines(got) {
					if tag, ok := strings.CutPrefix(line, "Etag: "); ok {
						tags[url] = strings.TrimSpace(tag)
					}
				}
				return nil
			})
		}
	}
	endSite(t, p, os.Interrupt)
}

// A process that was stopped for longer than any heartbeat goes on: so it is when a laptop sleeps, as its timers stand still then.
func TestSuspend(t *testing.T) {
	p := startSite(t, ":", map[string]string{"a.ts": "console.log(1)"})
	until := p.stream(t)
	mustGet(t, "http://"+p.addr+"/a.ts", "console.log(1)")
	p.Process.Signal(syscall.SIGSTOP)
	p.write(t, "a.ts", "console.log('while it slept')")
	exec.Command("sleep", "3").Run()
	p.Process.Signal(syscall.SIGCONT)
	until("while it slept")
	until("heartbeat")
	p.edits(t)
	endSite(t, p, syscall.SIGTERM)
}
