package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/urfave/cli/v2"
)

// patience is how long a script waits for what must happen. A good run never comes near.
const patience = 2 * time.Minute

// atOnce is how long devserve may take to end, on a machine that is busy with other tests.
const atOnce = 5 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"devserve": main})
}

// The scripts know these commands beside the usual ones. Those that wait look again and
// again until a deadline.
//
//	serve ARG...                    start devserve in the background, its output in $WORK/out and $WORK/err
//	waitready                       wait until it says so; $URL is then where, $PORT its port
//	[!] logged REGEXP               wait for a match in its output; with ! look once
//	httpget [-status N] [-H K:V] PATH [REGEXP...]   wait for a page that matches all; with ! for one that matches none
//	edit FILE OLD NEW               replace a text in a file
//	stream                          open an event stream and keep it open
//	[!] streamed REGEXP             wait for a match in what it brought
//	end [-kill|-term|-int] [-again] [CODE]  end devserve, which must take no time
//	special NAME                    make a file that archives cannot contain
//	occupy                          listen on a port, $TAKEN
//	jsonlines                       check that each line of its output is an event
//	packages DIR                    install the npm packages of DIR, unless they are there
func TestScript(t *testing.T) {
	testscript.Run(t, scripts("testdata/script", nil))
}

// scripts are those of dir, which know more commands too.
func scripts(dir string, more map[string]func(ts *testscript.TestScript, neg bool, args []string)) testscript.Params {
	p := testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return os.Geteuid() == 0, nil // every file is readable then
		},
		Setup: func(e *testscript.Env) error {
			e.Values[processKey{}] = &process{}
			dir, err := os.Getwd()
			e.Setenv("REPO", dir)
			e.Setenv("NL", "\n")
			e.Setenv("DEVSERVE_CACHE", filepath.Join(e.WorkDir, "cache"))
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve":     cmdServe,
			"waitready": cmdWaitready,
			"logged":    cmdLogged,
			"httpget":   cmdHTTPGet,
			"edit":      cmdEdit,
			"stream":    cmdStream,
			"streamed":  cmdStreamed,
			"end":       cmdEnd,
			"special":   cmdSpecial,
			"occupy":    cmdOccupy,
			"jsonlines": cmdJSONLines,
			"packages":  cmdPackages,
		},
	}
	maps.Copy(p.Cmds, more)
	return p
}

// Who reads the output may go away (devserve | head -1): the site stays.
func TestOutputThatIsClosed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.ts"), []byte("let a"), 0o666); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("devserve", "--port", "0", "--quiet", dir)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(patience, func() { cmd.Process.Kill() }).Stop()
	w.Close()
	url, err := bufio.NewReader(r).ReadString('\n')
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	url = strings.Replace(strings.TrimSpace(url), "localhost", "127.0.0.1", 1)
	for _, code := range []string{"let b =", "let c", "let d ="} { // errors and their end are printed
		if err := os.WriteFile(filepath.Join(dir, "a.ts"), []byte(code), 0o666); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			status, got, err := fetch("GET", url+"_devserve/status", http.Header{})
			if err != nil || got != 200 || time.Now().After(deadline) {
				t.Fatalf("after %q: %v, %d: %s", code, err, got, status)
			}
			if _, _, err := fetch("GET", url+"a.ts", http.Header{}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(status, `"Unexpected end of file"`) == strings.HasSuffix(code, "=") {
				break
			}
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

type processKey struct{}

// A process is the devserve that a script started.
type process struct {
	cmd     *exec.Cmd
	exited  chan struct{}
	streams chan struct{} // closed when the event stream has ended
}

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	if neg || p.cmd != nil {
		ts.Fatalf("usage: serve ARG..., once before end")
	}
	begin(ts, p, exec.Command(devserve(ts), args...))
}

// begin starts cmd, which runs devserve, in the background.
func begin(ts *testscript.TestScript, p *process, cmd *exec.Cmd) {
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environ(ts)
	for name, w := range map[string]*io.Writer{"out": &cmd.Stdout, "err": &cmd.Stderr} {
		f, err := os.Create(filepath.Join(ts.Getenv("WORK"), name))
		ts.Check(err)
		defer f.Close()
		*w = f
	}
	ts.Check(cmd.Start())
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		defer close(exited)
		cmd.Wait()
	}()
	ts.Defer(func() {
		cmd.Process.Kill()
		<-exited
	})
}

// devserve returns this test binary under the name by which it is devserve.
func devserve(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		for _, name := range []string{"devserve", "devserve.exe"} {
			name = filepath.Join(dir, name)
			if _, err := os.Stat(name); err == nil {
				return name
			}
		}
	}
	ts.Fatalf("no devserve in PATH")
	return ""
}

// output returns what devserve has written so far.
func output(ts *testscript.TestScript, name string) string {
	return ts.ReadFile(filepath.Join(ts.Getenv("WORK"), name))
}

// environ returns what the script's environment has for us.
func environ(ts *testscript.TestScript) []string {
	names := []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR", "TERM", "NO_COLOR", "FORCE_COLOR", "SYSTEMROOT", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"}
	for _, f := range newApp(io.Discard, io.Discard).Flags {
		if f, ok := f.(cli.DocGenerationFlag); ok {
			names = append(names, f.GetEnvVars()...)
		}
	}
	var env []string
	for _, name := range names {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

var readyLine = regexp.MustCompile(`http://[^\s"]+:(\d+)/[^\s"\x1b]*`)

func cmdWaitready(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	var m []string
	eventually(ts, func() error {
		out := output(ts, "out")
		if m = readyLine.FindStringSubmatch(out); m != nil {
			return nil
		}
		select {
		case <-p.exited:
			ts.Fatalf("devserve has ended: %s", output(ts, "err"))
		default:
		}
		return fmt.Errorf("no URL in %q", out)
	})
	ts.Setenv("URL", strings.Replace(m[0], "localhost", "127.0.0.1", 1))
	ts.Setenv("PORT", m[1])
}

func cmdLogged(ts *testscript.TestScript, neg bool, args []string) { find(ts, neg, args, "out") }

func cmdStreamed(ts *testscript.TestScript, neg bool, args []string) { find(ts, neg, args, "events") }

func find(ts *testscript.TestScript, neg bool, args []string, file string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] logged REGEXP")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	if neg {
		if text := output(ts, file); re.MatchString(text) {
			ts.Fatalf("found %s in:\n%s", re, text)
		}
		return
	}
	eventually(ts, func() error {
		text := output(ts, file)
		if re.MatchString(text) {
			return nil
		}
		return fmt.Errorf("no %s in:\n%s", re, text)
	})
}

func cmdHTTPGet(ts *testscript.TestScript, neg bool, args []string) {
	status, header, method := 200, http.Header{}, "GET"
	for len(args) > 2 && args[0][0] == '-' {
		switch args[0] {
		case "-status":
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			status = n
		case "-method":
			method = args[1]
		case "-H":
			k, v, _ := strings.Cut(args[1], ":")
			header.Set(k, strings.TrimSpace(v))
		}
		args = args[2:]
	}
	if len(args) == 0 {
		ts.Fatalf("usage: httpget [-status N] [-method M] [-H K:V] PATH [REGEXP...]")
	}
	eventually(ts, func() error {
		answer, got, err := fetch(method, ts.Getenv("URL")+strings.TrimPrefix(args[0], "/"), header)
		if err != nil {
			return err
		}
		if got != status {
			return fmt.Errorf("status %d, want %d:\n%.4000s", got, status, answer)
		}
		for _, a := range args[1:] {
			if re := regexp.MustCompile("(?m)" + a); re.MatchString(answer) == neg {
				return fmt.Errorf("match of %s is %v:\n%.4000s", re, !neg, answer)
			}
		}
		return nil
	})
}

// fetch returns the header and the body of an answer.
func fetch(method, url string, header http.Header) (string, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return "", 0, err
	}
	req.Header = header.Clone()
	req.Host = header.Get("Host")
	req.Header.Del("Host")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer res.Body.Close()
	var b bytes.Buffer
	res.Header.Write(&b)
	b.WriteByte('\n')
	_, err = io.Copy(&b, res.Body)
	return b.String(), res.StatusCode, err
}

func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	old := ts.ReadFile(args[0])
	if !strings.Contains(old, args[1]) {
		ts.Fatalf("no %q in %s", args[1], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(old, args[1], args[2])), 0o666))
}

func cmdStream(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(ts.Getenv("URL") + "_devserve/events")
	ts.Check(err)
	f, err := os.Create(filepath.Join(ts.Getenv("WORK"), "events"))
	ts.Check(err)
	p.streams = make(chan struct{})
	go func() {
		defer close(p.streams)
		io.Copy(f, res.Body)
		res.Body.Close()
		f.Close()
	}()
	cmdStreamed(ts, false, []string{`^retry:`})
}

func cmdEnd(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	var sig os.Signal = os.Interrupt
	want := 0
	for _, arg := range args {
		switch arg {
		case "-int":
		case "-term":
			sig = syscall.SIGTERM
		case "-kill":
			sig, want = os.Kill, -1
		case "-again": // as go tool and an impatient terminal do
			for range 20 {
				p.cmd.Process.Signal(sig) // the last ones perhaps to nobody
			}
		default:
			n, err := strconv.Atoi(arg)
			ts.Check(err)
			want = n
		}
	}
	ts.Check(p.cmd.Process.Signal(sig))
	select {
	case <-p.exited:
	case <-time.After(atOnce):
		ts.Fatalf("still running %v after the signal", atOnce)
	}
	if p.streams != nil {
		<-p.streams
	}
	if code := p.cmd.ProcessState.ExitCode(); code != want {
		ts.Fatalf("exit code %d, want %d: %s", code, want, output(ts, "err"))
	}
	*p = process{}
}

func cmdSpecial(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		file := ts.MkAbs(name)
		switch filepath.Base(name) {
		case "zero.ts":
			ts.Check(os.WriteFile(file, []byte("console.log(\"a\x00b\");\n"), 0o666))
		case "latin1.ts":
			ts.Check(os.WriteFile(file, []byte("console.log(\"caf\xe9\");\n"), 0o666))
		case "huge.js":
			// As a data file does that somebody has made a script.
			line := "  \"" + strings.Repeat("something that takes room ", 1000) + "\",\n"
			text := "export const rows = [\n" + strings.Repeat(line, (50<<20)/len(line)) + "];\n"
			ts.Check(os.WriteFile(file, []byte(text), 0o666))
		case "fifo.js":
			ts.Check(exec.Command("mkfifo", file).Run())
		case "loop":
			ts.Check(os.Symlink("../"+filepath.Base(filepath.Dir(file)), file))
		case "self.js":
			ts.Check(os.Symlink("self.js", file))
		default:
			ts.Fatalf("special: what is %s?", name)
		}
	}
}

func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("TAKEN", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

func cmdJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	for text := range strings.Lines(output(ts, "out")) {
		var v struct{ Event, Time string }
		if err := json.Unmarshal([]byte(text), &v); err != nil || v.Event == "" || v.Time == "" {
			ts.Fatalf("not an event: %s: %v", text, err)
		}
	}
}

func cmdPackages(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return // npm writes this file last
	}
	npm := exec.Command("npm", "ci")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		ts.Fatalf("npm ci in %s: %v\n%s", dir, err, out)
	}
}

// eventually calls f until it returns nil.
func eventually(ts *testscript.TestScript, f func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("after %v: %v\n%s", patience, err, output(ts, "err"))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
