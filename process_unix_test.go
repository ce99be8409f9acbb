//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startSite runs devserve, by way of a shell that does first before, for a folder of files, and returns its address. Its output
// goes on to be read.
func startSite(t *testing.T, first string, files map[string]string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", append([]string{"-c", first + `; exec devserve "$@"`, "sh", "--port", "0", dir}, args...)...)
	cmd.Env = append(os.Environ(), "DEVSERVE_CACHE="+filepath.Join(t.TempDir(), "cache"))
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if m := readyLine.FindStringSubmatch(line); m != nil {
			go io.Copy(io.Discard, lines)
			return cmd, "127.0.0.1:" + m[1]
		}
		if err != nil {
			t.Fatal("no URL: ", err)
		}
	}
}

// endSite ends it by a signal, which takes less than two seconds (measured: 1.5 with a deaf command), and on a machine that
// runs all other tests meanwhile a little more.
func endSite(t *testing.T, cmd *exec.Cmd, sig os.Signal) {
	t.Helper()
	began := time.Now()
	cmd.Process.Signal(sig)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("ended %v after the signal", took)
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
		cmd, addr := startSite(t, ":", map[string]string{"index.html": "<p>ok</p>"}, "--proxy", "/api=http://"+l.Addr().String(), "--cmd", "trap '' INT TERM; while :; do sleep 1; done")
		for _, path := range []string{"/_devserve/events", "/api/x"} {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, addr)
			if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
				t.Fatal(path, ": ", line, err)
			}
		}
		<-asked
		endSite(t, cmd, sig)
	}
}

// With few descriptors connections wait for their turn, and nothing ends or spins.
func TestFewDescriptors(t *testing.T) {
	cmd, addr := startSite(t, "ulimit -n 256", map[string]string{"index.html": "<p>ok</p>", "a.ts": "console.log(1)"})
	var conns []net.Conn
	for range 400 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /_devserve/events HTTP/1.1\r\nHost: %s\r\n\r\n", addr)
		conns = append(conns, c)
	}
	if line, err := bufio.NewReader(conns[0]).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Fatal(line, err)
	}
	for _, c := range conns {
		c.Close()
	}
	mustGet(t, "http://"+addr+"/", "ok")
	mustGet(t, "http://"+addr+"/a.ts", "console.log(1)")
	endSite(t, cmd, os.Interrupt)
	if took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); took > 10*time.Second {
		t.Errorf("it took %v of a processor", took)
	}
}

// Nowhere to keep compiled modules, nowhere to write to, nothing to read from.
func TestNowhereToWrite(t *testing.T) {
	for _, first := range []string{
		"DEVSERVE_CACHE=/dev/null/cache; export DEVSERVE_CACHE",
		"exec 0<&-",
		`trap '' PIPE`,
	} {
		cmd, addr := startSite(t, first, map[string]string{"a.ts": "console.log(1)"})
		mustGet(t, "http://"+addr+"/a.ts", "console.log(1)")
		endSite(t, cmd, os.Interrupt)
	}
}

// A disk without room takes nothing of what is printed or kept.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Log("no /dev/full here: nothing to see")
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.ts"), []byte("let a ="), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmd := exec.Command("devserve", "--port", port, dir)
	cmd.Env = append(os.Environ(), "DEVSERVE_CACHE="+filepath.Join(t.TempDir(), "cache"))
	cmd.Stdout, cmd.Stderr = full, full
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	for end := time.Now().Add(patience); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not listen")
		}
	}
	mustGet(t, "http://"+addr+"/a.ts", "")
	mustGet(t, "http://"+addr+"/_devserve/status", "Unexpected end of file")
	endSite(t, cmd, syscall.SIGTERM)
}

// A file of 2 GB is served in parts, and nobody reads it whole, not when it changes either.
func TestLargeFile(t *testing.T) {
	cmd, addr := startSite(t, ":", map[string]string{"index.html": "<p>ok</p>"})
	dir := cmd.Args[len(cmd.Args)-1]
	const size = 2 << 30
	for _, name := range []string{"big.mp4", "big.html", "big.bin"} {
		f, err := os.Create(filepath.Join(dir, name))
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
		text, status, err := fetch("GET", "http://"+addr+"/"+name, http.Header{"Range": {"bytes=-7"}})
		if err != nil || status != 206 || !strings.HasSuffix(text, "the end") {
			t.Errorf("%s: %v, %d: %.500s", name, err, status, text)
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err == nil {
		_, rest, _ := strings.Cut(string(text), "VmHWM:")
		kb, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil || kb > 300<<10 {
			t.Errorf("it took %d KB: %v", kb, err)
		}
	}
	endSite(t, cmd, os.Interrupt)
}
