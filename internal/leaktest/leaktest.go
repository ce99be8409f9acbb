// Package leaktest fails a test that leaves goroutines behind.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// deadline is how long goroutines may take to end: esbuild's linger 250ms
// after a build, and a loaded machine is some times slower.
const deadline = 5 * time.Second

// Check notes the goroutines that run now and, after t and its later cleanups,
// waits for all others to end; those that do not are reported with their stacks.
// It counts the whole process: do not use it in parallel tests.
func Check(t testing.TB) {
	t.Helper()
	before := stacks()
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			return // a test that stopped half-way leaks as a matter of course
		}
		if left := wait(before, deadline); len(left) > 0 {
			t.Errorf("%d goroutines left after %v:\n\n%s", len(left), deadline, strings.Join(left, "\n\n"))
		}
	})
}

// Main runs m and exits; goroutines that outlive all tests turn a success into a
// failure. It is the whole body of a TestMain.
func Main(m *testing.M) {
	before := stacks()
	code := m.Run()
	if code == 0 {
		if left := wait(before, deadline); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines left after %v:\n\n%s\n", len(left), deadline, strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// wait polls until every goroutine is in before, at most for limit, and returns
// the stacks of those that are not.
func wait(before map[string]string, limit time.Duration) []string {
	end := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		var left []string
		for id, stack := range stacks() {
			if _, ok := before[id]; !ok && !lasting(stack) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
		time.Sleep(pause)
	}
}

// lasting reports whether the goroutine is one that the standard library starts
// once and keeps for the life of the process.
func lasting(stack string) bool {
	for _, s := range []string{
		"os/signal.signal_recv(", "os/signal.loop(",
		"testing.(*M).", "testing.tRunner(", "testing.runFuzzing(",
	} {
		if strings.Contains(stack, s) {
			return true
		}
	}
	return false
}

// stacks returns the stack of every goroutine but the caller's, by number:
// numbers are never used again within a process.
func stacks() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	m := map[string]string{}
	for i, s := range strings.Split(strings.TrimSpace(string(buf)), "\n\n") {
		if id, _, ok := strings.Cut(strings.TrimPrefix(s, "goroutine "), " "); ok && i > 0 {
			m[id] = s
		}
	}
	return m
}
