package command

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/leaktest"
)

// childEnv makes the test binary one of children.
const childEnv = "COMMAND_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		if role == "go" && len(os.Args) == 1 {
			role = "built"
		}
		children[role](os.Args[1:])
		os.Exit(0)
	}
	leaktest.Main(m)
}

// children are the programs that the tests run, by name.
var children = map[string]func(args []string){
	// listen ADDR: answers connections with its process number until it is told to end.
	"listen": func(args []string) { listen(args[0]) },

	// stubborn ADDR: as listen, but does not end when told to.
	"stubborn": func(args []string) {
		signal.Ignore(syscall.SIGTERM, os.Interrupt)
		listen(args[0])
	},

	// mute: neither answers nor ends.
	"mute": func([]string) { select {} },

	// parent FILE: starts processes that ignore signals, writes their numbers to FILE, and goes on. One is in its group,
	// one has left that and knows nothing of its parent's variables, one is in a session of its own with its parent gone.
	"parent": func(args []string) {
		pids := []string{strconv.Itoa(os.Getpid()), spawn(child("family")), spawn(leaveGroup(child("family"))), orphan()}
		write(args[0], strings.Join(pids, "\n"))
		select {}
	},
	"family": func([]string) {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
		select {}
	},
	// orphan: starts a family of one and prints its number.
	"orphan": func([]string) { fmt.Println(spawn(detach(child("family")))) },

	// leave FILE: ends well but leaves a process behind.
	"leave": func(args []string) { write(args[0], spawn(child("family"))) },

	// fail CODE TEXT...: says something and ends with that code.
	"fail": func(args []string) {
		for _, line := range args[1:] {
			fmt.Fprintln(os.Stderr, line)
		}
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	},

	// print BYTES: prints that many bytes, then a last line, then waits.
	"print": func(args []string) {
		n, _ := strconv.Atoi(args[0])
		line := []byte(strings.Repeat("x", 99) + "\n")
		for range n / len(line) {
			os.Stdout.Write(line)
		}
		fmt.Println("printed")
		select {}
	},

	// upper IN OUT: writes IN to OUT in capitals, and a line to log.
	"upper": func(args []string) {
		text, err := os.ReadFile(args[0])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if strings.Contains(string(text), "error") {
			fmt.Printf("%s:1:3: not that word\n", args[0])
			os.Exit(1)
		}
		logLine("upper.log")
		write(args[1], strings.ToUpper(string(text)))
	},

	// count FILE: adds one to the number in FILE, and a line to log.
	"count": func(args []string) {
		text, _ := os.ReadFile(args[0])
		n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		logLine("count.log")
		write(args[0], strconv.Itoa(n+1))
	},

	// touch FILE: writes FILE anew once it runs, and goes on.
	"touch": func(args []string) {
		logLine("touch.log")
		write(args[0], time.Now().String())
		select {}
	},

	// go: is a go command. Of a main.go with "hang" in it it never ends a build, with "fail" it fails, and of others it
	// builds a program that writes its number to a file and goes on.
	"go": func(args []string) {
		text, _ := os.ReadFile("main.go")
		logLine("builds.log")
		switch {
		case strings.Contains(string(text), "hang"):
			signal.Ignore(os.Interrupt)
			select {}
		case strings.Contains(string(text), "fail"):
			os.Exit(1)
		}
		exe, _ := os.Executable()
		out := args[slices.Index(args, "-o")+1]
		_ = os.Remove(out)
		if err := os.Symlink(exe, out); err != nil {
			panic(err)
		}
	},
	"built": func([]string) {
		write("pid", strconv.Itoa(os.Getpid()))
		select {}
	},

	// eof: ends when there is nothing more to read.
	"eof": func([]string) { _, _ = io.Copy(io.Discard, os.Stdin) },

	// slow MS: takes that long, and adds a line to log when it begins and when it ends.
	"slow": func(args []string) {
		ms, _ := strconv.Atoi(args[0])
		logLine("begin.log")
		<-time.After(time.Duration(ms) * time.Millisecond)
		logLine("end.log")
	},

	// supervise LINE...: runs a Group of its own, for tests that kill it.
	"supervise": func(args []string) {
		os.Unsetenv(childEnv)
		role, rest := args[0], args[1:]
		g, err := New([]Spec{self(role, rest...)}, Options{})
		if err != nil {
			panic(err)
		}
		_ = g.Run(context.Background())
	},
}

func listen(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		fmt.Fprintln(c, os.Getpid())
		c.Close()
	}
}

// child is this program in another part, that of a child of the child's.
func child(role string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	return cmd
}

// spawn starts cmd and returns its number.
func spawn(cmd *exec.Cmd) string {
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	return strconv.Itoa(cmd.Process.Pid)
}

// orphan starts a daemon as daemons start themselves, and returns its number.
func orphan() string {
	out, err := detach(child("orphan")).Output()
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(out))
}

func logLine(name string) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, os.Getpid())
	f.Close()
}

// write replaces a file at once, so that nobody reads half of it.
func write(name, text string) {
	temp := name + ".tmp~"
	if err := os.WriteFile(temp, []byte(text), 0o666); err != nil {
		panic(err)
	}
	if err := os.Rename(temp, name); err != nil {
		panic(err)
	}
}

// self is a Spec of this test binary in the part of a child.
func self(role string, args ...string) Spec {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	env := []string{childEnv + "=" + role, "GORACE=atexit_sleep_ms=0"} // the race detector waits a second at exit
	return Spec{Name: role, Args: append([]string{exe}, args...), Env: env}
}

// patience is for what should happen at once, on a machine that does much else.
const patience = 60 * time.Second

// A fixture is a Group that runs, and what it has told.
type fixture struct {
	*Group
	t    *testing.T
	dir  string
	stop func()

	mu     sync.Mutex
	states []State
	lines  []string
}

// run runs specs in dir until the test is over.
func run(t *testing.T, dir string, o Options, specs ...Spec) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: dir}
	onState, output := o.OnState, o.Output
	o.OnState = func(s State) {
		f.mu.Lock()
		f.states = append(f.states, s)
		f.mu.Unlock()
		if onState != nil {
			onState(s)
		}
	}
	o.Output = func(name, line string) {
		f.mu.Lock()
		f.lines = append(f.lines, name+": "+line)
		f.mu.Unlock()
		if output != nil {
			output(name, line)
		}
	}
	for i := range specs {
		if specs[i].Dir == "" {
			specs[i].Dir = dir
		}
	}
	var err error
	if f.Group, err = New(specs, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	var once sync.Once
	f.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		f.stop()
		if t.Failed() {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, s := range f.states {
				t.Logf("%s %s serving=%v %q %v %+v", s.Name, s.Phase, s.Serving, s.Reason, s.Took, s.Diagnostics)
			}
			t.Log(strings.Join(f.lines, "\n"))
		}
	})
	return f
}

// edit writes a file and says so.
func (f *fixture) edit(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	put(f.t, path, text)
	f.Changed([]string{path})
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// told waits for the named command to tell of a state that is wanted, after the first n of all states.
func (f *fixture) told(n int, name, what string, is func(State) bool) State {
	f.t.Helper()
	var found State
	poll(f.t, name+" "+what, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.states[min(n, len(f.states)):] {
			if s.Name == name && is(s) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

func (f *fixture) reached(n int, name string, p Phase) State {
	f.t.Helper()
	return f.told(n, name, p.String(), func(s State) bool { return s.Phase == p })
}

// now is how many states were told.
func (f *fixture) now() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.states)
}

func (f *fixture) printed(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lines {
		if strings.Contains(l, text) {
			return true
		}
	}
	return false
}

// lines is how many lines a file has.
func lines(path string) int {
	text, _ := os.ReadFile(path)
	return strings.Count(string(text), "\n")
}

func poll(t testing.TB, what string, is func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for gap := time.Millisecond; !is(); gap = min(2*gap, 20*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %v", what, patience)
		}
		<-time.After(gap)
	}
}

// freeAddr is an address that nobody listens at.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask returns what a listener answers.
func ask(addr string) string {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer c.Close()
	b := make([]byte, 100)
	n, _ := c.Read(b)
	return strings.TrimSpace(string(b[:n]))
}

func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	if err != nil || runtime.GOOS == "windows" {
		return false
	}
	if text, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil {
		return !strings.Contains(string(text), ") Z ")
	}
	p, err := os.FindProcess(n)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}
