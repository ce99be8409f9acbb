package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// family waits for the processes that a child has written the numbers of.
func family(t *testing.T, file string) []string {
	t.Helper()
	var pids []string
	poll(t, "the numbers of the processes", func() bool {
		text, err := os.ReadFile(file)
		pids = strings.Fields(string(text))
		return err == nil
	})
	for _, pid := range pids {
		if !alive(pid) {
			t.Fatalf("process %s does not run", pid)
		}
	}
	return pids
}

func noneAlive(t *testing.T, pids []string) {
	t.Helper()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %s is left over", pid)
		}
	}
}

// A process is ended with all that it has started: children that ignore signals, and a daemon.
func TestFamilyEnds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("a daemon is found on Linux only")
		return
	}
	dir := t.TempDir()
	s := self("parent", "pids")
	s.Watch = []string{"a"}
	f := run(t, dir, Options{Grace: 50 * time.Millisecond}, s)
	file := filepath.Join(dir, "pids")
	first := family(t, file)
	if len(first) != 4 {
		t.Fatalf("%q", first)
	}

	if err := os.Remove(file); err != nil { // a restart
		t.Fatal(err)
	}
	f.edit("a", "1")
	second := family(t, file)
	noneAlive(t, first)

	kill(t, second[0]) // a death of its own
	f.told(0, "parent", "failed", func(s State) bool { return s.Phase == Failed })
	noneAlive(t, second)

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.edit("a", "2")
	third := family(t, file)
	f.stop()
	noneAlive(t, third)
}

// What a command leaves behind that ends well ends with it.
func TestLeftBehind(t *testing.T) {
	dir := t.TempDir()
	s := self("leave", "pid")
	s.Generator = true
	f := run(t, dir, Options{Grace: 50 * time.Millisecond}, s)
	f.reached(0, "leave", Ready)
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	noneAlive(t, []string{string(pid)})
}

// One that ignores SIGTERM and keeps its port is killed, and the next gets the port.
func TestStubborn(t *testing.T) {
	addr := freeAddr(t)
	s := self("stubborn", addr)
	s.Ready, s.Watch = Dial(addr), []string{"a"}
	f := run(t, t.TempDir(), Options{Grace: 50 * time.Millisecond}, s)
	f.reached(0, "stubborn", Ready)
	pid, n := ask(addr), f.now()
	f.edit("a", "1")
	f.reached(n, "stubborn", Ready)
	if now := ask(addr); now == "" || now == pid {
		t.Errorf("answers %q, was %q", now, pid)
	}
	noneAlive(t, []string{pid})
}

// Nothing is left when the process that supervises is killed, which it cannot notice.
func TestSupervisorKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("there the job object does it")
		return
	}
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	cmd := exec.Command(exe, "stubborn", addr)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), childEnv+"=supervise")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	poll(t, "the program", func() bool { return ask(addr) != "" })
	pid := ask(addr)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	poll(t, "the program's end", func() bool { return !alive(pid) })
	if got := ask(addr); got != "" {
		t.Errorf("%q answers", got)
	}
}

// 200 restarts leave no process, and no port is left taken.
func TestManyRestarts(t *testing.T) {
	addr := freeAddr(t)
	s := self("listen", addr)
	s.Ready, s.Watch = Dial(addr), []string{"a"}
	f := run(t, t.TempDir(), Options{}, s)
	f.reached(0, "listen", Ready)
	pids := map[string]bool{ask(addr): true}
	for i := range 200 {
		n := f.now()
		f.Restart("listen", fmt.Sprint("restart ", i))
		f.reached(n, "listen", Ready)
		pids[ask(addr)] = true
	}
	f.stop()
	if len(pids) != 201 || pids[""] {
		t.Errorf("%d processes answered", len(pids))
	}
	for pid := range pids {
		noneAlive(t, []string{pid})
	}
	lists, err := filepath.Glob("/proc/self/task/*/children") // zombies too
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		if text, _ := os.ReadFile(list); len(text) > 0 {
			t.Errorf("children are left: %s", text)
		}
	}
}

// What is printed too fast for its reader is left out, and neither the program nor memory suffers.
func TestFloods(t *testing.T) {
	const size = 100 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stuck := make(chan struct{})
	last := make(chan string, 1)
	o := Options{Output: func(_, line string) {
		<-stuck // a terminal that is held
		if strings.Contains(line, "left out") {
			select {
			case last <- line:
			default:
			}
		}
	}}
	s := self("print", fmt.Sprint(size))
	f := run(t, t.TempDir(), o, s)
	u := f.units[0]
	poll(t, "all of it", func() bool {
		u.queue.mu.Lock()
		defer u.queue.mu.Unlock()
		return u.queue.dropped > size/100-20_000
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d MB more are in use", grown>>20)
	}
	close(stuck)
	if line := <-last; !strings.HasPrefix(line, "… 1") || !strings.HasSuffix(line, " lines were left out") {
		t.Errorf("%q", line)
	}
}

func TestOutput(t *testing.T) {
	q := newQueue()
	o := &output{queue: q}
	long := strings.Repeat("y", lineLimit+10)
	for _, s := range []string{"a\r\nb", "c\n\n", long, long, "\nend"} {
		if n, err := o.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	o.flush()
	o.flush()
	q.close()
	var got []string
	q.read(func(l string) { got = append(got, l) })
	want := []string{"a", "bc", "", long[:lineLimit] + "…", "end"}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%q", got)
	}
	if got, want := string(o.head), strings.Join(want, "\n")+"\n"; got != want {
		t.Errorf("head %q", got)
	}
	if got := o.last(2); got != want[3]+"\nend" {
		t.Errorf("last %q", got)
	}
	for range 1000 {
		fmt.Fprintln(o, long)
	}
	if len(o.head) > headLimit || len(o.tail) > 2*tailLimit+lineLimit || !o.more {
		t.Errorf("head %d, tail %d bytes", len(o.head), len(o.tail))
	}
}
